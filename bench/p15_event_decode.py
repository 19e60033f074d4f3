"""P15: a file of the dropbox decoded and held to the format's rules, against msgspec alone reading the same bytes.

The files are those that the hook itself writes for the Epilog of a current Slurm and for the Prolog of the oldest one.
Both make the same Struct of them: the reference is the call that the target names, ours looks besides at what msgspec
cannot (the length, the version) and words what is refused. Who the job is, two more Structs made of that one value by
value, is neither decoding nor validation; what all of `decode` takes stands in the note.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench import dropbox
from bench.hook_latency import ENVIRONMENT
from bench.result import Goal, NotMeasurable, Result, Row, interleave
from bench.setting import Setting
from slurmlens.wire import hook

ROWS = (
    Row(
        "P15",
        "event decode and validate / `msgspec.json.decode` into the same Struct",
        Goal(1.3),
        Goal(1.1),
        "msgspec.json.decode of the same bytes into the same Struct",
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
    rounds = setting.choose(51, 11)
    pairs = interleave(lambda: _us_each(hook.read, files), lambda: _us_each(_msgspec_alone, files), rounds)
    whole = interleave(lambda: _us_each(hook.decode, files), lambda: _us_each(_msgspec_alone, files), rounds)
    ours, reference = statistics.median(pairs.ours), statistics.median(pairs.reference)
    note = (
        f"{ours:.2f} µs against {reference:.2f} µs, {statistics.mean(map(len, files)):.0f} bytes;"
        f" with the event and its JobIdentity made of it {whole.ratio:.2f}"
    )
    return [ROWS[0].measured(pairs.ratio, note)]


def _msgspec_alone(data: bytes) -> hook.HookFile:
    return msgspec.json.decode(data, type=hook.HookFile, strict=False)


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
