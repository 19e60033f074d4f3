"""Closes sightings whose end nobody will report any more, so that no job is shown as running for ever.

Owns the writing of what `conclude.closing` decides. What is closed is opened again by the node that lists it
(`record.node_beats`) or tells more of it (`record.storing`), and by the scheduler that knows its run after all
(`record.concluding`); an end that arrives later wins in every view. A stage of the hub's, every few
seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, select

from slurmlens.clock import Clock
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.conclude.closing import Heard, Now, OpenSighting, RunIs, Verdict, opens_again, verdicts
from slurmlens.hub.history.facts import StateFilter
from slurmlens.hub.history.record.announcing import Announcer
from slurmlens.hub.history.record.concluding import Concluded, Concluder, JobKey
from slurmlens.hub.history.record.node_beats import NodeBeat, NodeBeats, NodeName, SightingName
from slurmlens.slurm.records import JobState
from slurmlens.telemetry.internal import InternalEvent, Reporter

RECONCILED = InternalEvent(
    "sightings_reconciled", logging.INFO, "closed {sighting}: nobody reported its end ({reason})", ("reason",)
)
RECONCILE_EVERY_S = 5.0


class Reconciled(NamedTuple):
    """What was closed, and the jobs that were concluded for it."""

    closed: Sequence[Verdict]
    concluded: Concluded


class Reconciler:
    """Closes what `verdicts` says. `started_ns` is when this hub began to listen.

    `last_queue_ns` answers when the scheduler last gave its queue.
    """

    def __init__(
        self,
        store: Store,
        beats: NodeBeats,
        concluder: Concluder,
        announcer: Announcer,
        *,
        last_queue_ns: Callable[[], int | None],
        clock: Clock,
        reporter: Reporter,
        started_ns: int,
    ) -> None:
        self._store = store
        self._beats = beats
        self._concluder = concluder
        self._announcer = announcer
        self._last_queue_ns = last_queue_ns
        self._clock = clock
        self._reporter = reporter
        self._started_ns = started_ns

    async def run(self) -> None:
        """A stage: closes what nobody will end any more, for ever."""
        while True:
            await asyncio.sleep(RECONCILE_EVERY_S)
            reconciled = await self.reconcile(self._clock.wall_ns(), self._last_queue_ns())
            for verdict in reconciled.closed:
                self._reporter.report(RECONCILED, reason=verdict.reason.value, sighting=verdict.sighting.sighting)
            self._announcer.concluded(reconciled.concluded)
            if reconciled.closed:
                self._announcer.closed()

    async def reconcile(self, now_ns: int, scheduler_ns: int | None = None) -> Reconciled:
        """Looks at every open sighting once; what is closed has its job concluded in the same transaction.

        `scheduler_ns` is when the scheduler last gave its queue; None where it did not yet.
        """
        now = Now(now_ns, self._started_ns, scheduler_ns)
        found = await self._store.read(_open_sightings)
        decided = verdicts(found, self._heard_of(found), now)
        if not decided:
            return Reconciled((), Concluded())

        def work(transaction: Transaction) -> Reconciled:
            closed = _close(transaction, decided)
            jobs = {JobKey(verdict.sighting.cluster, verdict.sighting.job_id) for verdict in closed}
            return Reconciled(closed, self._concluder.conclude(transaction, jobs, now_ns))

        reconciled = await self._store.write(work)
        self._beats.closed.update(
            SightingName(verdict.sighting.cluster, verdict.sighting.node, verdict.sighting.sighting)
            for verdict in reconciled.closed
            if verdict.sighting.end_ns is None and opens_again(verdict.reason, told_more=verdict.sighting.told_more)
        )
        return reconciled

    def _heard_of(self, found: Sequence[OpenSighting]) -> dict[tuple[str, str], Heard]:
        nodes = {NodeName(one.cluster, one.node) for one in found}
        return {place: told for place in nodes if (told := _heard(self._beats.known.get(place)))}


def _close(transaction: Transaction, decided: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Writes what still holds: a sighting of which something came since it was read is left for the next time."""
    columns = ("rid", "heard_ns", "summary_id", "closed_ns")
    rows = transaction.find(schema.sightings, columns, ("rid",), [(one.sighting.rid,) for one in decided])
    heard = {rid: heard_ns for rid, heard_ns, summary_id, closed_ns in rows if summary_id is None and closed_ns is None}
    closed = tuple(one for one in decided if heard.get(one.sighting.rid) == one.sighting.heard_ns)
    changes = [
        {"rid": one.sighting.rid, "closed_ns": one.closed_ns, "closed_reason": one.reason.value} for one in closed
    ]
    transaction.change(schema.sightings, ("rid",), changes)
    return closed


def _open_sightings(connection: Connection) -> list[OpenSighting]:
    """Open sightings, each with the scheduler's run that it belongs to, where there is one."""
    sightings, runs, executions = schema.sightings, schema.runs, schema.executions
    of_run = and_(
        runs.c.cluster == sightings.c.cluster,
        runs.c.job_id == sightings.c.job_id,
        runs.c.number == sightings.c.run,
        runs.c.submit_s.is_not(None),
    )
    of_execution = and_(*(executions.c[name] == runs.c[name] for name in ("cluster", "job_id", "submit_s")))
    is_open = and_(sightings.c.summary_id.is_(None), sightings.c.closed_ns.is_(None))
    columns = [sightings.c[name] for name in _SIGHTING_FIELDS]
    query = (
        select(*columns, runs.c.state_group, runs.c.state, runs.c.end_ns, executions.c.heard_ns)
        .select_from(sightings.outerjoin(runs, of_run).outerjoin(executions, of_execution))
        .where(is_open)
    )
    return [_open_sighting(row) for row in connection.execute(query)]


_SIGHTING_FIELDS = (
    "rid",
    "cluster",
    "node",
    "sighting",
    "job_id",
    "boot_id",
    "first_boottime_ns",
    "last_boottime_ns",
    "heard_ns",
    "end_ns",
)


def _open_sighting(row: Sequence[Any]) -> OpenSighting:
    *own, state_group, state, end_ns, heard_ns = row
    told = dict(zip(_SIGHTING_FIELDS, own, strict=True))
    run = _run_is(state_group, state, end_ns)
    return OpenSighting(run=run, run_end_ns=end_ns, run_heard_ns=heard_ns, **told)


def _run_is(state_group: str | None, state: str | None, end_ns: int | None) -> RunIs:
    if state_group is None:
        return RunIs.NONE
    if state_group not in (StateFilter.FINISHED.value, StateFilter.FAILED.value):
        return RunIs.OPEN
    is_forgotten = state == JobState.UNKNOWN.value or end_ns is None
    return RunIs.FORGOTTEN if is_forgotten else RunIs.ENDED


def _heard(beat: NodeBeat | None) -> Heard | None:
    if beat is None or beat.boot_id is None or beat.beat_heard_ns is None:
        return None
    running = frozenset(sighting for _, sighting in beat.running)
    is_contested = beat.is_contested(beat.heard_ns)
    return Heard(beat.beat_heard_ns, beat.boot_id, beat.boottime_ns or 0, beat.interval_s or 0.0, running, is_contested)
