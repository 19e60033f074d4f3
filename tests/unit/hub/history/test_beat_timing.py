"""What the moments of heartbeats say: a clock's skew by those alone that did not wait, and two daemons of one name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.events import NodeHeartbeat
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.history.facts import ClosedReason, NodeHeard
from slurmlens.hub.history.record.beat_timing import BeatMoment, came_live
from slurmlens.hub.history.record.node_beats import NodeBeats, NodeName
from testkit.hub_history import History
from testkit.manual_clock import ManualClock
from testkit.told_events import Told, at_ns

NODE = NodeName("demo", "n1")
ONE = Told(node="n1")
REBOOTED = Told(node="n1", boot_id="second")
S = 10**9


def hear(beats: NodeBeats, received_s: float, *told: NodeHeartbeat) -> None:
    beats.hear(NODE, at_ns(received_s), told)


def skew_s(beats: NodeBeats) -> float | None:
    return beats.known[NODE].skew_s


def test_a_clock_is_compared_by_two_heartbeats_that_came_as_they_were_made() -> None:
    beats = NodeBeats()
    hear(beats, 12.0, ONE.beat(10))
    assert skew_s(beats) is None
    hear(beats, 22.1, ONE.beat(20))
    assert skew_s(beats) == pytest.approx(-2.1)


def test_a_backlog_after_an_outage_of_the_hub_says_nothing_of_the_clock() -> None:
    beats = NodeBeats()
    hear(beats, 10.0, ONE.beat(10))
    hear(beats, 20.0, ONE.beat(20))
    hear(beats, 84.0, *(ONE.beat(second) for second in range(30, 90, 10)))  # the last was made 4 s before
    assert skew_s(beats) == 0.0
    hear(beats, 90.0, ONE.beat(90))
    assert skew_s(beats) == 0.0
    hear(beats, 100.5, ONE.beat(100))
    assert skew_s(beats) == pytest.approx(-0.5)


def test_a_backlog_that_is_drained_in_several_requests_says_nothing_either() -> None:
    beats = NodeBeats()
    for number in range(30):
        hear(beats, 400.0 + 0.4 * number, ONE.beat(10.0 * (number + 1)))
    assert skew_s(beats) is None


def test_what_waited_from_the_boot_until_the_network_came_says_nothing_of_the_clock() -> None:
    beats = NodeBeats()
    hear(beats, 300.0, ONE.beat(290))
    hear(beats, 310.0, ONE.beat(300))
    hear(beats, 424.0, REBOOTED.beat(400), REBOOTED.beat(410))
    assert skew_s(beats) is None
    hear(beats, 425.0, REBOOTED.beat(420))
    assert skew_s(beats) is None
    hear(beats, 435.0, REBOOTED.beat(430))
    assert skew_s(beats) == pytest.approx(-5.0)


def test_heartbeats_of_each_second_are_judged_more_narrowly() -> None:
    assert not came_live(BeatMoment(10 * S, 70 * S), BeatMoment(11 * S, 70 * S))
    assert came_live(BeatMoment(10 * S, 70 * S), BeatMoment(11 * S, 71 * S))


@given(
    made_s=st.floats(1, 3_600),
    first_wait_s=st.floats(0, 3_600),
    later_wait_s=st.floats(0, 3_600),
    skew=st.integers(-(10**6), 10**6),
)
def test_no_heartbeats_that_waited_unlike_are_taken_for_live(
    made_s: float, first_wait_s: float, later_wait_s: float, skew: int
) -> None:
    """However far the clocks are apart."""
    earlier = BeatMoment(0, round((first_wait_s + skew) * S))
    later = BeatMoment(round(made_s * S), round((made_s + later_wait_s + skew) * S))
    if abs(later_wait_s - first_wait_s) > 1.001:
        assert not came_live(earlier, later)


async def heard(history: History) -> NodeHeard:
    (node,) = (await history.queries.status(EVERYBODY)).nodes
    return node


async def tell_both(history: History, clock: ManualClock, first: int, last: int, *running: str) -> None:
    """Two machines of one name beat by turns, every 10 s each."""
    for second in range(first, last, 10):
        await history.hear(ONE.beat(second, *running))
        clock.advance(5)
        await history.hear(REBOOTED.beat(second + 5))
        clock.advance(5)


async def test_two_daemons_that_live_at_once_under_one_name_are_noticed(history: History, clock: ManualClock) -> None:
    await tell_both(history, clock, 0, 30)
    node = await heard(history)
    assert node.contested_ns is not None
    assert {node.boot_id, node.other_boot_id} == {ONE.beat(0).boot_id, "second"}


async def test_a_boot_whose_backlog_comes_after_the_next_ones_heartbeats_is_no_second_daemon(
    history: History, clock: ManualClock
) -> None:
    await history.hear(ONE.beat(0))
    clock.advance(300)
    await history.hear(REBOOTED.beat(300))
    clock.advance(10)
    await history.hear(*(ONE.beat(second) for second in range(10, 100, 10)))
    await history.hear(REBOOTED.beat(310))
    node = await heard(history)
    assert (node.boot_id, node.contested_ns, node.other_boot_id) == ("second", None, None)


async def test_of_two_machines_under_one_name_none_ends_the_others_jobs(history: History, clock: ManualClock) -> None:
    await history.hear(ONE.start(0))
    await tell_both(history, clock, 0, 60, ONE.sighting)
    found = await history.reconciler.reconcile(clock.wall_ns(), clock.wall_ns())
    assert [verdict.reason for verdict in found.closed] == []


async def test_a_machine_that_was_booted_anew_ended_its_jobs_as_before(history: History, clock: ManualClock) -> None:
    await history.hear(ONE.start(0), ONE.beat(1, ONE.sighting))
    clock.advance(300)
    await history.hear(REBOOTED.beat(300))
    clock.advance(10)
    await history.hear(REBOOTED.beat(310))
    found = await history.reconciler.reconcile(clock.wall_ns(), clock.wall_ns())
    assert [verdict.reason for verdict in found.closed] == [ClosedReason.NODE_BOOTED]
