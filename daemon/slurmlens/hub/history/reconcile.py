"""Closes sightings whose end nobody will report any more, so that no job is shown as running for ever.

Owns the decision (pure, `verdicts`) and writes it (`Reconciler`). A sighting is closed where its node is heard of and
no longer lists it, was booted anew, or is silent although the scheduler ended or forgot the run, or never knew it; and
where the end was reported but the summary did not come. Invariants: a sighting is closed only on the word of its node
or of the scheduler, never by guess, and nobody's silence counts while the hub itself was away. What is closed is opened
again by the node that lists it (`record.node_beats`), and an end that arrives later after all wins in every view. A
stage of the hub's, every few seconds.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, select

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.facts import ClosedReason, StateFilter
from slurmlens.hub.history.record.announcing import Announcer
from slurmlens.hub.history.record.concluding import Concluded, Concluder, JobKey
from slurmlens.hub.history.record.node_beats import NodeBeat, NodeBeats, NodeName, SightingName
from slurmlens.slurm.records import JobState
from slurmlens.telemetry.internal import InternalEvent, Reporter

RECONCILED = InternalEvent(
    "sightings_reconciled", logging.INFO, "closed {sighting}: nobody reported its end ({reason})", ("reason",)
)
RECONCILE_EVERY_S = 5.0

END_GRACE_NS = 120 * NS_PER_S
"""How long an Epilog, a retry and a jittered summary may take after the scheduler's or the node's end."""

SUMMARY_GRACE_NS = 15 * NS_PER_S
"""How long after the end a node that lists nothing of it may still hold back its summary."""

LISTED_GRACE_NS = 240 * NS_PER_S
"""How long a node may list what the scheduler has ended: it cleans up, or it waits for an Epilog that never came."""

SILENT_BEATS = 3
"""Heartbeats in a row that a silent node has left out."""


class RunIs(enum.Enum):
    """What the scheduler says of the run that a sighting belongs to.

    FORGOTTEN: it is over, and nobody knows since when. NONE: no run of the scheduler's fits the sighting.
    """

    OPEN = "open"
    ENDED = "ended"
    FORGOTTEN = "forgotten"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class OpenSighting:
    """A sighting without a summary, as far as closing cares; `run_end_ns` is the scheduler's."""

    rid: int
    cluster: str
    node: str
    sighting: str
    job_id: int
    boot_id: str
    last_boottime_ns: int
    heard_ns: int
    end_ns: int | None
    run: RunIs
    run_end_ns: int | None


@dataclass(frozen=True, slots=True)
class Heard:
    """A node's last heartbeat; `heard_ns` is when it came. Where two daemons claim the name, it `is_contested`."""

    heard_ns: int
    boot_id: str
    boottime_ns: int
    interval_s: float
    running: frozenset[str]
    is_contested: bool = False


@dataclass(frozen=True, slots=True)
class Now:
    """The moment of judging. `listening_since_ns`: since when this hub runs; `scheduler_ns`: its last answer."""

    now_ns: int
    listening_since_ns: int
    scheduler_ns: int | None

    def silent_ns(self, since_ns: int) -> int:
        """How long something has failed to come that could have come since then."""
        return self.now_ns - max(since_ns, self.listening_since_ns)

    @property
    def scheduler_answers(self) -> bool:
        """Whether what the hub believes of the queue is of now."""
        return self.scheduler_ns is not None and self.now_ns - self.scheduler_ns <= END_GRACE_NS


@dataclass(frozen=True, slots=True)
class Verdict:
    """A sighting to be closed, why, and the latest time at which it can have ended."""

    sighting: OpenSighting
    reason: ClosedReason
    closed_ns: int


class Reconciled(NamedTuple):
    """What was closed, and the jobs that were concluded for it."""

    closed: Sequence[Verdict]
    concluded: Concluded


def verdicts(sightings: Iterable[OpenSighting], heard: Mapping[NodeName, Heard], now: Now) -> list[Verdict]:
    """The sightings to be closed now."""
    decided = (_verdict(sighting, heard.get(NodeName(sighting.cluster, sighting.node)), now) for sighting in sightings)
    return [verdict for verdict in decided if verdict]


def _verdict(sighting: OpenSighting, heard: Heard | None, now: Now) -> Verdict | None:
    if sighting.end_ns is not None:
        is_late = now.silent_ns(sighting.heard_ns) > END_GRACE_NS or _is_forgotten(sighting, heard)
        return Verdict(sighting, ClosedReason.NO_SUMMARY, sighting.end_ns) if is_late else None
    return _by_its_node(sighting, heard) or _by_the_scheduler(sighting, heard, now)


