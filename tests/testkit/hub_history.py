"""History in a real database, with all its sides at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slurmlens.errors import DecodeError
from slurmlens.events import AnyEvent
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.facts import JobFacts, JobFilter, JobRow
from slurmlens.hub.history.read.queries import Queries
from slurmlens.hub.history.reconcile import Reconciler
from slurmlens.hub.history.record.announcing import Announcer
from slurmlens.hub.history.record.applying import Applied, Applier
from slurmlens.hub.history.record.packing import Packer
from slurmlens.hub.history.record.storing import Request
from slurmlens.hub.history.refresh import Refresher
from slurmlens.hub.keepers import KEEPERS
from slurmlens.hub.news import News
from slurmlens.hub.progress.read import ProgressQueries
from slurmlens.hub.scheduler.records import SchedulerRecords
from slurmlens.hub.scheduler.unconfirmed import Unconfirmed
from slurmlens.slurm.records import JobRecord, JobState, RecordSource
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from slurmlens.wire.ingest import unpack
from slurmlens.wire.packed_body import pack_body, split_body
from slurmlens.wire.received import ReceivedLine, receive, received_lines
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S


@dataclass
class History:
    """Everything of history, on one open database."""

    store: Store
    clock: ManualClock
    applier: Applier
    news: News
    announcer: Announcer
    reporter: Reporter

    def __post_init__(self) -> None:
        self.concluder, self.beats = self.applier.concluder, self.applier.beats
        self.records = SchedulerRecords(self.store, self.concluder, "demo", self.announcer)
        self.refresher = Refresher(self.store, self.concluder, self.news, self.announcer, self.clock)
        self.listens_since(0)
        self.packer = Packer(self.store, self.applier.recent_profiles, self.news, self.reporter)
        self.queries = Queries(self.store, self.beats, self.clock, "demo")
        self.progress = ProgressQueries(self.store, self.beats, "demo")

    @classmethod
    async def open(cls, url: str, clock: ManualClock, *, shared: bool = False) -> History:
        """On the database at a URL; `close` it."""
        store = await Store.open(url, shared=shared)
        news, reporter = News(), Reporter(Counters(), clock)
        announcer = Announcer(news, reporter)
        return cls(
            store,
            clock,
            await Applier.load(store, announcer, KEEPERS),
            news,
            announcer,
            reporter,
        )

    def listens_since(self, started_ns: int) -> None:
        """A hub that was started then judges what nobody ends."""
        since = {"last_queue_ns": lambda: None, "clock": self.clock, "started_ns": started_ns}
        self.reconciler = Reconciler(
            self.store, self.beats, self.concluder, self.announcer, reporter=self.reporter, **since
        )
        self.unconfirmed = Unconfirmed(self.store, self.records, "demo", **since)

    async def close(self) -> None:
        await self.beats.write(self.store)
        await self.store.close()

    async def apply(self, events: Sequence[AnyEvent], received_ns: int | None = None) -> Applied:
        """Events came in one request."""
        now_ns = self.clock.wall_ns() if received_ns is None else received_ns
        return await self.applier.apply(request_of(events, now_ns))

    async def hear(self, *events: AnyEvent) -> Applied:
        """Events came in and their jobs' runs were made anew."""
        applied = await self.apply(events)
        await self.refresh()
        return applied

    async def learn(self, *records: JobRecord) -> set[int]:
        """The scheduler answered and its jobs' runs were made anew."""
        changed = await self.records.take(records, self.clock.wall_ns())
        await self.refresh()
        return changed

    async def refresh(self) -> None:
        """What was left to be done is done."""
        while (refreshed := await self.refresher.refresh(self.clock.wall_ns())).done:
            assert not refreshed.failed
        while (await self.packer.pack()).batches:
            pass

    async def listed(self, which: JobFilter) -> tuple[JobRow, ...]:
        """The jobs on one page of a list."""
        return (await self.queries.jobs(EVERYBODY, which)).rows

    async def facts(self, job_id: int = 7, run: int | None = None) -> JobFacts:
        """The facts of a job that must be there."""
        facts = await self.queries.job_facts(EVERYBODY, job_id, run)
        assert facts is not None
        return facts


def request_of(events: Sequence[AnyEvent], received_ns: int) -> Request:
    """A request's body with these events, and its lines as the hub reads them."""
    lines = [ecs.encode(event) for event in events]
    received = [ReceivedLine(number, receive(line)) for number, line in enumerate(lines, start=1)]
    return Request(b"\n".join(lines) + b"\n", "", received, received_ns)


def packed_request_of(events: Sequence[AnyEvent], received_ns: int) -> Request:
    """The same as a node sends it whose hub reads packed profiles."""
    body = pack_body(b"".join(ecs.encode(event) + b"\n" for event in events), 1)
    if body is None:
        return request_of(events, received_ns)
    lines, profiles = split_body(body)
    found = list(received_lines(unpack(lines, "gzip", len(body) * 1000), profiles))
    received = [ReceivedLine(number, event) for number, event in found if not isinstance(event, DecodeError)]
    assert len(received) == len(events)
    return Request(lines, "gzip", received, received_ns, profiles)


def record(
    state: JobState,
    *,
    job_id: int = 7,
    submit: int = -3,
    start: int | None = 0,
    end: int | None = None,
    nodes: tuple[str, ...] = ("n1", "n2"),
    source: RecordSource = RecordSource.ACCOUNTING,
    **fields: object,
) -> JobRecord:
    """An execution by the scheduler; times are seconds after the begin."""
    return JobRecord(
        job_id=job_id,
        state=state,
        source=source,
        submit_s=BEGIN_S + submit,
        start_s=None if start is None else BEGIN_S + start,
        end_s=None if end is None else BEGIN_S + end,
        nodes=nodes if start is not None else (),
        user="alice",
        user_id=3001,
        partition="all",
        **fields,
    )
