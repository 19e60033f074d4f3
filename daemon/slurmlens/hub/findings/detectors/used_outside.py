"""Nodes and GPUs that somebody uses whom no allocation gave them. Pure.

A GPU with a process of a job that was given others, or of a user without a job; and users without a job who keep a
core busy, or hold much memory, on a compute node. What a login or an administrator's shell takes is no finding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.events import Outsider
from slurmlens.hub.findings.claims import Claim, FindingKind
from slurmlens.hub.findings.observed import Observed
from slurmlens.hub.findings.words import listed
from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.node_states.facts import GpuUsedOutside, OutsidersTold
from slurmlens.shown import format as fmt

LEAST_CORES = 1.0
LEAST_BYTES = 8 * 2**30
WINDOW_S = 60.0
_GPU_SCORE, _LEAST_SCORE = 3.0, 1.0


def used_outside(observed: Observed) -> Iterator[Claim]:
    """At most two claims a node: of its GPUs, and of its cores and memory."""
    for told in observed.outsiders:
        if told.gpus:
            yield _of_gpus(told)
        heavy = [one for one in told.users if _is_heavy(one)]
        if heavy:
            yield _of_users(told, heavy)


def _is_heavy(one: Outsider) -> bool:
    return (one.cpu_cores or 0.0) >= LEAST_CORES or (one.memory_bytes or 0) >= LEAST_BYTES


def _of_gpus(told: OutsidersTold) -> Claim:
    jobs = tuple(dict.fromkeys(job for gpu in told.gpus for job in gpu.jobs))
    return _claim(
        told,
        "GPUs",
        _GPU_SCORE,
        basis="processes on the GPU, joined with jobs by the kernel's cgroups",
        sentence=f"{told.node}: " + listed([_words(gpu) for gpu in told.gpus], 4) + ".",
        hint=f"A GPU of {told.node} is used by a job that was given others.",
        jobs=jobs,
        values={"gpus": len(told.gpus)},
    )


def _words(gpu: GpuUsedOutside) -> str:
    jobs = [f"job {job}, which was given others" for job in gpu.jobs]
    users = [f"user {uid}, who has no job there" for uid in gpu.users]
    return f"GPU {gpu.pci or gpu.uuid} is used by {listed([*jobs, *users], 3)}"


def _of_users(told: OutsidersTold, heavy: Sequence[Outsider]) -> Claim:
    cores = sum(one.cpu_cores or 0.0 for one in heavy)
    memory = sum(one.memory_bytes or 0 for one in heavy)
    who = listed([f"user {one.uid}" for one in heavy], 3)
    return _claim(
        told,
        "sessions",
        round(_LEAST_SCORE + math.log10(1 + cores + memory / LEAST_BYTES), 2),
        basis="the cgroups of users' sessions, which hold no process of a job",
        sentence=f"{who} {'computes' if len(heavy) == 1 else 'compute'} on {told.node} without a job:"
        f" {fmt.cores(cores)} busy, {fmt.memory(memory)}.",
        hint=f"Somebody computes on {told.node} without a job.",
        values={"users": len(heavy), "cores": round(cores, 1)},
    )


def _claim(
    told: OutsidersTold,
    detail: str,
    score: float,
    *,
    basis: str,
    sentence: str,
    hint: str,
    values: dict[str, str | int | float],
    jobs: tuple[int, ...] = (),
) -> Claim:
    return Claim(
        kind=FindingKind.USED_OUTSIDE,
        subject=Entity("node", told.node),
        detail=detail,
        score=score,
        basis=basis,
        from_ns=told.told_ns - round(WINDOW_S * NS_PER_S),
        to_ns=told.told_ns,
        jobs=jobs,
        entities=tuple(Entity("job", str(job)) for job in jobs),
        sentence=sentence,
        hint=hint,
        values={"node": told.node, **values},
    )
