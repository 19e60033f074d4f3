"""History in a real SQLite file, with all its sides at hand."""

from __future__ import annotations

from dataclasses import dataclass

from slurmlens.events import AnyEvent
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.history.read.queries import Queries
from slurmlens.hub.history.reconcile import Reconciler
from slurmlens.hub.history.record.apply import Applied, Applier
from slurmlens.hub.history.refresh import Refresher
from slurmlens.hub.scheduler.records import Recorder
from slurmlens.hub.scheduler.unconfirmed import Unconfirmed
from slurmlens.slurm.records import JobRecord, JobState, RecordSource
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S


@dataclass
class History:
    """Everything of history, on one open database."""

    store: Store
    clock: ManualClock

    def __post_init__(self) -> None:
        self.applier = Applier(self.store)
        self.recorder = Recorder(self.store, "demo")
        self.refresher = Refresher(self.store)
        self.reconciler = Reconciler(self.store)
        self.unconfirmed = Unconfirmed(self.store, self.recorder, "demo")
        self.queries = Queries(self.store, self.clock, "demo")

    async def hear(self, *events: AnyEvent) -> Applied:
        """Events came in and their jobs' runs were made anew."""
        applied = await self.applier.apply(events, self.clock.wall_ns())
        await self.refresh()
        return applied

    async def learn(self, *records: JobRecord) -> set[int]:
        """The scheduler answered and its jobs' runs were made anew."""
        changed = await self.recorder.take(records, self.clock.wall_ns())
        await self.refresh()
        return changed

    async def refresh(self) -> None:
        refreshed = await self.refresher.refresh(self.clock.wall_ns())
        assert not refreshed.failed

    async def facts(self, job_id: int = 7, run: int | None = None) -> JobFacts:
        """The facts of a job that must be there."""
        facts = await self.queries.job_facts(EVERYBODY, job_id, run)
        assert facts is not None
        return facts


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
