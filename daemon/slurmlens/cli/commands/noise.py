"""`slurmlens noise`: what a parallel program on this very node feels of the daemon. Measures here, asks nobody.

Runs two probes on every CPU, with the daemon running and with it standing still, in turn. Called by `cli.main`, by hand
on an idle node.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from slurmlens import __version__
from slurmlens.cli.noise import judging, pausing
from slurmlens.cli.noise.probes import NoiseProbeError, ProbeFigure, exchange, fixed_work
from slurmlens.cli.show.screen import show

SUMMARY = "what a parallel program on this node feels of the daemon"

EPILOG = """Run it as root on a node without jobs: it keeps every CPU busy, and stops the daemon (SIGSTOP) for a few
seconds at a time, which goes on afterwards in any case. Nothing is told that lies within the scatter of the runs
without the daemon.

example:
  slurmlens noise
  slurmlens noise --seconds 20 --rounds 8 --json

exit status:
  0 measured; 1 it could not be measured; 2 wrong options
"""
PROBES: tuple[tuple[str, Callable[[float], ProbeFigure]], ...] = (
    ("fixed work", fixed_work),
    ("exchange of all CPUs", exchange),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=12.0, metavar="N", help="of each run (default: 12, most 30)")
    parser.add_argument("--rounds", type=int, default=4, metavar="N", help="runs with and without it (default: 4)")
    parser.add_argument("--pid", type=int, metavar="PID", help="the daemon's process; else systemd is asked")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="where runs are kept, one a line")
    parser.add_argument("--json", action="store_true", help="the same as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Measure, keep, show."""
    if not 0.05 <= arguments.seconds <= pausing.MOST_PAUSE_S or not 2 <= arguments.rounds <= 100:
        print(
            f"slurmlens noise: --seconds from 0.05 to {pausing.MOST_PAUSE_S:g}, --rounds from 2 to 100", file=sys.stderr
        )
        return 2
    path = arguments.keep or judging.default_path(dict(os.environ))
    try:
        pid = arguments.pid or pausing.daemon_pid()
        rows = tuple(_row(name, probe, pid, arguments.seconds, arguments.rounds) for name, probe in PROBES)
    except NoiseProbeError as error:
        print(f"slurmlens noise: {error}", file=sys.stderr)
        return 1
    made = judging.NoiseRun(
        version=__version__,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        kernel=platform.release(),
        cpus=len(os.sched_getaffinity(0)),
        seconds=arguments.seconds,
        rows=rows,
    )
    earlier = judging.kept_runs(path)
    try:
        judging.keep(path, made)
    except OSError as error:
        print(f"slurmlens noise: {path} cannot be written, so this run is not kept: {error.strerror}", file=sys.stderr)
    show(judging.as_json(made) if arguments.json else judging.text_of(made, earlier))
    return 0


def _row(name: str, probe: Callable[[float], ProbeFigure], pid: int, seconds: float, rounds: int) -> judging.NoiseRow:
    """In turn, each pair in the other order than the one before, so that neither always comes first."""
    found: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(rounds):
        for is_there in (True, False) if turn % 2 else (False, True):
            _progress(f"{name}: run {len(found[True]) + len(found[False]) + 1} of {2 * rounds}")
            with nullcontext() if is_there else pausing.paused(pid):
                found[is_there].append(probe(seconds).p99_9_us)
    _progress("")
    return judging.judged(name, found[True], found[False])


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