def _by_its_node(sighting: OpenSighting, heard: Heard | None) -> Verdict | None:
    """The node's heartbeat came after all that it reported of the sighting, and does not list it.

    The heartbeat must have come later, and not only be of a later time: a Prolog's event carries the time of the hook,
    and a daemon that starts reads it after its first heartbeat.
    """
    if heard is None or heard.heard_ns <= sighting.heard_ns or sighting.sighting in heard.running:
        return None
    run_end_ns = sighting.run_end_ns
    if heard.boot_id != sighting.boot_id:
        if heard.is_contested:  # then the other boot is another machine, and says nothing of this one's jobs
            return None
        return Verdict(sighting, ClosedReason.NODE_BOOTED, run_end_ns or sighting.heard_ns)
    if heard.boottime_ns > sighting.last_boottime_ns:
        return Verdict(sighting, ClosedReason.NOT_LISTED, run_end_ns or heard.heard_ns)
    return None


def _by_the_scheduler(sighting: OpenSighting, heard: Heard | None, now: Now) -> Verdict | None:
    """The run is over, or there is none, and the node that could say more is silent or has had its time."""
    is_silent = now.silent_ns(_last_sign_ns(sighting, heard)) > _patience_ns(heard)
    if sighting.run is RunIs.ENDED and sighting.run_end_ns is not None:
        over_ns = now.silent_ns(sighting.run_end_ns)
        is_listed = heard is not None and sighting.sighting in heard.running and not is_silent
        if over_ns > (LISTED_GRACE_NS if is_listed else END_GRACE_NS) and (not is_listed or now.scheduler_answers):
            return Verdict(sighting, ClosedReason.RUN_ENDED, sighting.run_end_ns)
    elif is_silent and sighting.run is RunIs.FORGOTTEN:
        return Verdict(sighting, ClosedReason.RUN_FORGOTTEN, sighting.heard_ns)
    elif is_silent and sighting.run is RunIs.NONE and now.scheduler_answers:
        return Verdict(sighting, ClosedReason.NO_RUN, sighting.heard_ns)
    return None


def _last_sign_ns(sighting: OpenSighting, heard: Heard | None) -> int:
    """When the node last spoke of the sighting."""
    if heard is None or sighting.sighting not in heard.running:
        return sighting.heard_ns
    return max(sighting.heard_ns, heard.heard_ns)


def _patience_ns(heard: Heard | None) -> int:
    beats_ns = round(SILENT_BEATS * heard.interval_s * NS_PER_S) if heard else 0
    return max(END_GRACE_NS, beats_ns)


def _is_forgotten(ended: OpenSighting, heard: Heard | None) -> bool:
    """Its node spoke again, well after the end, and no longer knows the sighting: a daemon that only saw the Epilog."""
    if heard is None or ended.sighting in heard.running:
        return False
    return heard.heard_ns - ended.heard_ns > SUMMARY_GRACE_NS and heard.boottime_ns > ended.last_boottime_ns


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

    async def reconcile(self, now_ns: int, scheduler_ns: int | None = None) -> Reconciled:
        """Looks at every open sighting once; what is closed has its job concluded in the same transaction.

        `scheduler_ns` is when the scheduler last gave its queue; None where it did not yet.
        """
        now = Now(now_ns, self._started_ns, scheduler_ns)
        found = await self._store.read(_open_sightings)
        nodes = {NodeName(one.cluster, one.node) for one in found}
        heard = {place: told for place in nodes if (told := _heard(self._beats.known.get(place)))}
        decided = verdicts(found, heard, now)
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
            if verdict.sighting.end_ns is None and verdict.reason is not ClosedReason.RUN_ENDED
        )
        return reconciled


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
    sightings, runs = schema.sightings, schema.runs
    of_run = and_(
        runs.c.cluster == sightings.c.cluster,
        runs.c.job_id == sightings.c.job_id,
        runs.c.number == sightings.c.run,
        runs.c.submit_s.is_not(None),
    )
    is_open = and_(sightings.c.summary_id.is_(None), sightings.c.closed_ns.is_(None))
    columns = [sightings.c[name] for name in _SIGHTING_FIELDS]
    query = (
        select(*columns, runs.c.state_group, runs.c.state, runs.c.end_ns)
        .select_from(sightings.outerjoin(runs, of_run))
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
    "last_boottime_ns",
    "heard_ns",
    "end_ns",
)


def _open_sighting(row: Sequence[Any]) -> OpenSighting:
    *own, state_group, state, end_ns = row
    told = dict(zip(_SIGHTING_FIELDS, own, strict=True))
    return OpenSighting(run=_run_is(state_group, state, end_ns), run_end_ns=end_ns, **told)


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
