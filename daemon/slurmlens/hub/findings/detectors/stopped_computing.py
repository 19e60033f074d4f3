"""A run that computed and has stopped, all of it or some of its nodes. Pure.

A node was busy (half of what it was at most) and has been idle for ten minutes at least, and for three times as long as
it ever was before in this run: programs that wait, write or exchange have pauses, and their own pauses say how long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.claims import Claim, FindingKind
from slurmlens.hub.findings.observed import NodeLoad, Observed, RunLoad
from slurmlens.hub.findings.words import listed
from slurmlens.hub.inventory.entities import Entity
from slurmlens.shown import format as fmt

LEAST_IDLE_S = 600.0
TIMES_USUAL = 3.0
BUSY, IDLE = 0.3, 0.02
LEAST_BUSY_INTERVALS = 3


class Pause(NamedTuple):
    """How long a node has been idle at the end, and the longest that it was before, in intervals."""

    now: int
    before: int


def stopped_runs(observed: Observed) -> Iterator[Claim]:
    """One claim for each run of which a node has stopped."""
    for load in observed.loads:
        if not load.is_running:
            continue
        stopped = {node.node: pause for node in load.nodes if (pause := _stopped(node, load.width_s)) is not None}
        if stopped:
            yield _claim(load, stopped)


def _stopped(node: NodeLoad, width_s: float) -> Pause | None:
    if not node.cores:
        return None
    pause = pause_of([None if value is None else value / node.cores for value in node.cpu])
    if pause is None:
        return None
    long_enough = pause.now * width_s >= max(LEAST_IDLE_S, TIMES_USUAL * pause.before * width_s)
    return pause if long_enough else None


def pause_of(shares: Sequence[float | None]) -> Pause | None:
    """The pause at the end of a course; None where it never worked, or works, or its end is unseen."""
    busy = [place for place, share in enumerate(shares) if share is not None and share >= BUSY]
    if len(busy) < LEAST_BUSY_INTERVALS:
        return None
    after = shares[busy[-1] + 1 :]
    if not after or any(share is None or share > IDLE for share in after[1:]):
        return None
    before, longest = 0, 0
    for share in shares[busy[0] : busy[-1]]:
        before = before + 1 if share is not None and share < BUSY else 0
        longest = max(longest, before)
    return Pause(len(after), longest)


def _claim(load: RunLoad, stopped: dict[str, Pause]) -> Claim:
    run, nodes = load.run, sorted(stopped)
    idle_s = min(pause.now for pause in stopped.values()) * load.width_s
    before_s = max(pause.before for pause in stopped.values()) * load.width_s
    everywhere = len(nodes) == len(load.nodes)
    end_ns = load.start_ns + round(max(len(node.cpu) for node in load.nodes) * load.width_s * NS_PER_S)
    who = f"Job {run.job_id}" if everywhere else f"{listed(nodes, 4)} of job {run.job_id}"
    words = (
        f"{who} stopped computing {fmt.duration(idle_s)} ago; its longest pause before was {fmt.duration(before_s)}."
    )
    return Claim(
        kind=FindingKind.STOPPED,
        subject=Entity("job", str(run.job_id)),
        score=3.0 if everywhere else 4.0,
        basis=f"idle {max(idle_s / max(before_s, load.width_s), 1):.0f} times as long as its longest pause before",
        from_ns=end_ns - round(idle_s * NS_PER_S),
        to_ns=end_ns,
        jobs=(run.job_id,),
        runs=(run.number,),
        entities=tuple(Entity("node", node) for node in nodes[:16]),
        sentence=words,
        hint=words,
        values={"job": run.job_id, "node": nodes[0], "nodes": listed(nodes), "user": run.user or "?", "idle_s": idle_s},
    )
