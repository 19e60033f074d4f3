"""IDLE: what production jobs lose to workflow jobs that fill the nodes and give way, on a real small Slurm.

Pairs, taken in turn: a job of two whole nodes on an empty cluster, and the same while preemptible jobs hold both nodes
in the partition of docs/galaxy.md. Its delay is from before sbatch to its script's first line, by the machine's clock.
Both graces are measured: Slurm waits for the grace and then for the next pass of backfill (30 s).
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from deploy.errors import MachineLacks
from deploy.slurm import SmallSlurm, small_slurm

from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting

NODES = 2
GRACE_S = 5
SETTINGS = f"""PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=idle Nodes=ALL PriorityTier=0 PreemptMode=REQUEUE GraceTime=0 MaxTime=10 State=UP
PartitionName=graceful Nodes=ALL PriorityTier=0 PreemptMode=REQUEUE GraceTime={GRACE_S} MaxTime=10 State=UP
"""
ROWS = (
    Row(
        "IDLE",
        "delay of a production job, all nodes with preemptible jobs, GraceTime=0 / cluster empty",
        Goal(2.0),
        Goal(1.2),
        "the same job on the same cluster, empty, in turn",
    ),
)


def measure(setting: Setting) -> list[Result]:
    try:
        with small_slurm(nodes=NODES, extra_conf=SETTINGS) as slurm:
            clock = slurm.sandbox.folder / "home/alice/began"
            pairs = [
                (_delay_s(slurm, clock, None), _delay_s(slurm, clock, "idle")) for _ in range(setting.choose(9, 4))
            ]
            graceful = [_delay_s(slurm, clock, "graceful") for _ in range(2)]
    except MachineLacks as error:
        raise NotMeasurable(str(error)) from error
    empty, full = ([pair[side] for pair in pairs] for side in (0, 1))
    note = (
        f"{len(pairs)} pairs: {_spread(full)} against {_spread(empty)}; with GraceTime={GRACE_S}: {_spread(graceful)}"
    )
    return [ROWS[0].measured(statistics.median(full) / statistics.median(empty), note)]


def _delay_s(slurm: SmallSlurm, clock: Path, filled_by: str | None) -> float:
    """Seconds from sbatch to the job's first line; `filled_by` is the partition whose jobs hold all nodes."""
    whole = ("--exclusive", "--time=5")
    guests = (
        [] if filled_by is None else [slurm.submit("exec sleep 300", *whole, "-p", filled_by) for _ in range(NODES)]
    )
    for guest in guests:
        slurm.wait_state(guest, "RUNNING")
    clock.unlink(missing_ok=True)
    began_s = time.time()
    job = slurm.submit(f"date +%s.%N > {clock}", *whole, f"--nodes={NODES}")
    slurm.wait(job, timeout_s=120)
    for guest in guests:
        slurm.slurm("scancel", str(guest), check=False)
    for guest in guests:
        slurm.wait_state(guest, "CANCELLED", timeout_s=120)
    return float(clock.read_text()) - began_s


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} s ({min(values):.2f}-{max(values):.2f})"
