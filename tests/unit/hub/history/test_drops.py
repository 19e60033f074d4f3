"""What nodes had to give up: stored once whatever comes twice or late, shown in the status and beside the job."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given
from sqlalchemy import func, select

from slurmlens.events import DroppedLines
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.facts import DroppedEvents
from slurmlens.hub.history.record.drops import COURSE_ROWS_MAX, KINDS_MAX, dropped_within, superfluous
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.slurm.records import JobState
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import Told, at_ns

ONE, OTHER = Told(node="n1"), Told(node="n2")
ENDED = record(JobState.COMPLETED, start=0, end=100)


async def totals(history: History) -> dict[str, tuple[DroppedLines, ...]]:
    return {node.node: node.dropped for node in (await history.queries.status(EVERYBODY)).nodes}


def told(lines: int, since: float = 0.0, stream: str = "events") -> DroppedLines:
    return DroppedLines(stream=stream, reason="spool_limit", lines=lines, since_ns=at_ns(since))


async def dropped_beside_the_job(history: History) -> dict[str, DroppedEvents | None]:
    return {node.node: node.dropped for node in (await history.facts()).nodes}


async def test_the_status_says_the_newest_totals_of_every_node(history: History) -> None:
    await history.hear(ONE.dropped(10, 5), ONE.dropped(20, 12), OTHER.beat(20))
    await history.hear(ONE.dropped(30, 7, since=25.0), ONE.dropped(30.5, 3, stream="metrics"))
    assert await totals(history) == {"n1": (told(12), told(7, 25.0), told(3, stream="metrics")), "n2": ()}


async def test_a_notice_that_comes_again_or_too_late_changes_nothing(history: History) -> None:
    first, second = ONE.dropped(10, 5), ONE.dropped(20, 12)
    await history.hear(second)
    await history.hear(first, second)
    await history.hear(ONE.dropped(40, 12))  # a repeated total is no news
    assert await totals(history) == {"n1": (told(12),)}
    await history.hear(ONE.summary(0, 100), ONE.start(0))
    await history.learn(ENDED)
    dropped = (await dropped_beside_the_job(history))["n1"]
    assert dropped == DroppedEvents(lines=12, from_ns=at_ns(0), until_ns=at_ns(20))


async def test_a_job_says_what_was_dropped_while_it_was_there_and_on_which_node(
    history: History, clock: ManualClock
) -> None:
    await history.hear(ONE.dropped(-50, 100, since=-90), ONE.dropped(40, 112, since=-90))
    await history.hear(ONE.start(0), ONE.summary(0, 100), OTHER.start(0), OTHER.summary(0, 100))
    await history.learn(ENDED)
    clock.advance(1000)
    await history.hear(ONE.dropped(150, 120, since=-90), ONE.dropped(200, 150, since=-90))
    assert await dropped_beside_the_job(history) == {
        "n1": DroppedEvents(lines=20, from_ns=at_ns(-50), until_ns=at_ns(150)),
        "n2": None,
    }
    notes = build_job_view(await history.facts()).provenance.notes
    assert (
        "Node n1 had to drop 20 events between 2026-11-23T07:59:10Z and 2026-11-23T08:02:30Z: "
        "this page may be incomplete."
    ) in notes


async def test_metrics_and_other_times_are_not_the_jobs(history: History, clock: ManualClock) -> None:
    await history.hear(ONE.start(0), ONE.summary(0, 100), OTHER.start(0), OTHER.summary(0, 100))
    await history.learn(ENDED)
    clock.advance(1000)
    await history.hear(ONE.dropped(40, 9, stream="metrics"), ONE.dropped(-10, 4, since=-90))
    await history.hear(OTHER.dropped(300, 8, since=200))
    assert set((await dropped_beside_the_job(history)).values()) == {None}


async def test_a_node_whose_last_word_is_missing_may_have_dropped_it_after_the_end(
    history: History, clock: ManualClock
) -> None:
    await history.hear(ONE.start(0), OTHER.start(0), OTHER.summary(0, 100))
    await history.learn(ENDED)
    clock.advance(1000)
    await history.hear(ONE.dropped(300, 8, since=200), OTHER.dropped(300, 8, since=200))
    dropped = await dropped_beside_the_job(history)
    assert dropped == {"n1": DroppedEvents(lines=8, from_ns=at_ns(200), until_ns=at_ns(300)), "n2": None}


async def rows(history: History) -> int:
    query = select(func.count()).select_from(schema.drops)
    return await history.store.read(lambda connection: connection.execute(query).scalar_one())


@pytest.mark.thorough
async def test_a_spool_that_drops_for_weeks_keeps_its_sum_and_a_coarser_course(
    history: History, clock: ManualClock
) -> None:
    for minute in range(1, 201):
        await history.hear(ONE.dropped(60 * minute, minute), ONE.dropped(60 * minute, 9 * minute, stream="metrics"))
        assert await rows(history) <= COURSE_ROWS_MAX + 1, "of metrics only the sum is asked for"
    assert await totals(history) == {"n1": (told(200), told(1800, stream="metrics"))}
    clock.advance(60 * 200)
    await history.hear(ONE.start(60 * 50), ONE.summary(60 * 50, 60 * 100))
    await history.learn(record(JobState.COMPLETED, start=60 * 50, end=60 * 100, nodes=("n1",)))
    dropped = (await dropped_beside_the_job(history))["n1"]
    assert dropped is not None
    assert 50 <= dropped.lines <= 75
    assert at_ns(60 * 37) <= dropped.from_ns <= at_ns(60 * 50)
    assert at_ns(60 * 100) <= dropped.until_ns <= at_ns(60 * 113)


async def test_many_notices_at_once_are_bounded_as_well_and_a_thinned_one_may_come_again(history: History) -> None:
    notices = [ONE.dropped(second, second) for second in range(1, 1500)]
    await history.hear(*notices)
    for again in (notices[1], notices[700], notices[-1]):
        await history.hear(again)
        assert await rows(history) <= COURSE_ROWS_MAX
    assert await totals(history) == {"n1": (told(1499),)}


async def test_a_node_whose_spool_is_made_anew_for_ever_has_its_oldest_totals_forgotten(history: History) -> None:
    await history.hear(*(ONE.dropped(100 * life + 5, 3, since=100 * life) for life in range(KINDS_MAX + 40)))
    await history.hear(OTHER.dropped(5, 8))
    found = await totals(history)
    assert found["n1"] == tuple(told(3, since=100 * life) for life in range(40, KINDS_MAX + 40))
    assert found["n2"] == (told(8),)


@given(st.dictionaries(st.integers(1, 10**6), st.integers(0, 2**63 - 1)), st.integers(1, 9))
def test_whatever_is_thinned_out_the_greatest_stays_and_the_rest_is_bounded(
    course: dict[int, int], rows_max: int
) -> None:
    gone = superfluous(sorted(course.items()), rows_max)
    kept = course.keys() - gone
    assert len(kept) <= rows_max
    assert not course or max(course) in kept
    assert not gone or len(course) > rows_max


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 2**63 - 1), st.integers(0, 3))), st.randoms())
def test_all_time_holds_every_total_in_whatever_order_it_was_told(
    tells: list[tuple[int, int, int]], random: object
) -> None:
    rows = [
        {"reason": "age", "since_ns": since_ns, "lines": lines, "told_ns": told_ns}
        for lines, told_ns, since_ns in tells
    ]
    found = dropped_within(rows, 0, 2**63 - 1)
    greatest: dict[int, int] = {}
    for lines, _, since_ns in tells:
        greatest[since_ns] = max(greatest.get(since_ns, 0), lines)
    assert (found.lines if found else 0) == sum(greatest.values())
    random.shuffle(rows)  # type: ignore[attr-defined]
    assert (dropped_within(rows, 0, 2**63 - 1) is None) == (found is None)
