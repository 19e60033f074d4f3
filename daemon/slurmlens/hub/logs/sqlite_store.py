"""Lines in SQLite: a file a day with a full-text index, so that forgetting a day is removing a file.

Owns the threads that ask the files of `sqlite_days`. A line stands in the file of the day (UTC) of its own time; one
that comes twice is one (`id`, see `sqlite_known`). One thread writes, in the order in which it was asked, what several
senders ask for in one transaction (`grouped_appends`); readers have connections of their own and see what was
committed. A file that is damaged costs its own day, and is named. Fed by `keeping`; `web` reads.
Who looks is the first argument of every read: lines of jobs that a viewer may not see are not found, nor counted.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.logs.grouped_appends import GroupedAppends
from slurmlens.hub.logs.query import MOST_LINES, JobOwner, LogPage, LogPlace, LogQuery, StoredLine
from slurmlens.hub.logs.sqlite_days import MINUTE_NS, STRETCH_NS, LogDays, day_of, has_stretches
from slurmlens.hub.logs.sqlite_known import known_ids
from slurmlens.hub.logs.sqlite_queries import counts, newest, oldest, unfinished
from slurmlens.hub.logs.store import AROUND, Kept, Lines, LogStoreError, Slot, StoreDay, StoreHealth
from slurmlens.log_lines import LogLine, Severity

_INSERT = "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_COUNT = (
    "INSERT INTO minutes VALUES (?, ?, ?)"
    " ON CONFLICT (minute) DO UPDATE SET lines = lines + excluded.lines, errors = errors + excluded.errors"
)
_STRETCH = (
    "INSERT INTO stretches VALUES (?, ?, ?)"
    " ON CONFLICT (stretch) DO UPDATE SET last_number = max(last_number, excluded.last_number)"
)
_REPLACE = "UPDATE lines SET job_id = ?, user = ?, account = ?, partition = ?, line = ? WHERE number = ? AND id = ?"
_READERS = 2
_encode = msgspec.json.Encoder().encode
_Made = TypeVar("_Made")


class SqliteLogStore:
    """One folder of days. `keep_days`: so many whole days are kept beside today."""

    def __init__(self, folder: Path, keep_days: int, clock: Clock) -> None:
        self._days = LogDays(folder)
        self._keep_days = keep_days
        self._clock = clock
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log_writer")
        self._readers = ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="log_reader")
        self._appends = GroupedAppends(lambda groups: self._run(self._writer, lambda: self._append(groups)))

    async def append(self, lines: Lines) -> Kept:
        """Keeps lines; answers once they are committed. LogStoreError where none was kept."""
        return Kept(await self._appends.append(lines))

    async def replace(self, lines: Sequence[StoredLine]) -> None:
        """Writes lines anew that are kept."""
        await self._run(self._writer, lambda: self._replace(lines))

    async def unfinished(self, since_ns: int, limit: int) -> Sequence[StoredLine]:
        """Lines of jobs of which it is not known whose they are, the newest first."""
        return await self._run(self._writer, lambda: self._unfinished(since_ns, limit))

    async def search(self, viewer: Viewer, query: LogQuery) -> LogPage:
        """The newest lines that fit, as many as asked for."""
        return await self._run(self._readers, lambda: self._search(viewer, query))

    async def around(self, viewer: Viewer, node: str, place: LogPlace, count: int = AROUND) -> LogPage:
        """What the node said just before and after a line of that place, the newest first."""
        before = LogQuery(node=node, until_ns=place.time_ns + 1, limit=count)
        page = await self.search(viewer, before)
        later = await self._run(self._readers, lambda: self._later(viewer, node, place, count))
        return LogPage((*reversed(later), *page.lines), page.has_more)

    async def histogram(self, viewer: Viewer, query: LogQuery, since_ns: int, width_ns: int) -> Sequence[Slot]:
        """How many lines fit in each stretch from `since_ns` on; stretches without any are left out."""
        ranged = msgspec.structs.replace(query, since_ns=since_ns, after=None)
        return await self._run(self._readers, lambda: self._histogram(viewer, ranged, since_ns, width_ns))

    async def forget_old(self) -> Sequence[str]:
        """Removes the days that are older than is kept; returns their names."""
        return await self._run(self._writer, self._forget_old)

    async def health(self) -> StoreHealth:
        """The days and how large they are; nothing is counted, which would walk them."""
        return await self._run(self._readers, self._health)

    async def close(self) -> None:
        """Closes the files, when what was asked of them is done."""
        await self._appends.done()
        await self._run(self._writer, self._days.close)
        self._writer.shutdown()
        self._readers.shutdown()

    async def _run(self, executor: ThreadPoolExecutor, work: Callable[[], _Made]) -> _Made:
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, work)
        except (sqlite3.Error, OSError) as error:
            raise LogStoreError(f"{self._days.folder}: {error}") from error

    # in the writer's thread

    def _append(self, groups: Sequence[Lines]) -> list[tuple[StoredLine, ...]]:
        """One transaction a day; returns of each group what was new of it."""
        by_day: dict[str, list[tuple[int, LogLine, JobOwner]]] = {}
        for group, lines in enumerate(groups):
            for line, owner in lines:
                by_day.setdefault(day_of(line.time_ns), []).append((group, line, owner))
        new: list[list[StoredLine]] = [[] for _ in groups]
        for day, own in by_day.items():
            for group, stored in self._append_to(day, own):
                new[group].append(stored)
        return [tuple(own) for own in new]

    def _append_to(self, day: str, lines: Sequence[tuple[int, LogLine, JobOwner]]) -> list[tuple[int, StoredLine]]:
        connection = self._days.writer(day)
        known = known_ids(connection, [line for _, line, _ in lines])
        number = connection.execute("SELECT coalesce(max(number), 0) FROM lines").fetchone()[0]
        new, rows = [], []
        for group, line, owner in lines:
            if line.id in known:
                continue
            known.add(line.id)
            number += 1
            new.append((group, StoredLine(line, owner, LogPlace(line.time_ns, number))))
            values = (line.time_ns, line.id, line.node, line.program, line.severity, line.job_id, line.kind)
            rows.append((number, *values, *owner, _encode(line)))
        stored = [one for _, one in new]
        with connection:
            connection.executemany(_INSERT, rows)
            words = ((one.place.number, one.line.message) for one in stored)
            connection.executemany("INSERT INTO words (rowid, message) VALUES (?, ?)", words)
            connection.executemany(_COUNT, _minutes(stored))
            if has_stretches(connection):
                connection.executemany(_STRETCH, _stretches(stored))
        return new

    def _replace(self, lines: Sequence[StoredLine]) -> None:
        by_day: dict[str, list[tuple[object, ...]]] = {}
        for stored in lines:
            line = stored.line
            row = (line.job_id, *stored.owner, _encode(line), stored.place.number, line.id)
            by_day.setdefault(day_of(line.time_ns), []).append(row)
        for day, rows in by_day.items():
            connection = self._days.writer(day)
            with connection:
                connection.executemany(_REPLACE, rows)

    def _unfinished(self, since_ns: int, limit: int) -> list[StoredLine]:
        """By the connection that writes, which gives a file of an earlier release the index for it."""
        found: list[StoredLine] = []
        for day in reversed(self._days.names()):
            if day >= day_of(since_ns) and len(found) < limit:
                found += unfinished(self._days.writer(day), since_ns, limit - len(found))
        return found

    def _forget_old(self) -> list[str]:
        today = datetime.fromtimestamp(self._clock.wall_ns() / NS_PER_S, UTC)
        oldest_kept = (today - timedelta(days=self._keep_days)).strftime("%Y-%m-%d")
        gone = [day for day in self._days.names() if day < oldest_kept]
        for day in gone:
            self._days.remove(day)
        return gone

    # in a reader's thread

    def _search(self, viewer: Viewer, query: LogQuery) -> LogPage:
        limit = min(max(query.limit, 1), MOST_LINES)
        last_ns = min((ns for ns in (query.until_ns, query.after and query.after.time_ns) if ns), default=None)
        found: list[StoredLine] = []
        for _, connection in self._days.readers(query.since_ns, last_ns):
            with closing(connection):
                found += newest(connection, viewer, query, limit + 1 - len(found))
            if len(found) > limit:
                break
        return LogPage(tuple(found[:limit]), len(found) > limit)

    def _later(self, viewer: Viewer, node: str, place: LogPlace, count: int) -> list[StoredLine]:
        query = LogQuery(node=node, since_ns=place.time_ns + 1)
        found: list[StoredLine] = []
        for _, connection in reversed(list(self._days.readers(place.time_ns, None))):
            with closing(connection):
                found += oldest(connection, viewer, query, count - len(found))
        return found[:count]

    def _histogram(self, viewer: Viewer, query: LogQuery, since_ns: int, width_ns: int) -> list[Slot]:
        sums: dict[int, list[int]] = {}
        for _, connection in self._days.readers(since_ns, query.until_ns):
            with closing(connection):
                for slot, lines, errors in counts(connection, viewer, query, since_ns, width_ns):
                    own = sums.setdefault(slot, [0, 0])
                    own[0] += lines
                    own[1] += errors
        return [Slot(since_ns + slot * width_ns, *sums[slot]) for slot in sorted(sums)]

    def _health(self) -> StoreHealth:
        sizes = {day: self._days.path(day).stat().st_size for day in self._days.names()}
        days = tuple(StoreDay(day, None, size_bytes) for day, size_bytes in sizes.items())
        return StoreHealth(kind="SQLite", place=str(self._days.folder), state="green", days=days)


def _minutes(lines: Sequence[StoredLine]) -> list[tuple[int, int, int]]:
    """How many of the lines, and errors among them, stand in each minute."""
    counted: dict[int, list[int]] = {}
    for stored in lines:
        own = counted.setdefault(stored.place.time_ns // MINUTE_NS, [0, 0])
        own[0] += 1
        own[1] += stored.line.severity <= Severity.ERROR
    return [(minute, count, errors) for minute, (count, errors) in counted.items()]


def _stretches(lines: Sequence[StoredLine]) -> list[tuple[int, int, int]]:
    """Between which numbers the lines of each stretch are."""
    bounds: dict[int, list[int]] = {}
    for stored in lines:
        number = stored.place.number
        bounds.setdefault(stored.place.time_ns // STRETCH_NS, [number, number])[1] = number
    return [(stretch, first, last) for stretch, (first, last) in bounds.items()]
