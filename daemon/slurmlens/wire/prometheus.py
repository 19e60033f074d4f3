"""Counters and gauges as the text that Prometheus scrapes (exposition format 0.0.4); pure.

Owns the spelling: every name begins with `slurmlens_` and is otherwise the one that `slurmlens status --json` shows;
what ends in `_total` only grows and is a counter, anything else a gauge. Invariants: whatever a label's value holds, it
stays within its quotes and on its line; values are finite.
Fed by `node.own_figures` with live counters and by `cli.status` with those of a status document.
Format: Prometheus documentation, "Exposition formats", text-based format.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "slurmlens_"
TOTAL = "_total"


def exposition(values: Mapping[str, float], texts: Mapping[str, str] | None = None) -> str:
    """All samples of `values`, whose keys are `name` or `name{label="value"}` as `Counters.snapshot` spells them.

    `texts` explains families by their bare names. Samples of one name stay together, as the format wants it.
    """
    families: dict[str, list[tuple[str, float]]] = {}
    for spelled, value in values.items():
        name = spelled.partition("{")[0]
        families.setdefault(name, []).append((spelled, value))
    lines = (line for name, samples in families.items() for line in _family(name, samples, (texts or {}).get(name)))
    return "".join(f"{line}\n" for line in lines)


def label_text(value: str) -> str:
    """A label's value as it stands between the quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _family(name: str, samples: Iterable[tuple[str, float]], text: str | None) -> Iterator[str]:
    if text:
        yield f"# HELP {PREFIX}{name} {_help_text(text)}"
    yield f"# TYPE {PREFIX}{name} {'counter' if name.endswith(TOTAL) else 'gauge'}"
    for spelled, value in samples:
        if math.isfinite(value):
            yield f"{PREFIX}{spelled} {_number(value)}"


def _help_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    """Whole numbers without a fraction, others to the last digit."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
