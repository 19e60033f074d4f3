"""Writes the shipped configuration file of a program from its dataclass, every default as a comment.

Owns the layout of `etc/slurmlens/*.toml`. Pure. Called by the test that compares the shipped files with the
classes, and that writes them under `make golden`.
"""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slurmlens.config.convert import hints_of, is_section, section_type
from slurmlens.config.hub import HubConfig
from slurmlens.config.node import NodeConfig
from slurmlens.config.relay import RelayConfig
from slurmlens.config.setting import Constraint, constraint_of

_WIDTH = 100

SHIPPED: dict[str, type] = {"node.toml": NodeConfig, "hub.toml": HubConfig, "relay.toml": RelayConfig}
# What a shipped file sets, so that a node or hub started with it does something useful.
SWITCHED_ON: dict[str, frozenset[str]] = {
    "node.toml": frozenset({"sinks.hub"}),
    "hub.toml": frozenset(),
    "relay.toml": frozenset({"sinks.hub"}),
}


def render(name: str) -> str:
    """The text of `etc/slurmlens/<name>`."""
    program = name.removesuffix(".toml")
    lines = [
        f"# Settings of slurmlens-{program}. Every line in comment shows a default; what you set wins.",
        f"# More files may stand in {program}.conf.d/*.toml; later names win.",
        f"# Check with: slurmlens validate /etc/slurmlens/{name}",
        "# Durations are seconds (_s) and sizes bytes (_bytes), as plain numbers.",
        "# Made from the program's own defaults by `make golden`: edit a copy, not this file in the source tree.",
        *_table(SHIPPED[name], "", SWITCHED_ON[name]),
    ]
    return "\n".join(lines) + "\n"


def _table(kind: type, prefix: str, switched_on: frozenset[str], *, is_off: bool = False) -> Iterator[str]:
    """Plain keys first, tables after: TOML would count a key behind a table's heading to that table. A table within one
    that is off stays in comment: its heading alone would switch the outer one on.
    """
    fields = dataclasses.fields(kind)
    for field in fields:
        if not is_section(hints_of(kind)[field.name]):
            yield from _key(field, constraint_of(field))
    for field in fields:
        hint = hints_of(kind)[field.name]
        if is_section(hint):
            yield from _section(field, section_type(hint), prefix, switched_on, is_off=is_off)


def _section(
    field: dataclasses.Field[Any], kind: type, prefix: str, switched_on: frozenset[str], *, is_off: bool
) -> Iterator[str]:
    path = f"{prefix}{field.name}"
    is_off = is_off or (field.default is None and path not in switched_on)
    yield ""
    yield from _comment(constraint_of(field).text)
    if is_off:
        yield f"# [{path}]"
    elif not _only_sections(kind):
        yield f"[{path}]"
    yield from _table(kind, f"{path}.", switched_on, is_off=is_off)


def _only_sections(kind: type) -> bool:
    return all(is_section(hint) for hint in hints_of(kind).values())


def _key(field: dataclasses.Field[Any], constraint: Constraint) -> Iterator[str]:
    yield ""
    yield from _comment(constraint.text + _bounds(constraint))
    yield f"# {field.name} = {constraint.example or _toml(field.default)}"


def _bounds(constraint: Constraint) -> str:
    if constraint.choices:
        return f" ({' | '.join(constraint.choices)})"
    bounds = [
        f"{word} {bound:.12g}"
        for word, bound in (("least", constraint.minimum), ("most", constraint.maximum))
        if bound is not None
    ]
    return f" ({', '.join(bounds)})" if bounds else ""


def _comment(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text, _WIDTH):
        yield f"# {line}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, (str, Path)):
        return json.dumps(str(value), ensure_ascii=False)
    return f"{value:.12g}" if isinstance(value, float) else str(value)
