"""When the scheduler is asked what, and what becomes of its answers. Time is turned by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import pairwise

import msgspec
import pytest

from slurmlens.errors import SourceError
from slurmlens.hub.history.conclude.executions import ACCOUNTING_PATIENCE_S
from slurmlens.hub.intake.origins import NodeOrigins
from slurmlens.hub.news import ClusterReceived, RunsChanged, SightingBegan, SightingEnded
from slurmlens.hub.scheduler.due_jobs import DEBOUNCE_S, TRIES
from slurmlens.hub.scheduler.poller import MISSES_TO_FORGET, MOST_SIGHTINGS_WAITING, Poller
from slurmlens.hub.scheduler.state import SchedulerState
from slurmlens.slurm.records import (
    Decoded,
    JobRecord,
    JobState,
    NodeRecord,
    PartitionRecord,
    RecordSource,
    StepRecord,
    SwitchRecord,
)
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S
from testkit.waiting import until

RUNNING = record(JobState.RUNNING, source=RecordSource.QUEUE)


class Scripted:
    """A scheduler whose answers a test sets, and that remembers what it was asked and when."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.asked: list[tuple[float, str]] = []
        self.in_queue: list[JobRecord] = []
        self.accounted: list[JobRecord] = []
        self.is_down = False
        self.refused = 0
        self.unknown: dict[str, int] = {}
        self.cluster = "cluster"

    def _ask(self, question: str) -> None:
        self.asked.append(((self._clock.wall_ns() - BEGIN_S * 10**9) / 1e9, question))
        if self.is_down:
            raise SourceError("Unable to contact slurm controller")

    async def release(self) -> tuple[int, int]:
        return 22, 5

    async def cluster_name(self) -> str | None:
        if self.is_down:
            raise SourceError("Unable to contact slurm controller")
        return self.cluster

    async def queue(self) -> Decoded[JobRecord]:
        self._ask("queue")
        return Decoded(tuple(self.in_queue), self.refused, self.unknown)

    async def executions(self, job_ids: Iterable[int]) -> Decoded[JobRecord]:
        wanted = set(job_ids)
        self._ask(f"executions {sorted(wanted)}")
        return Decoded(tuple(one for one in self.accounted if one.job_id in wanted), 0)

    async def executions_since(self, since_s: int) -> Decoded[JobRecord]:
        self._ask("since")
        return Decoded((), 0)

    async def nodes(self) -> Decoded[NodeRecord]:
        self._ask("nodes")
        return Decoded((NodeRecord(name="n1", address="10.0.0.1"),), 0)

    async def partitions(self) -> Decoded[PartitionRecord]:
        self._ask("partitions")
        return Decoded((PartitionRecord(name="all"),), 0)

    async def topology(self) -> Decoded[SwitchRecord]:
        self._ask("topology")
        return Decoded((SwitchRecord(name="s1", nodes=("n1",)),), 0)


class Bench:
    """A poller at work on a scripted scheduler."""

    def __init__(self, history: History, clock: ManualClock) -> None:
        self.clock = clock
        self.scheduler = Scripted(clock)
        self.origins = NodeOrigins(history.news, clock, own=frozenset())
        self._changed = history.news.subscribe(RunsChanged)
        self.counters = Counters()
        self.history = history
        self.poller = Poller(
            self.scheduler,
            history.records,
            history.news,
            SchedulerState(asked_since_ns=clock.wall_ns()),
            interval_s=30,
            clock=clock,
            reporter=Reporter(self.counters, clock),
            cluster="cluster",
            sleep=self._sleep,
        )
        self._until_s = 0.0
        self._asleep = 0

    @property
    def told(self) -> list[int]:
        """The jobs of which it was said, since the last look, that their runs changed."""
        return [fact.job_id for fact in self._changed.take_all() if isinstance(fact, RunsChanged)]

    def _waits_for_news(self) -> bool:
        stirred = self.poller._stirred
        return bool(stirred._waiters) and not stirred.is_set()  # type: ignore[attr-defined]

    async def _sleep(self, seconds: float) -> None:
        """Time passes at once, up to where the test wants it; then for ever."""
        if (self.clock.wall_ns() - BEGIN_S * 10**9) / 1e9 + seconds > self._until_s:
            self._asleep += 1
            await asyncio.Event().wait()
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    async def hear(self) -> None:
        """The poller hears all that was published."""
        hearing = asyncio.create_task(self.poller.hear())
        await until(lambda: self.poller._heard.is_idle, "the poller has heard everything")
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)

    async def run(self, until_s: float, *stages: str) -> list[tuple[float, str]]:
        """Runs stages until then and returns what was asked."""
        self._until_s, self._asleep = until_s, 0
        self.scheduler.asked.clear()
        tasks = [asyncio.create_task(getattr(self.poller, stage)()) for stage in stages]
        while self._asleep + self._waits_for_news() < len(tasks):
            await asyncio.sleep(0.002)  # answers are stored in another thread
            for task in tasks:
                assert not task.done(), task.exception()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.history.refresh()
        return list(self.scheduler.asked)


