"""Who looked at whose job: kept for as long as the settings say, shown to auditors, and to each whose job it was.

Owns the table `looks`. Filled by pages after an answer was found; written by the stage `run` within a second, so that
no page waits for the database's writer; what is too old goes by retention, in small steps (`kinds_of_looks`).
Invariants: nobody's look at what is his own is kept; the same look is kept once a minute (a live page is one look); a
list is one row with its filters and how many jobs of others it showed. What cannot be written waits, within a bound;
beyond it looks are lost, which is counted and logged as an error.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.hub.access.predicates import visible_looks
from slurmlens.hub.access.tables import looks as table
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.aged_rows import AgedRows
from slurmlens.hub.database.retention import AgingKind
from slurmlens.hub.database.store import Store, StoreError
from slurmlens.telemetry.internal import InternalEvent, Reporter

WRITE_EVERY_S = 1.0
SAME_LOOK_S = 60.0
MOST_WAITING = 20_000
_DAY_S = 86_400

NOT_WRITTEN = InternalEvent(
    "looks_not_written", logging.WARNING, "who looked at whose job could not be written yet: {error}", lines=1
)
LOST = InternalEvent(
    "looks_lost", logging.ERROR, "who looked at whose job waits for the database: {count} looks are not kept", lines=1
)


class What(enum.Enum):
    """What was looked at: a job's page, its figures as data, its events, its live page, or a list of jobs."""

    PAGE = "page"
    DATA = "data"
    EVENTS = "events"
    LIVE = "live"
    LIST = "list"


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look; `id` orders looks. A list has `detail` and `rows`, everything else the job and its owner."""

    id: int
    time_ns: int
    who: str
    what: What
    job_id: int | None = None
    run: int | None = None
    owner: str | None = None
    detail: str | None = None
    rows: int | None = None


class LookFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which looks; `before` is the id of the last one that was seen."""

    who: str | None = None
    owner: str | None = None
    job_id: int | None = None
    before: int | None = None
    limit: int = 200


def kinds_of_looks(kept_days: float) -> list[AgingKind]:
    """Looks, as retention lets them go."""
    return [AgedRows("looks", table, "time_ns", kept_days * _DAY_S)]


class LookLog:
    """The log of one hub."""

    def __init__(self, store: Store, cluster: str, clock: Clock, reporter: Reporter) -> None:
        self._store = store
        self._cluster = cluster
        self._clock = clock
        self._reporter = reporter
        self._waiting: list[dict[str, Any]] = []
        self._recent: dict[tuple[object, ...], int] = {}

    def saw_job(self, viewer: Viewer, what: What, job_id: int, run: int | None, owner: str | None) -> None:
        """The viewer was shown a job of `owner`."""
        if viewer.is_somebody and owner != viewer.who:
            self._keep(viewer, what, job_id=job_id, run=run, owner=owner)

    def saw_list(self, viewer: Viewer, detail: str, owners: Iterable[str | None]) -> None:
        """The viewer was shown a list of jobs of these owners."""
        others = sum(owner != viewer.who for owner in owners)
        if viewer.is_somebody and others:
            self._keep(viewer, What.LIST, detail=detail, rows=others)

    def _keep(self, viewer: Viewer, what: What, **seen: object) -> None:
        now_ns = self._clock.wall_ns()
        same = (viewer.who, what, *((name, value) for name, value in seen.items() if name != "rows"))
        if now_ns - self._recent.get(same, -(2**62)) < SAME_LOOK_S * NS_PER_S:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._reporter.report(LOST, count=1)
            return
        self._recent[same] = now_ns
        columns = dict.fromkeys(("job_id", "run", "owner", "detail", "rows"))
        row = {"time_ns": now_ns, "cluster": self._cluster, "who": viewer.who, "what": what.value}
        self._waiting.append(row | columns | seen)

    async def run(self) -> None:
        """A stage: writes what was seen."""
        while True:
            await self.write()
            await asyncio.sleep(WRITE_EVERY_S)

    async def write(self) -> None:
        """Writes what waits; it goes on waiting where the database refuses."""
        rows, self._waiting = self._waiting, []
        oldest_ns = self._clock.wall_ns() - SAME_LOOK_S * NS_PER_S
        self._recent = {same: seen_ns for same, seen_ns in self._recent.items() if seen_ns > oldest_ns}
        if not rows:
            return
        try:
            await self._store.write(lambda transaction: transaction.core.execute(table.insert(), rows))
        except StoreError as error:
            self._reporter.report(NOT_WRITTEN, error=error)
            self._waiting = rows + self._waiting

    async def looks(self, viewer: Viewer, which: LookFilter) -> Sequence[Look]:
        """Looks that the viewer may know of, the latest first."""
        equal = {"who": which.who, "owner": which.owner, "job_id": which.job_id}
        conditions = [table.c[name] == value for name, value in equal.items() if value is not None]
        if which.before is not None:
            conditions.append(table.c.id < which.before)
        latest = select(table).where(table.c.cluster == self._cluster, *conditions).order_by(table.c.id.desc())
        queries = [latest.where(may_see).limit(which.limit) for may_see in visible_looks(viewer)]

        def read(connection: Connection) -> list[Look]:
            found = {row["id"]: _look(row) for query in queries for row in connection.execute(query).mappings()}
            return [found[number] for number in sorted(found, reverse=True)[: which.limit]]

        return await self._store.read(read)


def _look(row: Any) -> Look:
    columns = {name: row[name] for name in Look.__struct_fields__ if name != "what"}
    return Look(what=What(row["what"]), **columns)
