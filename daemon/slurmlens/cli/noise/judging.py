"""What may be told of noise: runs with the daemon against runs without it, in turn; and what earlier releases gave.

Pure but for the file of earlier runs. A ratio is given only where it is larger than what the runs without the daemon
differ by among themselves: on a noisy machine nothing finer can be told, and that is said instead. Fed by
`cli.commands.noise`.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec

SCATTER_LIMIT = 0.1


class NoiseRow(msgspec.Struct, frozen=True, kw_only=True):
    """One probe: p99.9 in microseconds of each run; `ratio` is None where none can be told."""

    probe: str
    with_us: tuple[float, ...]
    without_us: tuple[float, ...]
    ratio: float | None
    scatter: float
    words: str


class NoiseRun(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the command, as it is kept: a line of JSON."""

    version: str
    time: str
    kernel: str
    cpus: int
    seconds: float
    rows: tuple[NoiseRow, ...]


def judged(probe: str, with_us: Sequence[float], without_us: Sequence[float]) -> NoiseRow:
    """The row of these runs."""
    middle = statistics.median(without_us)
    ratio = statistics.median(with_us) / middle
    scatter = (max(without_us) - min(without_us)) / middle
    apart = min(with_us) > max(without_us) or max(with_us) < min(without_us)
    is_told = scatter <= SCATTER_LIMIT and (apart or scatter <= abs(ratio - 1))
    ranges = f"{_range(without_us)} without the daemon, {_range(with_us)} with it"
    if is_told:
        words = f"{ratio:.4f} of the time without it; {ranges}"
    else:
        words = (
            f"no difference to be told: runs without it differ by {scatter:.1%} themselves ({ratio - 1:+.1%}); {ranges}"
        )
    return NoiseRow(
        probe=probe,
        with_us=tuple(with_us),
        without_us=tuple(without_us),
        ratio=round(ratio, 5) if is_told else None,
        scatter=round(scatter, 5),
        words=words,
    )


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f} µs"


def kept_runs(path: Path) -> list[NoiseRun]:
    """Earlier runs of a file, oldest first; lines that are none are left out."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=NoiseRun))
        except msgspec.MsgspecError:
            continue
    return found


def keep(path: Path, run: NoiseRun) -> None:
    """Adds a line to the file, which is made where it is not there; OSError where that cannot be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(msgspec.json.encode(run) + b"\n")


def default_path(environment: dict[str, str]) -> Path:
    """Where runs are kept: root's with the daemon's state, others' in their own."""
    if os.geteuid() == 0:
        return Path("/var/lib/slurmlens-noise.jsonl")
    home = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME', '.')}/.local/state"
    return Path(home) / "slurmlens" / "noise.jsonl"


def text_of(run: NoiseRun, earlier: Sequence[NoiseRun]) -> str:
    """The run and what earlier releases gave, ending in a newline."""
    lines = [f"slurmlens {run.version} on {run.cpus} CPUs, Linux {run.kernel}; p99.9 of the worst CPU"]
    lines += [f"  {row.probe}: {row.words}" for row in run.rows]
    others = [one for one in earlier if one.version != run.version]
    newest = {one.version: one for one in others}
    if newest:
        lines += ["", "  earlier releases on this node"]
    lines += map(_earlier, newest.values())
    return "\n".join(lines) + "\n"


def _earlier(one: NoiseRun) -> str:
    told = ", ".join(f"{row.probe} {'–' if row.ratio is None else f'{row.ratio:.4f}'}" for row in one.rows)
    return f"    {one.version} ({one.time[:10]}): {told}"


def as_json(run: NoiseRun) -> str:
    """The run as JSON, for `--json`."""
    return json.dumps(msgspec.to_builtins(run)) + "\n"
