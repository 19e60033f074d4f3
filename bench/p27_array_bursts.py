"""P27: bursts of array tasks of a second on four nodes, with the SPANK plugin and without: whose CPU seconds are right.

A real small Slurm with all hooks, its daemons and the hub. A task's only process sleeps, burns CPU at its end and says
by getrusage what it used; what the hub has of its run is read from the hub's database when all is in. A task that the
hub has nothing of is not right, nor one that is further off than `TOLERANCE` or than what Slurm's own processes in the
job's cgroups use (`TOLERANCE_S`: TaskProlog, and the sleep of the extern step).

The four nodes share this machine's cores, so several tasks share a CPU of theirs (`OVERSUBSCRIBED`): otherwise eight
would run at a time, and it were no burst.
"""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path

from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox
from deploy.stack import Stack
from deploy.workloads.build import build

from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting

NODES = 4
QUICK_TASKS = 200
BURN_S = 0.05
ALIVE_S = 1.0
TOLERANCE = 0.02
TOLERANCE_S = 0.005
SETTLED_WITHIN_S = 120.0
OVERSUBSCRIBED = 2
LIMITS = "MaxArraySize=20001\nMaxJobCount=50000"
WHAT = "burst of array tasks of 1 s on 4 nodes: runs whose CPU seconds are right"
REFERENCE = "the programs' own getrusage"
ROWS = (
    Row(
        "P27",
        f"{WHAT}, without SPANK",
        Goal(90.0, "90 %", at_least=True),
        Goal(99.0, "99 %", at_least=True),
        REFERENCE,
        " %",
    ),
    Row(
        "P27",
        f"{WHAT}, with SPANK",
        Goal(100.0, "100 %", at_least=True),
        Goal(100.0, "100 %", at_least=True),
        REFERENCE,
        " %",
    ),
)
_OWN = re.compile(r"^burn: ([0-9.]+) CPU s$", re.MULTILINE)


def measure(setting: Setting) -> list[Result]:
    tasks = setting.choose(setting.burst_tasks, QUICK_TASKS)
    try:
        return [_measured(row, tasks, with_plugin=plugged) for row, plugged in zip(ROWS, (False, True), strict=True)]
    except MachineLacks as error:
        raise NotMeasurable(str(error)) from error


def _measured(row: Row, tasks: int, *, with_plugin: bool) -> Result:
    with Sandbox() as sandbox:
        stack = Stack(sandbox, nodes=NODES, extra_conf=LIMITS, with_plugin=with_plugin)
        stack.start_slurm()
        stack.start_hub()
        stack.start_nodes()
        try:
            own_s, took_s = _burst(stack, tasks)
            told_s = _told(sandbox.folder / "hub/hub.sqlite3", own_s)
        finally:
            stack.stop()
    off_s = [abs(told_s[job] - own) for job, own in own_s.items() if job in told_s]
    right = sum(
        job in told_s and abs(told_s[job] - own) <= max(TOLERANCE_S, TOLERANCE * own) for job, own in own_s.items()
    )
    worst_ms = max(off_s, default=0.0) * 1e3
    note = f"{tasks} tasks in {took_s:.0f} s, {len(off_s)} have a figure, the worst is {worst_ms:.1f} ms off"
    return row.measured(100 * right / tasks, note)


def _burst(stack: Stack, tasks: int) -> tuple[dict[int, float], float]:
    """Own CPU seconds of each task by job id, and how long the burst took."""
    nodes = ",".join(stack.slurm.node_names)
    script = f"#!{build(stack.sandbox)}/burn {BURN_S} {ALIVE_S}\n"
    shared = f"PartitionName=all Nodes={nodes} OverSubscribe=FORCE:{OVERSUBSCRIBED}"
    stack.slurm.slurm("scontrol", "update", *shared.split())
    began_s = time.monotonic()
    deadline_s = began_s + 60 + tasks
    array = stack.slurm.submit(script, f"--array=1-{tasks}", "--mem=50", "--output=burst-%A_%a.out")
    while stack.slurm.slurm("squeue", "--noheader", f"--jobs={array}", check=False).strip():
        if time.monotonic() > deadline_s:
            raise NotMeasurable(f"{tasks} tasks did not end within {deadline_s - began_s:.0f} s")
        time.sleep(1.0)
    took_s = time.monotonic() - began_s
    ids = _ended(stack, array, tasks, deadline_s)
    home = stack.sandbox.folder / "home/alice"
    said = {job_id: _OWN.search((home / f"burst-{shown}.out").read_text()) for shown, job_id in ids.items()}
    if None in said.values() or len(said) != tasks:
        raise NotMeasurable(f"of {tasks} tasks {sum(words is not None for words in said.values())} said what they used")
    return {job_id: float(words[1]) for job_id, words in said.items() if words is not None}, took_s


def _ended(stack: Stack, array: int, tasks: int, deadline_s: float) -> dict[str, int]:
    """Job id of each task by the name that sacct shows; slurmdbd hears of the last ones a little later."""
    ids: dict[str, int] = {}
    while len(ids) < tasks and time.monotonic() < deadline_s:
        ids = {job.shown: job.job_id for job in stack.slurm.accounted() if job.submitted_id == array and job.complete}
        time.sleep(1.0)
    return ids


def _told(database: Path, own_s: dict[int, float]) -> dict[int, float]:
    """CPU seconds by job id as the hub has them, once it has those of all, or waits no longer."""
    deadline_s = time.monotonic() + SETTLED_WITHIN_S
    while True:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            ended = "SELECT job_id, cpu_s FROM runs WHERE cpu_s IS NOT NULL AND end_ns IS NOT NULL"
            told = dict(connection.execute(ended).fetchall())
        found = {job: told[job] for job in own_s if job in told}
        if len(found) == len(own_s) or time.monotonic() > deadline_s:
            return found
        time.sleep(1.0)