@pytest.fixture
def bench(history: History, clock: ManualClock) -> Bench:
    return Bench(history, clock)


async def test_nodes_then_the_queue_at_once_and_then_two_questions_a_minute(bench: Bench) -> None:
    asked = await bench.run(185, "poll_queue")
    assert asked == [
        (0, "nodes"),
        (0, "queue"),
        (60, "queue"),
        (90, "queue"),
        (120, "queue"),
        (150, "queue"),
        (180, "queue"),
    ]
    assert bench.origins.known
    assert list(await bench.history.records.nodes()) == ["n1"]


async def test_a_scheduler_that_is_down_is_asked_ever_more_seldom_and_it_shows(bench: Bench) -> None:
    bench.scheduler.is_down = True
    asked = await bench.run(3600, "poll_queue")
    assert 4 <= len(asked) <= 9
    assert bench.poller.state.failures >= len(asked)
    assert "Unable to contact" in (bench.poller.state.last_error or "")
    bench.scheduler.is_down = False
    await bench.run(5000, "poll_queue")
    assert (bench.poller.state.failures, bench.poller.state.last_error) == (0, None)
    assert bench.poller.state.release == "22.05"


async def test_a_sighting_that_begins_or_ends_is_asked_about(bench: Bench) -> None:
    bench.scheduler.accounted = [record(JobState.COMPLETED, job_id=8, end=30)]
    bench.history.news.publish(SightingBegan(7, "n1"))
    bench.history.news.publish(SightingEnded(8))
    await bench.hear()
    asked = await bench.run(2, "poll_accounting")
    assert [question for _, question in asked] == ["since", "executions [7, 8]"]


async def test_a_poller_that_missed_news_catches_up_as_at_its_start(bench: Bench) -> None:
    await bench.run(0.1, "poll_accounting")
    for job_id in range(MOST_SIGHTINGS_WAITING + 1):
        bench.history.news.publish(SightingEnded(job_id))
    await bench.hear()
    asked = await bench.run(0.2, "poll_accounting")
    assert [question for _, question in asked] == ["since"]


async def test_news_of_many_jobs_become_one_question_a_moment_later(bench: Bench) -> None:
    bench.scheduler.accounted = [record(JobState.COMPLETED, job_id=job_id, end=1) for job_id in (7, 8)]
    bench.poller.news_of([7], ended=True)
    bench.poller.news_of([8, 7], ended=True)
    asked = await bench.run(20, "poll_accounting")
    assert asked == [(0, "since"), (pytest.approx(DEBOUNCE_S, abs=2), "executions [7, 8]")]
    assert bench.told == [7, 8] or bench.told == [8, 7]
    assert (await bench.history.facts(8)).outcome.state is JobState.COMPLETED


async def test_an_end_that_accounting_does_not_know_yet_is_asked_for_again_but_not_for_ever(bench: Bench) -> None:
    bench.scheduler.accounted = [record(JobState.RUNNING)]
    bench.poller.news_of([7], ended=True)
    asked = [when for when, question in await bench.run(600, "poll_accounting") if "executions" in question]
    assert len(asked) == TRIES
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses == sorted(pauses)
    assert asked[-1] > ACCOUNTING_PATIENCE_S  # when it is given up, pages may freeze
    assert bench.told[-1] == 7


async def test_a_start_is_asked_for_once(bench: Bench) -> None:
    bench.scheduler.accounted = [record(JobState.RUNNING)]
    bench.poller.news_of([7], ended=False)
    asked = [question for _, question in await bench.run(600, "poll_accounting") if "executions" in question]
    assert asked == ["executions [7]"]


async def test_an_end_without_its_start_is_asked_for_again(bench: Bench) -> None:
    bench.scheduler.accounted = [msgspec.structs.replace(record(JobState.COMPLETED, end=3), partition=None)]
    bench.poller.news_of([7], ended=True)
    assert len(await bench.run(600, "poll_accounting")) > 2


async def test_a_job_that_the_queue_no_longer_lists_is_looked_up_and_in_the_end_given_up(bench: Bench) -> None:
    bench.scheduler.in_queue = [RUNNING]
    await bench.run(10, "poll_queue")
    assert (await bench.history.facts()).outcome.state is JobState.RUNNING
    bench.scheduler.in_queue = []
    await bench.run(60 * (MISSES_TO_FORGET + 2), "poll_queue", "poll_accounting")
    facts = await bench.history.facts()
    assert "does not say" in facts.outcome.label
    assert not facts.is_live


async def test_a_job_that_left_the_queue_gets_its_end_from_accounting(bench: Bench) -> None:
    bench.scheduler.in_queue = [RUNNING]
    await bench.run(10, "poll_queue")
    bench.scheduler.in_queue = []
    bench.scheduler.accounted = [record(JobState.TIMEOUT, end=60)]
    await bench.run(130, "poll_queue", "poll_accounting")
    assert (await bench.history.facts()).outcome.label == "TIMEOUT"


