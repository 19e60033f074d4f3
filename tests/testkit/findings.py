"""Findings for tests: claims, the room over a real database, and runs as detectors see them."""

from __future__ import annotations

from collections.abc import Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.claims import Claim, FindingKind
from slurmlens.hub.findings.keeping import FindingKeeper
from slurmlens.hub.findings.observed import LoggedEvent, NodeLoad, RunLoad
from slurmlens.hub.findings.problems.problem import ProblemDefinition
from slurmlens.hub.findings.read import FindingQueries
from slurmlens.hub.findings.room import FindingRoom
from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.slurm.records import JobState
from testkit.hub_history import History
from testkit.told_events import at_ns

NOW_NS = 1_800_000_000 * NS_PER_S


def finding_room(history: History, problems: Sequence[ProblemDefinition] = ()) -> FindingRoom:
    """A room of cluster `demo` on a history's database."""
    keeper, queries = FindingKeeper(history.store, "demo"), FindingQueries(history.store, "demo")
    return FindingRoom(keeper, queries, history.news, history.clock, problems)


def failing_node_claim(
    node: str, *, jobs: tuple[int, ...] = (42,), to_ns: int | None = None, score: float = 2.0
) -> Claim:
    """A claim about a node that fails these jobs."""
    end_ns = at_ns(60) if to_ns is None else to_ns
    return Claim(
        kind=FindingKind.FAILING_NODE,
        subject=Entity("node", node),
        score=score,
        p=0.01,
        basis="p = 0.01 by two failures of bob",
        from_ns=end_ns - 60 * NS_PER_S,
        to_ns=end_ns,
        jobs=jobs,
        entities=(Entity("user", "bob"),),
        sentence=f"{node} fails jobs: 2 of 2, among them bob's.",
        hint=f"{node} is under suspicion of failing jobs.",
        values={"node": node, "user": "bob"},
    )


def ended(
    job_id: int, state: str, *nodes: str, ago_s: float = 600, ran_s: float = 60, user: str = "alice", name: str = "a"
) -> PlacedRun:
    """A run that ended so long before `NOW_NS`."""
    end_ns = NOW_NS - round(ago_s * NS_PER_S)
    return PlacedRun(
        job_id=job_id,
        run=1,
        state=JobState(state),
        name=name,
        user=user,
        start_ns=end_ns - round(ran_s * NS_PER_S),
        end_ns=end_ns,
        nodes=nodes,
    )


def load(job_id: int, cpu: dict[str, Sequence[float | None]], *, cores: float = 8.0, width_s: float = 60.0) -> RunLoad:
    """A running run whose nodes kept so many cores busy, interval by interval up to `NOW_NS`."""
    count = max(len(values) for values in cpu.values())
    start_ns = NOW_NS - round(count * width_s * NS_PER_S)
    run = PlacedRun(
        job_id=job_id, run=1, state=JobState.RUNNING, user="alice", name="a", start_ns=start_ns, nodes=tuple(cpu)
    )
    nodes = tuple(NodeLoad(node=node, cores=cores, cpu=tuple(values)) for node, values in cpu.items())
    return RunLoad(run=run, width_s=width_s, start_ns=start_ns, nodes=nodes)


def event(
    kind: str, node: str = "n1", *, ago_s: float = 60, job: int | None = None, count: int = 1, **fields: str | int
) -> LoggedEvent:
    """An event so long before `NOW_NS`."""
    time_ns = NOW_NS - round(ago_s * NS_PER_S)
    return LoggedEvent(
        time_ns=time_ns, node=node, kind=kind, job_id=job, fields=fields, text=f"{kind} said so", count=count
    )
