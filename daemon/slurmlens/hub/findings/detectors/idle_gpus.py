"""GPUs that a running job holds and does not use. Pure.

A GPU that this job alone has, that told how busy it is, and that has done nothing for half an hour by now: whether it
never did, or stopped. The score grows with the GPU-hours that nobody had.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.claims import Claim, FindingKind
from slurmlens.hub.findings.observed import GpuLoad, Observed, RunLoad
from slurmlens.hub.findings.words import listed
from slurmlens.hub.inventory.entities import Entity
from slurmlens.shown import format as fmt

IDLE_S = 1800.0
HEARD_WITHIN_S = 600.0
DETAIL = "GPUs"


def idle_gpus(observed: Observed) -> Iterator[Claim]:
    """One claim for each run of which GPUs stand idle."""
    for load in observed.loads:
        if not load.is_running:
            continue
        held = [gpu for gpu in load.gpus if gpu.told_ns > observed.now_ns - HEARD_WITHIN_S * NS_PER_S]
        idle = [gpu for gpu in held if gpu.seen_s > 0 and not gpu.is_shared and gpu.idle_s >= IDLE_S]
        if idle:
            yield _claim(load, held, idle, observed.now_ns)


def _claim(load: RunLoad, held: Sequence[GpuLoad], idle: Sequence[GpuLoad], now_ns: int) -> Claim:
    run = load.run
    least_s = min(gpu.idle_s for gpu in idle)
    gpu_hours = sum(gpu.idle_s for gpu in idle) / 3600
    empty = sum(not gpu.processes for gpu in idle)
    names = listed([f"{gpu.name} of {gpu.node}" for gpu in idle], 4)
    words = (
        f"{len(idle)} of {fmt.count(len(held), 'GPU')} of job {run.job_id} "
        f"{'has' if len(idle) == 1 else 'have'} done nothing for {fmt.duration(least_s)}: {names}."
    )
    basis = f"utilisation 0 for {fmt.duration(least_s)} at least; no process on {empty} of {len(idle)}"
    return Claim(
        kind=FindingKind.HELD_IDLE,
        subject=Entity("job", str(run.job_id)),
        detail=DETAIL,
        score=round(1.5 + math.log10(1 + gpu_hours), 2),
        basis=basis,
        from_ns=now_ns - round(least_s * NS_PER_S),
        to_ns=now_ns,
        jobs=(run.job_id,),
        runs=(run.number,),
        entities=tuple(Entity("node", node) for node in dict.fromkeys(gpu.node for gpu in idle))[:16],
        sentence=words,
        hint=words,
        values={
            "job": run.job_id,
            "user": run.user or "?",
            "gpus": len(idle),
            "held": len(held),
            "idle_s": round(least_s),
            "gpu_hours": round(gpu_hours, 1),
        },
    )
