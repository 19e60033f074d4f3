"""P24: does a parallel program on every CPU feel the daemon? A fixed work quantum and MPICH's allreduce, p99.9.

The tree is there and its workers are stopped, so that they are no noise of their own; the daemon runs at its
default intervals or not at all, in turn. Where two runs without it lie farther apart than with and without, or so far
that nothing finer can be told on this machine, the row says that and gives no figure.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence

from bench.node_daemon import DaemonShape
from bench.programs import program
from bench.result import Goal, NotMeasurable, Pairs, Result, Row, interleave
from bench.setting import Setting

LAUNCHERS = ("mpiexec.mpich", "mpiexec.hydra")
REFERENCE = "the same without the daemon"
FIXED_WORK = Row(
    "P24", "fixed work quantum on every CPU, p99.9 with the daemon / without", Goal(1.01), Goal(1.001), REFERENCE
)
ALLREDUCE = Row(
    "P24", "MPICH allreduce on every CPU, p99.9 with the daemon / without", Goal(1.01), Goal(1.001), REFERENCE
)
ROWS = (FIXED_WORK, ALLREDUCE)
SCATTER_LIMIT = 0.1
"""Ten times what is looked for: on a machine whose own runs differ by more nothing is told."""
SETTLED_AFTER_S = 12
"""The dense first samples and the first regular tick, which no default interval has again, are over."""


def measure(setting: Setting) -> list[Result]:
    seconds = setting.choose(12, 6)
    results = [judge(FIXED_WORK, _compare(setting, _fixed_work_us, seconds))]
    try:
        results.append(judge(ALLREDUCE, _compare(setting, _allreduce_us, seconds)))
    except NotMeasurable as reason:
        results.append(ALLREDUCE.no_figure(f"not measured: {reason}"))
    return results


def _compare(setting: Setting, probe: Callable[[int], float], seconds: int) -> Pairs:
    """With and without in turn; microseconds."""
    setting.tree.pause()
    try:
        return interleave(lambda: _beside_daemon(setting, probe, seconds), lambda: probe(seconds), setting.choose(6, 2))
    finally:
        setting.tree.resume()


def judge(row: Row, pairs: Pairs) -> Result:
    """The row for these runs: a figure only where it is larger than the reference's own scatter."""
    ratio = statistics.median(pairs.ours) / statistics.median(pairs.reference)
    scatter = pairs.reference_scatter
    ranges = f"{_range_us(pairs.reference)} without, {_range_us(pairs.ours)} with"
    overlap = min(pairs.ours) <= max(pairs.reference) and min(pairs.reference) <= max(pairs.ours)
    if (overlap and scatter > abs(ratio - 1)) or scatter > SCATTER_LIMIT:
        said = f"no figure: runs without the daemon differ by {scatter:.1%}, their median with it by {ratio - 1:+.1%}"
        return row.no_figure(f"{said}; {ranges}")
    return row.measured(ratio, f"{ranges}; runs without the daemon differ by {scatter:.1%}")


def _range_us(values: Sequence[float]) -> str:
    return f"{min(values):.2f}–{max(values):.2f} µs"


def _beside_daemon(setting: Setting, probe: Callable[[int], float], seconds: int) -> float:
    with setting.daemon(DaemonShape(setting.tree.node)):
        time.sleep(SETTLED_AFTER_S)
        return probe(seconds)


def _fixed_work_us(seconds: int) -> float:
    """The worst CPU's p99.9: a parallel program waits for its slowest rank."""
    binary = program("fixed_work")
    cpus = sorted(os.sched_getaffinity(0))
    runs = [subprocess.Popen([binary, str(cpu), str(seconds)], stdout=subprocess.PIPE, text=True) for cpu in cpus]
    outputs = [run.communicate()[0] for run in runs]
    return max(float(json.loads(output)["p99_9_ns"]) for output in outputs) / 1e3


def _allreduce_us(seconds: int) -> float:
    launcher = next((path for name in LAUNCHERS if (path := shutil.which(name))), None)
    if launcher is None:
        raise NotMeasurable("needs MPICH's mpiexec")
    ranks = len(os.sched_getaffinity(0))
    command = [launcher, "-bind-to", "core", "-n", str(ranks), str(program("allreduce", "mpicc.mpich")), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotMeasurable(f"mpiexec failed: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
    return float(json.loads(done.stdout)["p99_9_ns"]) / 1e3
