"""Asks the scheduler, when it is due, and gives its answers to history.

Owns when what is asked: the whole queue at the polite pace, nodes at the start and now and then, and accounting for
just those jobs that news came of (a sighting began or ended, the queue no longer lists a job), as `due_jobs` says.
Hears of jobs in `news`; feeds `SchedulerRecords`, and `news` with the queue, nodes and partitions as they were given.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.errors import SourceError
from slurmlens.hub.history.record.executions import ExecutionKey
from slurmlens.hub.news import (
    ClusterReceived,
    Missed,
    News,
    NodesReceived,
    NodesStored,
    QueueReceived,
    SightingBegan,
    SightingEnded,
)
from slurmlens.hub.scheduler.due_jobs import DEBOUNCE_S, DueJobs
from slurmlens.hub.scheduler.queue_digest import digest, plausible
from slurmlens.hub.scheduler.records import SchedulerRecords
from slurmlens.hub.scheduler.state import SchedulerState
from slurmlens.slurm.politeness import Politeness
from slurmlens.slurm.records import ClusterAnswer, Decoded, JobRecord, NodeRecord, Record
from slurmlens.slurm.source import Scheduler
from slurmlens.telemetry.internal import InternalEvent, Reporter

ANSWERED = InternalEvent("scheduler_answers", logging.DEBUG, "{question}: {count} records", ("question",))
UNANSWERED = InternalEvent("scheduler_failures", logging.WARNING, "{question}: {error}", ("question",))
UNREADABLE = InternalEvent(
    "scheduler_records_refused",
    logging.WARNING,
    "{question}: some records could not be read and are left out",
    ("question",),
)
UNKNOWN_SHAPE = InternalEvent(
    "scheduler_fields_unknown",
    logging.WARNING,
    "{question}: {field} came in a shape or of a size that is not known, and counts as not known",
    ("field",),
    lines=1,
)
FOREIGN = InternalEvent(
    "scheduler_cluster_foreign",
    logging.ERROR,
    "Slurm's ClusterName is {told!r}, the setting cluster says {configured!r}: set it to Slurm's here and on the nodes",
)

NODES_EVERY_POLLS = 10
"""After how many intervals nodes and partitions are asked for anew: 5 minutes at 30 s."""

TOPOLOGY_EVERY_S = 3600.0
CATCH_UP_S = 86_400
MISSES_TO_FORGET = 3
MOST_SIGHTINGS_WAITING = 20_000


class Poller:
    """The hub's questions to one scheduler, of which it keeps `state`.

    `cluster` is what the hub calls the cluster, compared with what Slurm calls it. Switches are asked for now and then,
    where `asks_topology`.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        records: SchedulerRecords,
        news: News,
        state: SchedulerState,
        *,
        interval_s: float,
        clock: Clock,
        reporter: Reporter,
        cluster: str | None = None,
        asks_topology: bool = True,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._scheduler = scheduler
        self._records = records
        self._news = news
        self.state = state
        self._heard = news.subscribe(SightingBegan, SightingEnded, most_waiting=MOST_SIGHTINGS_WAITING)
        self._cluster = cluster
        self._politeness = Politeness(interval_s)
        self._accounting_pace = Politeness(DEBOUNCE_S, burst=1)
        self._clock = clock
        self._reporter = reporter
        self._sleep = sleep
        self._due = DueJobs()
        self._stirred = asyncio.Event()
        self._is_behind = True
        self._missed: dict[ExecutionKey, int] = {}
        self._nodes_every_s = NODES_EVERY_POLLS * interval_s
        self._nodes_due_ns = 0
        self._asks_topology = asks_topology
        self._topology_due_ns = 0
        self._nodes_answer: Decoded[NodeRecord] | None = None
        self._queue_came_last = False

    async def hear(self) -> None:
        """A stage: notes the jobs that accounting shall be asked about, for as long as there is news."""
        async for fact in self._heard:
            if isinstance(fact, SightingBegan):
                self.news_of((fact.job_id,), ended=False)
            elif isinstance(fact, SightingEnded):
                self.news_of((fact.job_id,), ended=True)
            elif isinstance(fact, Missed):
                self._is_behind = True
                self._stirred.set()

    def news_of(self, job_ids: Iterable[int], *, ended: bool) -> None:
        """These jobs began or ended: accounting shall be asked about them soon."""
        self._due.news_of(job_ids, self._clock.monotonic_ns(), ended=ended)
        self._stirred.set()

    async def poll_queue(self) -> None:
        """A stage: asks for the queue, and now and then for the nodes, for ever."""
        while True:
            await self._wait(self._politeness)
            if self._clock.monotonic_ns() >= self._nodes_due_ns:
                await self._wait(self._politeness, requests=2)
                await self._ask_nodes(self._clock.monotonic_ns())
            elif self._nodes_answer is not None and self._queue_came_last:
                await self._ask_cluster(self._nodes_answer)
            else:
                await self._ask_queue()

    async def poll_accounting(self) -> None:
        """A stage: catches up on what the hub has not heard of, then asks about jobs that news came of."""
        while True:
            if self._is_behind:
                await self._catch_up()
            elif (first_ns := self._due.first_ns) is None:
                self._stirred.clear()
                await self._stirred.wait()
            else:
                await self._sleep(max(0, first_ns - self._clock.monotonic_ns()) / NS_PER_S)
                await self._wait(self._accounting_pace)
                await self._ask_executions()

    async def _wait(self, pace: Politeness, requests: int = 1) -> None:
        now_ns = self._clock.monotonic_ns()
        await self._sleep((pace.next_ns(now_ns, requests) - now_ns) / NS_PER_S)

    async def _ask_nodes(self, now_ns: int) -> None:
        if self.state.release is None:
            await self._learn_release()
        if self.state.cluster is None:
            await self._learn_cluster()
        self._queue_came_last = False
        answer = await self._ask("nodes", self._scheduler.nodes, self._politeness)
        if self.state.last_queue_ns is not None:  # scontrol asks for the partitions as well, to name each node's
            self._politeness.began(self._clock.monotonic_ns())
        if answer is not None and answer.records:
            self._nodes_due_ns = now_ns + round(self._nodes_every_s * NS_PER_S)
            await self._records.take_nodes(answer.records)
            self._news.publish(NodesReceived(answer.records))
            self._news.publish(NodesStored())
            if self._news.is_heard(ClusterReceived):
                self._news.publish(ClusterReceived(ClusterAnswer(answer)))
                self._nodes_answer = answer

    async def _ask_cluster(self, nodes: Decoded[NodeRecord]) -> None:
        """Partitions and switches, after the queue had its turn; what has no answer is not published."""
        self._nodes_answer, self._queue_came_last = None, False
        partitions = await self._ask("partitions", self._scheduler.partitions, self._politeness)
        switches = None
        if self._asks_topology and self._clock.monotonic_ns() >= self._topology_due_ns:
            await self._wait(self._politeness)
            switches = await self._ask("topology", self._scheduler.topology, self._politeness)
            self._topology_due_ns = self._clock.monotonic_ns() + round(TOPOLOGY_EVERY_S * NS_PER_S)
        self._news.publish(ClusterReceived(ClusterAnswer(nodes, partitions, switches)))

    async def _learn_release(self) -> None:
        try:
            major, minor = await self._scheduler.release()
        except SourceError as error:
            self._failed("release", error)
            return
        self.state.release = f"{major}.{minor:02}"

    async def _learn_cluster(self) -> None:
        """Asks for Slurm's name of the cluster, a small request; one that differs from ours is reported once."""
        try:
            told = await self._scheduler.cluster_name()
        except SourceError as error:
            self._failed("cluster", error)
            return
        self.state.cluster = told
        self.state.is_foreign = None not in (told, self._cluster) and told != self._cluster
        if self.state.is_foreign:
            self._reporter.report(FOREIGN, told=told, configured=self._cluster)

    async def _ask_queue(self) -> None:
        self._queue_came_last = True
        answer = await self._ask("queue", self._scheduler.queue, self._politeness)
        if answer is None:
            return
        now_ns = self._clock.wall_ns()
        queue = await asyncio.to_thread(digest, answer, now_ns / NS_PER_S)
        self._count_unknown("queue", queue.answer)
        self._news.publish(QueueReceived(queue.answer.records))
        changed = await self._records.take(queue.answer.records, now_ns)
        self.state.last_queue_ns = now_ns  # from here on, what the answer lacks is not there
        missing = await self._missing(queue.listed, now_ns, is_whole=not answer.refused)
        self.news_of((changed & queue.ended) | missing, ended=True)

    async def _missing(self, listed: Collection[ExecutionKey], now_ns: int, *, is_whole: bool) -> set[int]:
        """Executions that we hold for open and the queue lists no more; those missed too often are forgotten.

        An answer of which a part could not be read does not count as missing anything.
        """
        missing = await self._records.open_executions() - frozenset(listed)
        self._missed = {key: self._missed.get(key, 0) + is_whole for key in missing}
        forgotten = {key for key, misses in self._missed.items() if misses > MISSES_TO_FORGET}
        if forgotten:
            await self._records.forget(forgotten, now_ns)
        return {key.job_id for key in missing - forgotten}

    async def _catch_up(self) -> None:
        self._is_behind = False
        since_s = self._clock.wall_ns() // NS_PER_S - CATCH_UP_S
        answer = await self._ask("catch-up", lambda: self._scheduler.executions_since(since_s), self._accounting_pace)
        if answer is not None:
            await self._take_accounted("catch-up", answer)

    async def _ask_executions(self) -> None:
        asked = self._due.at(self._clock.monotonic_ns())
        if not asked:
            return
        answer = await self._ask("accounting", lambda: self._scheduler.executions(asked), self._accounting_pace)
        if answer is None:
            return
        self.state.last_accounting_ns = self._clock.wall_ns()
        given_up = self._due.settle(asked, answer.records, self._clock.monotonic_ns())
        await self._records.touch(given_up, self._clock.wall_ns())
        await self._take_accounted("accounting", answer)

    async def _take_accounted(self, question: str, answer: Decoded[JobRecord]) -> None:
        now_ns = self._clock.wall_ns()
        answer = await asyncio.to_thread(plausible, answer, now_ns / NS_PER_S)
        self._count_unknown(question, answer)
        await self._records.take(answer.records, now_ns)

    def _count_unknown(self, question: str, answer: Decoded[JobRecord]) -> None:
        for name, count in answer.unknown.items():
            self.state.fields_unknown[name] = self.state.fields_unknown.get(name, 0) + count
            self._reporter.report(UNKNOWN_SHAPE, count=count, question=question, field=name)

    async def _ask(
        self, question: str, ask: Callable[[], Awaitable[Decoded[Record]]], pace: Politeness
    ) -> Decoded[Record] | None:
        """One question at its pace; None where there was no answer, which is counted and logged."""
        pace.began(self._clock.monotonic_ns())
        try:
            answer = await ask()
        except SourceError as error:
            pace.ended(self._clock.monotonic_ns(), well=False)
            self._failed(question, error)
            return None
        pace.ended(self._clock.monotonic_ns(), well=True)
        self.state.failures, self.state.last_error = 0, None
        self._reporter.report(ANSWERED, question=question, count=len(answer.records))
        if answer.refused:
            self.state.records_refused += answer.refused
            self._reporter.report(UNREADABLE, count=answer.refused, question=question)
        return answer

    def _failed(self, question: str, error: SourceError) -> None:
        self.state.failures += 1
        self.state.last_error = str(error)
        self._reporter.report(UNANSWERED, question=question, error=str(error))
