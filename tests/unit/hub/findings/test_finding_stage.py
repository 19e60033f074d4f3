"""The stage: news in, findings out, over a real history."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from slurmlens.hub.access.viewer import EVERYBODY, Viewer
from slurmlens.hub.database.store import StoreError
from slurmlens.hub.findings.claims import ClosedWhy, Finding, FindingKind
from slurmlens.hub.findings.events import EventLedger
from slurmlens.hub.findings.problems.problem import ProblemDefinition, Remedy, Sign, Verify
from slurmlens.hub.findings.reading import RecentRuns
from slurmlens.hub.findings.room import FindingRoom
from slurmlens.hub.findings.stage import FindingStage
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.logs.query import NOBODY, LogPlace, StoredLine
from slurmlens.hub.logs.understanding import understood
from slurmlens.hub.news import NodesReceived, RunsChanged
from slurmlens.log_lines import LogLine
from slurmlens.slurm.records import JobState, NodeRecord
from testkit.findings import finding_room
from testkit.hub_history import History, record
from testkit.told_events import at_ns

FAILING = ProblemDefinition(
    name="node-fails-jobs",
    title="The node fails jobs",
    all=(Sign(finding=(FindingKind.FAILING_NODE,)),),
    why="",
    remedy=Remedy(text="", commands=("scontrol update nodename={node} state=drain",)),
    verify=Verify(text="", contained=True, completed_runs=5),
)


@pytest.fixture
def room(history: History) -> FindingRoom:
    return finding_room(history, [FAILING])


@pytest.fixture
def stage(history: History, room: FindingRoom) -> FindingStage:
    recent = RecentRuns(history.store, "demo")
    return FindingStage(room, history.queries, recent, None, None, history.news, history.clock, history.reporter)


def stored(node: str, text: str, program: str = "kernel", at_s: float = 60) -> StoredLine:
    line = LogLine(id=f"{text} {at_s}", time_ns=at_ns(at_s), node=node, message=text, program=program)
    known = msgspec.structs.replace(understood(line), time_ns=at_ns(at_s))
    return StoredLine(known, NOBODY, LogPlace(at_ns(at_s), 1))


async def run(history: History, stage: FindingStage, job_id: int, state: JobState, node: str, **more: object) -> None:
    name = f"job{job_id}"
    await history.learn(record(state, job_id=job_id, nodes=(node,), name=name, start=0, end=job_id, **more))
    stage.note([RunsChanged(job_id)])


def names(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(finding.claim.kind.value, finding.claim.subject.name) for finding in findings]


async def test_the_second_failure_on_a_node_is_a_finding_with_a_guide_and_draining_the_node_ends_both(
    history: History, stage: FindingStage, room: FindingRoom
) -> None:
    history.clock.advance(100)
    stage.note([NodesReceived([NodeRecord(name=name, state="IDLE") for name in ("n1", "n2", "n3")])])
    for job_id in range(10, 16):
        await run(history, stage, job_id, JobState.COMPLETED, f"n{2 + job_id % 2}")
    await run(history, stage, 20, JobState.FAILED, "n1")
    assert await stage.turn() == []
    await run(history, stage, 21, JobState.FAILED, "n1")
    assert names(await stage.turn()) == [("failing-node", "n1"), ("known-problem", "n1")]
    failing, guide = room.standing
    assert guide.incident == failing.number
    assert guide.claim.values["node"] == "n1"

    history.clock.advance(60)
    stage.note([NodesReceived([NodeRecord(name="n1", state="IDLE", state_flags=("DRAIN",), reason="fails jobs")])])
    over = await stage.turn()
    assert [finding.closed_why for finding in over] == [ClosedWhy.CONTAINED, ClosedWhy.WITH_INCIDENT]
    assert await stage.turn() == []
    assert room.standing == ()


async def test_what_the_controller_writes_of_a_nodes_state_counts_before_it_is_asked_again(
    history: History, stage: FindingStage, room: FindingRoom
) -> None:
    await test_the_second_failure_on_a_node_is_a_finding(history, stage)
    line = stored("ctl", "[2026-01-01T00:00:00.000] update_node: node n1 state set to DRAINED", "slurmctld")
    stage.hear([line])
    history.clock.advance(60)
    assert [one.closed_why for one in await stage.turn()] == [ClosedWhy.CONTAINED, ClosedWhy.WITH_INCIDENT]


async def test_the_second_failure_on_a_node_is_a_finding(history: History, stage: FindingStage) -> None:
    history.clock.advance(100)
    stage.note([NodesReceived([NodeRecord(name=name, state="IDLE") for name in ("n1", "n2", "n3")])])
    for job_id in range(10, 16):
        await run(history, stage, job_id, JobState.COMPLETED, f"n{2 + job_id % 2}")
    for job_id in (20, 21):
        await run(history, stage, job_id, JobState.FAILED, "n1")
    assert names(await stage.turn()) == [("failing-node", "n1"), ("known-problem", "n1")]


async def test_a_line_of_a_dying_gpu_is_a_finding_about_the_node_that_wrote_it(
    history: History, stage: FindingStage, room: FindingRoom
) -> None:
    history.clock.advance(70)
    stage.hear([stored("gpu3", "NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, GPU has fallen off the bus.")])
    assert names(await stage.turn()) == [("broken-device", "gpu3")]
    assert [one.name for one in await room.of_entity(EVERYBODY, room.standing[0].claim.subject)] == ["F-1"]


async def test_lines_of_the_controller_count_for_the_nodes_that_they_name(
    history: History, stage: FindingStage
) -> None:
    history.clock.advance(70)
    text = "[2026-01-01T00:00:00.000] error: Nodes n[1-2] not responding"
    stage.hear([stored("ctl", text, "slurmctld", at_s=60 + number) for number in range(6)])
    assert {subject for _, subject in names(await stage.turn())} == {"n1", "n2"}


async def test_nothing_new_changes_nothing(history: History, stage: FindingStage) -> None:
    assert await stage.turn() == []


async def test_a_line_counts_once_though_it_is_read_back_after_it_was_heard_or_again() -> None:
    events = EventLedger(at_ns(0))
    lines = [stored(f"n{number}", "NVRM: Xid (PCI:0000:3b:00): 79, pid=1", at_s=number) for number in range(5)]
    for line in (*lines, *reversed(lines), *lines):
        events.add(line)
    assert [event.node for event in events.recent(at_ns(60))] == [f"n{number}" for number in range(5)]


async def test_an_event_ages_out_whatever_the_order_in_which_lines_were_read() -> None:
    events = EventLedger(at_ns(0))
    for at_s in (90_000, 10):
        events.add(stored(f"n{at_s}", "NVRM: Xid (PCI:0000:3b:00): 79, pid=1", at_s=at_s))
    assert [event.node for event in events.recent(at_ns(90_001))] == ["n90000"]


async def test_what_was_usual_is_summed_once_an_hour_and_again_when_older_lines_are_read_back() -> None:
    events = EventLedger(at_ns(0))

    def rare(number: int, at_s: float) -> StoredLine:
        return stored("n1", f"NVRM: Xid (PCI:0000:3b:00): 79, pid={number}", at_s=at_s)

    for number in range(3):
        events.add(rare(number, number * 3600.0))
    now_ns = at_ns(10 * 3600.0)
    usual = await events.rates(now_ns)
    assert {key.node: exposure.events for key, exposure in usual.items()} == {"n1": 3}
    assert await events.rates(now_ns) is usual
    events.add(rare(9, 10 * 3600.0))  # of this hour: not usual yet
    assert await events.rates(now_ns) is usual
    events.add(rare(10, 1800.0))
    assert [exposure.events for exposure in (await events.rates(now_ns)).values()] == [4]


class AwayOnce:
    """A history whose database is away for the first question."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.asked: list[int] = []

    async def job_facts(self, viewer: Viewer, job_id: int) -> JobFacts | None:
        self.asked.append(job_id)
        if len(self.asked) == 1:
            raise StoreError("away", reason="database")
        return await self._history.queries.job_facts(viewer, job_id)


async def test_a_job_is_looked_at_though_the_database_was_away_when_its_turn_came(
    history: History, room: FindingRoom
) -> None:
    away = AwayOnce(history)
    recent = RecentRuns(history.store, "demo")
    stage = FindingStage(room, away, recent, None, None, history.news, history.clock, history.reporter)  # type: ignore[arg-type]
    await run(history, stage, 20, JobState.FAILED, "n1")
    with pytest.raises(StoreError):
        await stage.turn()
    await stage.turn()
    await stage.turn()
    assert away.asked == [20, 20]
