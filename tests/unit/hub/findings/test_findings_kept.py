"""Findings and words are kept, read by whoever may, and what a user is told of them holds nothing of others."""

from __future__ import annotations

import msgspec
import pytest

from slurmlens.errors import RefusedError
from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.findings.claims import ClosedWhy, FindingKind, FindingState, Word
from slurmlens.hub.findings.facts import FindingFilter
from slurmlens.hub.findings.read import helped
from slurmlens.hub.findings.room import FindingRoom
from slurmlens.hub.inventory.entities import Entity
from slurmlens.slurm.records import JobState
from testkit.findings import failing_node_claim, finding_room
from testkit.hub_history import History, record
from testkit.told_events import at_ns

ALICE = Viewer("alice", frozenset({Role.USER}))
CAROL = Viewer("carol", frozenset({Role.USER}))


@pytest.fixture
async def room(history: History) -> FindingRoom:
    """With one finding that touched alice's job 7 and a job 8 that she may not see."""
    await history.learn(record(JobState.FAILED, job_id=7, end=30))
    made = finding_room(history)
    await made.take([failing_node_claim("n1", jobs=(7, 8))])
    return made


async def test_what_was_kept_stands_after_a_restart_with_its_words(history: History, room: FindingRoom) -> None:
    await room.say(EVERYBODY, 1, Word.CONFIRM)
    again = await finding_room(history).ledger()
    assert [finding.name for finding in again.standing.values()] == ["F-1"]
    assert [said.word for said in again.words] == [Word.CONFIRM]
    assert (again.last_number, again.last_word) == (1, 1)


async def test_a_user_is_told_the_hint_and_his_own_jobs_alone(room: FindingRoom) -> None:
    (finding,) = await room.listed(ALICE, FindingFilter())
    assert finding.claim.sentence == "n1 is under suspicion of failing jobs."
    assert finding.claim.jobs == (7,)
    assert b"bob" not in msgspec.json.encode(finding)
    facts = await room.one(ALICE, 1)
    assert facts is not None
    assert (facts.words, facts.finding.claim.values, facts.finding.claim.basis) == ((), {}, "")
    assert [one.number for one in await room.of_job(ALICE, 7, 1)] == [1]


async def test_who_has_no_job_in_it_hears_nothing_of_a_finding(room: FindingRoom) -> None:
    assert await room.listed(CAROL, FindingFilter()) == []
    assert await room.one(CAROL, 1) is None
    assert await room.of_entity(CAROL, Entity("node", "n1")) == []
    assert await room.words(ALICE, 10) == []


async def test_only_operators_judge(room: FindingRoom) -> None:
    with pytest.raises(RefusedError, match="only operators"):
        await room.say(ALICE, 1, Word.DISMISS)


async def test_a_dismissed_finding_is_over_and_undoing_that_opens_it(room: FindingRoom) -> None:
    told = await room.say(EVERYBODY, 1, Word.DISMISS)
    assert told is not None
    assert told.finding.closed_why is ClosedWhy.DISMISSED
    assert [one.number for one in await room.listed(EVERYBODY, FindingFilter(is_over=True))] == [1]
    again = await room.undo(EVERYBODY, 1, told.words[0].number)
    assert again is not None
    assert again.finding.state is FindingState.OPEN
    assert [said.stands for said in again.words] == [False]


async def test_a_restarted_hub_opens_nothing_anew_by_old_evidence(history: History, room: FindingRoom) -> None:
    await room.say(EVERYBODY, 1, Word.DISMISS)
    assert await finding_room(history).take([failing_node_claim("n1", jobs=(7, 8))]) == []
    assert len(await finding_room(history).take([failing_node_claim("n1", to_ns=at_ns(9_000))])) == 1


async def test_how_often_a_remedy_helped_is_counted_by_what_came_back(history: History, room: FindingRoom) -> None:
    ends = []
    for node, at_s in (("n1", 100), ("n2", 200), ("n1", 86_400)):
        claim = failing_node_claim(node, to_ns=at_ns(at_s))
        problem = msgspec.structs.replace(claim, kind=FindingKind.KNOWN_PROBLEM, detail="node-fails-jobs")
        history.clock.advance(1)
        (finding,) = await room.take([problem])
        over, *_ = await room.take([], [(finding, ClosedWhy.CONTAINED)])
        ends.append(over)
    assert helped(ends) == (3, 2)
    facts = await room.one(EVERYBODY, ends[0].number)
    assert facts is not None
    assert facts.helped == (3, 2)
