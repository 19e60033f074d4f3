"""An allocation that is held and not used. Pure.

A run that has been there for an hour and whose nodes together kept less than one in a hundred of its cores busy in all
of the last hour. The score grows with the core-hours that nobody had.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.claims import Claim, FindingKind
from slurmlens.hub.findings.observed import Observed, RunLoad
from slurmlens.hub.inventory.entities import Entity
from slurmlens.shown import format as fmt

IDLE_S = 3600.0
MOST_BUSY = 0.01


def held_idle(observed: Observed) -> Iterator[Claim]:
    """One claim for each run that computes nothing."""
    for load in observed.loads:
        if not load.is_running or not load.cores or load.run.start_ns is None:
            continue
        busy = busy_share(load, IDLE_S)
        if busy is not None and busy < MOST_BUSY and observed.now_ns - load.run.start_ns >= IDLE_S * NS_PER_S:
            yield _claim(load, busy, observed.now_ns)


def busy_share(load: RunLoad, seconds: float) -> float | None:
    """The greatest share of the run's cores that was busy in any of the last intervals; None where much is unseen."""
    count = round(seconds / load.width_s)
    shares: list[float] = []
    least = min((len(node.cpu) for node in load.nodes), default=0)
    if least < count or count < 1:
        return None
    for place in range(least - count, least):
        seen = [node.cpu[place] for node in load.nodes]
        if any(value is None for value in seen):
            continue
        shares.append(sum(value or 0.0 for value in seen) / load.cores)
    return max(shares) if len(shares) >= 0.8 * count else None


def _claim(load: RunLoad, busy: float, now_ns: int) -> Claim:
    run = load.run
    held_s = (now_ns - (run.start_ns or now_ns)) / NS_PER_S
    core_hours = load.cores * IDLE_S / 3600
    words = (
        f"Job {run.job_id} holds {fmt.cores(load.cores)} on {fmt.count(len(load.nodes), 'node')} and has computed"
        f" nothing for {fmt.duration(IDLE_S)} at least."
    )
    return Claim(
        kind=FindingKind.HELD_IDLE,
        subject=Entity("job", str(run.job_id)),
        score=round(1.0 + math.log10(1 + core_hours), 2),
        basis=f"at most {100 * busy:.2g} % of its cores were busy in any interval of the last {fmt.duration(IDLE_S)}",
        from_ns=now_ns - round(IDLE_S * NS_PER_S),
        to_ns=now_ns,
        jobs=(run.job_id,),
        runs=(run.number,),
        entities=tuple(Entity("node", node.node) for node in load.nodes[:16]),
        sentence=words,
        hint=words,
        values={
            "job": run.job_id,
            "user": run.user or "?",
            "cores": load.cores,
            "held_s": round(held_s),
            "core_hours": round(core_hours, 1),
        },
    )
