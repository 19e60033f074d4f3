"""What a hook costs: fork, exec, event in the dropbox, exit; against a static C program that returns 0 (P11, P12).

Owns two builds in a temporary folder on tmpfs (the dropbox is one too) and nothing else. Runs are in random order, so
what drifts drifts for all; wall and CPU time of the child, as its parent sees them. Standard library alone:

    python -m bench.hook_latency [RUNS]
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HOOKS = Path(__file__).parents[1] / "slurm_hooks"
RUNS = 500
RUNS_BETWEEN_EMPTYING = 100

# As 26.05's slurmd sets it for an Epilog.
ENVIRONMENT = {
    "SLURMD_NODENAME": "n0",
    "SLURM_CLUSTER_NAME": "bench",
    "SLURM_CONF": "/etc/slurm/slurm.conf",
    "SLURM_JOBID": "123456",
    "SLURM_JOB_ACCOUNT": "physics",
    "SLURM_JOB_CPUS_PER_NODE": "64(x4)",
    "SLURM_JOB_DERIVED_EC": "0",
    "SLURM_JOB_END_TIME": "1795347676",
    "SLURM_JOB_EXIT_CODE": "0",
    "SLURM_JOB_EXIT_CODE2": "0:0",
    "SLURM_JOB_EXCLUSIVE": "NO",
    "SLURM_JOB_GID": "2000",
    "SLURM_JOB_ID": "123456",
    "SLURM_JOB_NODELIST": "n[0-3]",
    "SLURM_JOB_NTASKS": "256",
    "SLURM_JOB_NUM_NODES": "4",
    "SLURM_JOB_OVERSUBSCRIBE": "NO",
    "SLURM_JOB_PARTITION": "batch",
    "SLURM_JOB_QOS": "normal",
    "SLURM_JOB_RESTART_COUNT": "0",
    "SLURM_JOB_SLUID": "sAZNM81GJARB00",
    "SLURM_JOB_START_TIME": "1795347263",
    "SLURM_JOB_STDIN": "/dev/null",
    "SLURM_JOB_STDOUT": "/tmp/job-%j.out",
    "SLURM_JOB_UID": "2000",
    "SLURM_JOB_USER": "alice",
    "SLURM_JOB_WORK_DIR": "/tmp",
    "SLURM_NODELIST": "n[0-3]",
    "SLURM_SCRIPT_CONTEXT": "epilog_slurmd",
    "SLURM_UID": "2000",
}


@dataclass
class Timings:
    """Microseconds of each run."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def measure(runs: int = RUNS) -> dict[str, float]:
    """Medians and 99th percentiles in µs, and the ratios that the target names (`wall_ratio`, `cpu_ratio`, of medians).

    Raises RuntimeError where a hook did not leave its event or did not end with 0: then there is nothing to compare.
    """
    with _programs() as (hook, hello, dropbox):
        timings = {hello: Timings(), hook: Timings()}
        order = [program for program in timings for _ in range(runs)]
        random.Random(1).shuffle(order)
        for number, program in enumerate(order):
            _time_one(program, timings[program])
            if number % RUNS_BETWEEN_EMPTYING == 0:
                _empty(dropbox)
        _time_one(hook, Timings())
        if not any(dropbox.glob("*.json")):
            raise RuntimeError(f"{hook} left no event in {dropbox}")
    return _figures(timings[hook], timings[hello])


def _figures(hook: Timings, hello: Timings) -> dict[str, float]:
    figures = {}
    for name, timings in (("hook", hook), ("hello", hello)):
        figures[f"{name}_wall_us"] = statistics.median(timings.wall)
        figures[f"{name}_cpu_us"] = statistics.median(timings.cpu)
        figures[f"{name}_wall_p99_us"] = statistics.quantiles(timings.wall, n=100)[98]
    figures["wall_ratio"] = figures["hook_wall_us"] / figures["hello_wall_us"]
    figures["cpu_ratio"] = figures["hook_cpu_us"] / figures["hello_cpu_us"]
    return figures


def _time_one(program: Path, timings: Timings) -> None:
    begin_ns = time.perf_counter_ns()
    child = os.posix_spawn(program, ["/usr/libexec/slurmlens/slurmlens-epilog"], ENVIRONMENT)
    _, status, usage = os.wait4(child, 0)
    timings.wall.append((time.perf_counter_ns() - begin_ns) / 1000)
    timings.cpu.append((usage.ru_utime + usage.ru_stime) * 1_000_000)
    if status:
        raise RuntimeError(f"{program} ended with status {status}")


@contextmanager
def _programs() -> Iterator[tuple[Path, Path, Path]]:
    """The hook as for nodes but for its folder, the program to compare with, and the dropbox."""
    with tempfile.TemporaryDirectory(prefix="slurmlens-hook-", dir=_tmpfs()) as name:
        folder = Path(name)
        events = folder / "events"
        events.mkdir()
        build = folder / "build"
        _run(["make", "-s", "-C", str(HOOKS), f"BUILD={build}", f"RUN_BASE={folder}"])
        source = folder / "hello.c"
        source.write_text("int main(void) { return 0; }\n")
        _run(["gcc", "-O2", "-static", "-o", str(folder / "hello"), str(source)])
        yield build / "slurmlens-hook", folder / "hello", events


def _tmpfs() -> str | None:
    return "/dev/shm" if os.path.ismount("/dev/shm") else None


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True)


def _empty(dropbox: Path) -> None:
    for path in dropbox.iterdir():
        path.unlink()


if __name__ == "__main__":
    for label, value in measure(int(sys.argv[1]) if sys.argv[1:] else RUNS).items():
        print(f"{label:20} {value:10.2f}")