async def test_the_queue_counts_as_heard_when_its_jobs_are_known(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a job that began while the scheduler was silent would seem to be unknown to it, for a moment."""
    known: list[int | None] = []
    take = bench.history.records.take

    async def watched(records: Iterable[JobRecord], heard_ns: int) -> set[int]:
        changed = await take(records, heard_ns)
        known.append(bench.poller.state.last_queue_ns)
        return changed

    monkeypatch.setattr(bench.history.records, "take", watched)
    bench.scheduler.in_queue = [RUNNING]
    await bench.run(10, "poll_queue")
    assert known == [None]
    assert bench.poller.state.last_queue_ns is not None


async def test_a_queue_of_which_a_part_cannot_be_read_makes_no_job_vanish(bench: Bench) -> None:
    bench.scheduler.in_queue = [RUNNING]
    await bench.run(10, "poll_queue")
    bench.scheduler.in_queue, bench.scheduler.refused = [], 1
    await bench.run(60 * (MISSES_TO_FORGET + 4), "poll_queue", "poll_accounting")
    assert (await bench.history.facts()).outcome.state is JobState.RUNNING
    assert bench.poller.state.records_refused > MISSES_TO_FORGET


async def test_fields_of_no_known_shape_are_counted_by_name(bench: Bench) -> None:
    bench.scheduler.in_queue, bench.scheduler.unknown = [RUNNING], {"exit_code": 2}
    await bench.run(65, "poll_queue")
    assert bench.poller.state.fields_unknown == {"exit_code": 4}


async def test_a_time_that_cannot_be_is_not_known_and_counted(bench: Bench) -> None:
    fifty_years = 50 * 365 * 86400
    bench.scheduler.in_queue = [msgspec.structs.replace(RUNNING, start_s=BEGIN_S + fifty_years)]
    await bench.run(10, "poll_queue")
    facts = await bench.history.facts()
    assert (facts.outcome.state, facts.record and facts.record.start_s) == (JobState.RUNNING, None)
    assert bench.poller.state.fields_unknown == {"start_s": 1}


async def test_a_cluster_that_slurm_calls_otherwise_is_told_once(bench: Bench) -> None:
    bench.scheduler.cluster = "another"
    await bench.run(3600, "poll_queue")
    assert (bench.poller.state.cluster, bench.poller.state.is_foreign) == ("another", True)
    assert bench.counters.snapshot()["scheduler_cluster_foreign_total"] == 1


async def test_a_run_that_is_over_is_asked_for_again_until_its_steps_are_over_too(bench: Bench) -> None:
    """As 22.05 accounts for a run that was requeued: the run has ended, its steps say RUNNING for a while."""
    open_step = StepRecord(step="batch", state=JobState.RUNNING, start_s=BEGIN_S)
    over = record(JobState.REQUEUED, end=30)
    bench.scheduler.accounted = [msgspec.structs.replace(over, steps=(open_step,))]
    bench.poller.news_of([7], ended=True)
    asked = [question for _, question in await bench.run(200, "poll_accounting") if "executions" in question]
    assert len(asked) > 3
    ended = msgspec.structs.replace(open_step, state=JobState.CANCELLED, end_s=BEGIN_S + 31)
    bench.scheduler.accounted = [msgspec.structs.replace(over, steps=(ended,))]
    await bench.run(1000, "poll_accounting")
    facts = await bench.history.facts()
    assert facts.record is not None
    assert [step.state for step in facts.record.steps] == [JobState.CANCELLED]
    assert not [question for _, question in await bench.run(5000, "poll_accounting") if "executions" in question]


async def test_with_the_questions_for_nodes_which_are_two_slurmctld_gets_two_requests_a_minute(bench: Bench) -> None:
    """scontrol asks for the partitions as well when it shows nodes."""
    asked = await bench.run(7200, "poll_queue")
    assert sum(question == "nodes" for _, question in asked) > 8
    for begin_s in range(60, 6600, 30):
        requests = [2 if question == "nodes" else 1 for when, question in asked if begin_s <= when < begin_s + 600]
        assert sum(requests) <= 20


async def test_who_wants_the_cluster_is_told_and_the_pace_stays_two_questions_a_minute(bench: Bench) -> None:
    heard = bench.history.news.subscribe(ClusterReceived)
    asked = await bench.run(210, "poll_queue")
    assert asked == [
        (0, "nodes"),
        (0, "queue"),
        (60, "partitions"),
        (90, "topology"),
        (120, "queue"),
        (150, "queue"),
        (180, "queue"),
        (210, "queue"),
    ]
    (told,) = (fact for fact in heard.take_all() if isinstance(fact, ClusterReceived))
    assert told.answer.partitions is not None
    assert told.answer.switches is not None
    assert told.answer.switches.records[0].nodes == ("n1",)
    later = await bench.run(590, "poll_queue")
    assert [question for _, question in later].count("nodes") == 1
    assert [question for _, question in later].count("topology") == 0
    for at_s, _ in later:
        assert sum(1 + (question == "nodes") for s, question in later if at_s < s <= at_s + 60) <= 2
