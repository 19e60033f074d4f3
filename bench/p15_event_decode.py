"""P15: a file of the dropbox to a `HookEvent`, against msgspec alone reading the same bytes.

The files are those that the hook itself writes for the Epilog of a current Slurm and for the Prolog of the oldest one.
The reference decodes them into the very Structs that ours begins with, all fields and no rules: no bounds, no lengths.
Ours checks every rule of the format and hands out who the job is, which is a Struct of its own: so it makes four where
the reference makes two. Files that need a second look (ADR 20) are not measured.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_type_hints

import msgspec

from bench import dropbox
from bench.hook_latency import ENVIRONMENT
from bench.result import Goal, NotMeasurable, Result, Row, interleave
from bench.setting import Setting
from slurmlens.wire import hook, hook_variables

ROWS = (
    Row(
        "P15",
        "event decode and validate / `msgspec.json.decode` of the same bytes",
        Goal(1.3),
        Goal(1.1),
        "one decoder of the same fields, without any rule",
    ),
)
REPEATS = 2000
UNKNOWN_TO_22_05 = (
    "SLURM_JOB_SLUID",
    "SLURM_JOB_START_TIME",
    "SLURM_JOB_END_TIME",
    "SLURM_JOB_NODELIST",
    "SLURM_JOB_QOS",
)


def measure(setting: Setting) -> list[Result]:
    files = _written(setting.new_folder())
    reference_decode = _decoder_without_rules()
    pairs = interleave(
        lambda: _us_each(hook.decode, files), lambda: _us_each(reference_decode, files), setting.choose(51, 11)
    )
    ours, reference = statistics.median(pairs.ours), statistics.median(pairs.reference)
    size_bytes = statistics.mean(map(len, files))
    return [ROWS[0].measured(pairs.ratio, f"{ours:.2f} µs against {reference:.2f} µs, {size_bytes:.0f} bytes")]


def _decoder_without_rules() -> Callable[[bytes], object]:
    variables = _without_rules(hook_variables.Told)
    return msgspec.json.Decoder(_without_rules(hook._Usual, v=int, env=variables), strict=False).decode


def _without_rules(struct: type[msgspec.Struct], **types: type) -> type[msgspec.Struct]:
    """The same fields under the same names in the same order; `get_type_hints` leaves the bounds out."""
    types = {**get_type_hints(struct), **types}
    fields = [
        (field.name, types[field.name], msgspec.field(name=field.encode_name, default=field.default))
        for field in msgspec.structs.fields(struct)
    ]
    return msgspec.defstruct("Reference", fields, frozen=True, kw_only=True, gc=False)


def _written(base: Path) -> list[bytes]:
    """What the hook writes for an Epilog of 26.05 and a Prolog of 22.05."""
    hooks = dropbox.build_hooks(base)
    (base / "events").mkdir()
    newest = ENVIRONMENT
    oldest = {name: value for name, value in newest.items() if name not in UNKNOWN_TO_22_05 and "EXIT" not in name}
    for role, environment in (("epilog", newest), ("prolog", oldest)):
        dropbox.call(hooks / f"slurmlens-{role}", {**environment, "SLURM_SCRIPT_CONTEXT": f"{role}_slurmd"})
    files = [path.read_bytes() for path in sorted((base / "events").glob("*.json"))]
    if len(files) != len(dropbox.ROLES):
        raise NotMeasurable("the hook did not leave its events")
    return files


def _us_each(decode: Callable[[bytes], object], files: list[bytes]) -> float:
    before_ns = time.process_time_ns()
    for _ in range(REPEATS):
        for data in files:
            decode(data)
    return (time.process_time_ns() - before_ns) / 1e3 / (REPEATS * len(files))
