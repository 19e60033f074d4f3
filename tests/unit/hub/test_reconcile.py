"""No phantom running jobs: who is closed, why, and who is left alone."""

from __future__ import annotations

import pytest

from slurmlens.hub.history.facts import NodeState
from slurmlens.hub.history.reconcile import ClosedReason
from slurmlens.slurm.records import JobState
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import Told, at_ns

ONE = Told(node="n1")


async def closed(history: History, seconds: float) -> list[ClosedReason]:
    found = await history.reconciler.reconcile(at_ns(seconds))
    await history.refresh()
    return [verdict.reason for verdict in found]


async def test_a_sighting_that_its_node_no_longer_lists_is_closed_once(history: History, clock: ManualClock) -> None:
    await history.hear(ONE.start(1))
    clock.advance(10)
    await history.hear(ONE.beat(10))
    assert await closed(history, 11) == [ClosedReason.NOT_LISTED]
    assert await closed(history, 12) == []
    facts = await history.facts()
    assert (facts.nodes[0].state, facts.nodes[0].reconciled_reason) == (NodeState.RECONCILED, "not-listed")
    assert not facts.is_live


async def test_a_sighting_that_its_node_lists_stays_open(history: History, clock: ManualClock) -> None:
    await history.hear(ONE.start(1))
    clock.advance(10)
    await history.hear(ONE.beat(10, ONE.sighting))
    assert await closed(history, 11) == []


async def test_a_heartbeat_older_than_the_start_closes_nothing(history: History) -> None:
    await history.hear(ONE.start(20), ONE.beat(10))
    assert await closed(history, 21) == []


async def test_a_node_that_was_booted_anew_ended_everything(history: History, clock: ManualClock) -> None:
    await history.hear(ONE.start(1))
    clock.advance(300)
    await history.hear(Told(node="n1", boot_id="second").beat(300))
    assert await closed(history, 301) == [ClosedReason.NODE_BOOTED]


async def test_a_lost_nodes_sighting_is_closed_some_time_after_the_scheduler_ended_the_run(history: History) -> None:
    await history.hear(ONE.start(1), ONE.beat(2, ONE.sighting))
    await history.learn(record(JobState.NODE_FAIL, end=30, nodes=("n1",)))
    assert await closed(history, 60) == []
    assert await closed(history, 200) == [ClosedReason.RUN_ENDED]
    facts = await history.facts()
    assert facts.outcome.label == "NODE_FAIL"
    assert facts.nodes[0].end_ns == at_ns(30)


async def test_a_node_that_still_cleans_up_is_left_alone(history: History, clock: ManualClock) -> None:
    await history.hear(ONE.start(1))
    await history.learn(record(JobState.COMPLETED, end=30, nodes=("n1",)))
    clock.advance(195)
    await history.hear(ONE.beat(195, ONE.sighting))
    assert await closed(history, 200) == []


async def test_an_end_whose_summary_never_comes_is_closed_and_says_so(history: History) -> None:
    await history.hear(ONE.start(1), ONE.end(5))
    assert await closed(history, 60) == []
    assert await closed(history, 200) == [ClosedReason.NO_SUMMARY]
    facts = await history.facts()
    assert facts.nodes[0].state is NodeState.ENDED
    assert facts.nodes[0].end_ns == at_ns(5)


@pytest.mark.parametrize("late", [60.0, 5000.0])
async def test_an_end_that_comes_after_all_wins(history: History, clock: ManualClock, late: float) -> None:
    await history.hear(ONE.start(1))
    clock.advance(10)
    await history.hear(ONE.beat(10))
    await closed(history, 11)
    clock.advance(late)
    await history.hear(ONE.end(9.5), ONE.summary(1, 9.5))
    facts = await history.facts()
    assert (facts.nodes[0].state, facts.nodes[0].end_ns) == (NodeState.ENDED, at_ns(9.5))
