"""While the scheduler is silent, a run is over when all its nodes say so; its next word wins, whatever it is."""

from __future__ import annotations

import pytest

from slurmlens.events import Witness
from slurmlens.hub.history.facts import JobFilter, OutcomeSource, StateFilter, TimeSource
from slurmlens.slurm.records import JobState, RecordSource
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import Told, at_ns

ONE, OTHER = Told(node="n1"), Told(node="n2")
RUNS = record(JobState.RUNNING, source=RecordSource.QUEUE)


async def ended(history: History, seconds: float, scheduler: float | None = 10.0) -> set[int]:
    found = await history.unconfirmed.end(at_ns(seconds), None if scheduler is None else at_ns(scheduler))
    await history.refresh()
    return found


async def running(history: History) -> list[int]:
    return [row.job_id for row in await history.listed(JobFilter(state=StateFilter.RUNNING))]


@pytest.fixture
async def finished(history: History, clock: ManualClock) -> History:
    """A job on two nodes that both have ended; the scheduler last said that it runs."""
    await history.learn(RUNS)
    await history.hear(ONE.start(1), OTHER.start(1))
    clock.advance(30)
    await history.hear(ONE.end(30, exit_code=3), OTHER.end(31, exit_code=3), ONE.summary(1, 30), OTHER.summary(1, 31))
    return history


async def test_a_job_that_all_its_nodes_have_ended_does_not_run_on_while_the_scheduler_is_silent(
    finished: History,
) -> None:
    assert await ended(finished, 400) == {7}
    assert await running(finished) == []
    facts = await finished.facts()
    assert (facts.outcome.label, facts.outcome.source) == ("FAILED 3:0", OutcomeSource.HOOK)
    assert (facts.end_ns, facts.end_source, facts.is_live) == (at_ns(31), TimeSource.HOOK, False)
    assert await ended(finished, 405) == set()


async def test_a_scheduler_that_answers_has_the_word(finished: History) -> None:
    assert await ended(finished, 400, scheduler=395) == set()
    assert await running(finished) == [7]


async def test_a_hub_that_just_began_waits_for_the_scheduler(finished: History) -> None:
    finished.listens_since(at_ns(390))
    assert await ended(finished, 400, scheduler=None) == set()
    assert await ended(finished, 520, scheduler=None) == {7}


@pytest.mark.parametrize(
    ("says", "is_running"),
    [
        (record(JobState.RUNNING, source=RecordSource.QUEUE), True),
        (record(JobState.CANCELLED, end=30, source=RecordSource.QUEUE), False),
        (record(JobState.REQUEUED, end=30), False),
    ],
)
async def test_the_schedulers_next_word_wins(finished: History, says: object, is_running: bool) -> None:
    await ended(finished, 400)
    await finished.learn(says)  # type: ignore[arg-type]
    facts = await finished.facts()
    assert facts.outcome.state is says.state  # type: ignore[attr-defined]
    assert await running(finished) == ([7] if is_running else [])


async def test_one_node_that_has_not_told_its_end_keeps_the_job(history: History, clock: ManualClock) -> None:
    await history.learn(RUNS)
    await history.hear(ONE.start(1), ONE.end(30))
    assert await ended(history, 4000) == set(), "nothing was ever heard of the other"
    await history.hear(OTHER.start(1))
    clock.advance(4000)
    assert await ended(history, 4000) == set()
    await history.hear(OTHER.end(4000, witness=Witness.CGROUP))
    assert await ended(history, 4060) == set(), "the scheduler may still tell it"
    assert await ended(history, 4200) == {7}
    assert (await history.facts()).outcome.label == "UNKNOWN (the scheduler does not say)"


async def test_a_boot_ends_a_nodes_part_and_a_restarted_daemon_does_not(history: History, clock: ManualClock) -> None:
    await history.learn(record(JobState.RUNNING, nodes=("n1",), source=RecordSource.QUEUE))
    await history.hear(ONE.start(1))
    clock.advance(60)
    await history.hear(ONE.beat(60))
    await history.reconciler.reconcile(at_ns(61), at_ns(10))
    assert await ended(history, 400) == set(), "no longer listed: a daemon that lost its memory"
    later = Told(node="n1", sighting="s2")
    await history.hear(later.start(70, witness=Witness.CGROUP))
    clock.advance(340)
    await history.hear(Told(node="n1", boot_id="second").beat(400))
    await history.reconciler.reconcile(at_ns(401), at_ns(10))
    assert await ended(history, 600) == {7}


async def test_what_may_be_the_next_run_keeps_the_job(finished: History) -> None:
    """It was requeued while nobody could ask: the next run's Prolog fits no record yet."""
    await finished.hear(Told(node="n1", sighting="s2").start(160))
    assert (await finished.facts()).held
    assert await ended(finished, 400) == set()
