"""Lines in SQLite: a file a day with a full-text index, so that forgetting a day is removing a file.

Owns the files `logs-YYYY-MM-DD.sqlite3` of one folder. A line stands in the file of the day (UTC) of its own time; one
that comes twice is one (`id`). One thread writes, in the order in which it was asked; readers have connections of their
own and see what was committed. A file that is damaged costs its own day, and is named. Fed by `intake`; `web` reads.
Who looks is the first argument of every read: lines of jobs that a viewer may not see are not found, nor counted.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.errors import ConfigError, SlurmlensError
from slurmlens.hub.access.predicates import entitlements
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.logs.query import MOST_LINES, JobOwner, LogPage, LogPlace, LogQuery, StoredLine
from slurmlens.hub.logs.words import match_expression, terms_of
from slurmlens.log_lines import LogLine

_SCHEMA = """
CREATE TABLE lines (
    number INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, id TEXT NOT NULL UNIQUE, node TEXT NOT NULL, program TEXT,
    severity INTEGER NOT NULL, job_id INTEGER, kind TEXT, user TEXT, account TEXT, partition TEXT, line BLOB NOT NULL);
CREATE INDEX lines_by_time ON lines (time_ns, number, severity);
CREATE INDEX lines_of_job ON lines (job_id, time_ns, number) WHERE job_id IS NOT NULL;
CREATE INDEX lines_of_node ON lines (node, time_ns, number);
CREATE INDEX lines_of_user ON lines (user, time_ns, number) WHERE user IS NOT NULL;
CREATE INDEX lines_of_kind ON lines (kind, time_ns, number) WHERE kind IS NOT NULL;
CREATE VIRTUAL TABLE words USING fts5 (
    message, content='', tokenize="unicode61 remove_diacritics 0 tokenchars '_'");
"""
_INSERT = "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_NAME = re.compile(r"logs-(\d{4}-\d\d-\d\d)\.sqlite3")
_READERS = 2
_IDS_AT_ONCE = 500
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(LogLine).decode
_Made = TypeVar("_Made")
Lines = Sequence[tuple[LogLine, JobOwner]]


class LogStoreError(SlurmlensError):
    """The lines could not be kept or read: the folder, its disk or a file of it."""

    reason = "log_store"


class Slot(NamedTuple):
    """A stretch of a histogram: where it begins, how many lines, and how many of these are errors or worse."""

    begin_ns: int
    lines: int
    errors: int


class SqliteLogStore:
    """One folder of days. `keep_days`: so many whole days are kept beside today."""

    def __init__(self, folder: Path, keep_days: int, clock: Clock) -> None:
        try:
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{folder} cannot be made: {error.strerror}: check that this user may write there", key="logs.path"
            ) from error
        self._folder = folder
        self._keep_days = keep_days
        self._clock = clock
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log_writer")
        self._readers = ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="log_reader")
        self._open: dict[str, sqlite3.Connection] = {}

    async def append(self, lines: Lines) -> list[StoredLine]:
        """Keeps lines; returns those that were new, once they are committed. LogStoreError where none was kept."""
        return await self._run(self._writer, lambda: self._append(lines))

    async def search(self, viewer: Viewer, query: LogQuery) -> LogPage:
        """The newest lines that fit, as many as asked for."""
        return await self._run(self._readers, lambda: self._search(viewer, query))

    async def around(self, viewer: Viewer, node: str, place: LogPlace, count: int = 20) -> LogPage:
        """What the node said just before and after a line of that place, the newest first."""
        before = LogQuery(node=node, until_ns=place.time_ns + 1, limit=count)
        page = await self.search(viewer, before)
        later = await self._run(self._readers, lambda: self._later(viewer, node, place, count))
        return LogPage((*reversed(later), *page.lines), page.has_more)

    async def histogram(self, viewer: Viewer, query: LogQuery, since_ns: int, width_ns: int) -> list[Slot]:
        """How many lines fit in each stretch from `since_ns` on; stretches without any are left out."""
        ranged = msgspec.structs.replace(query, since_ns=since_ns, after=None)
        return await self._run(self._readers, lambda: self._histogram(viewer, ranged, since_ns, width_ns))

    async def forget_old(self) -> list[str]:
        """Removes the days that are older than is kept; returns their names."""
        return await self._run(self._writer, self._forget_old)

    def close(self) -> None:
        """Closes the files; nothing may be asked any more."""
        self._writer.submit(self._close).result()
        self._writer.shutdown()
        self._readers.shutdown()

    async def _run(self, executor: ThreadPoolExecutor, work: Callable[[], _Made]) -> _Made:
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, work)
        except (sqlite3.Error, OSError) as error:
            raise LogStoreError(f"{self._folder}: {error}") from error

    # in the writer's thread

    def _append(self, lines: Lines) -> list[StoredLine]:
        by_day: dict[str, list[tuple[LogLine, JobOwner]]] = {}
        for line, owner in lines:
            by_day.setdefault(_day(line.time_ns), []).append((line, owner))
        return [stored for day, own in by_day.items() for stored in self._append_to(day, own)]

    def _append_to(self, day: str, lines: Lines) -> list[StoredLine]:
        connection = self._connection(day)
        known = _known(connection, [line.id for line, _ in lines])
        number = connection.execute("SELECT coalesce(max(number), 0) FROM lines").fetchone()[0]
        stored, rows = [], []
        for line, owner in lines:
            if line.id in known:
                continue
            known.add(line.id)
            number += 1
            stored.append(StoredLine(line, owner, LogPlace(line.time_ns, number)))
            values = (line.time_ns, line.id, line.node, line.program, line.severity, line.job_id, line.kind)
            rows.append((number, *values, *owner, _encode(line)))
        with connection:
            connection.executemany(_INSERT, rows)
            words = ((one.place.number, one.line.message) for one in stored)
            connection.executemany("INSERT INTO words (rowid, message) VALUES (?, ?)", words)
        return stored

    def _connection(self, day: str) -> sqlite3.Connection:
        connection = self._open.pop(day, None)
        if connection is None:
            while len(self._open) >= 4:
                self._open.pop(next(iter(self._open))).close()
            if not self._path(day).exists():
                self._make(day)
            connection = sqlite3.connect(self._path(day), check_same_thread=False)
            connection.execute("PRAGMA synchronous = NORMAL")  # a power loss may cost the last lines, a crash none
        self._open[day] = connection
        return connection

    def _make(self, day: str) -> None:
        """A day's file, which stands under its name when all tables are in it: a reader may come at any moment."""
        unfinished = self._folder / f".{day}.unfinished"
        unfinished.unlink(missing_ok=True)
        with closing(sqlite3.connect(unfinished)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
        unfinished.rename(self._path(day))

    def _forget_old(self) -> list[str]:
        today = datetime.fromtimestamp(self._clock.wall_ns() / NS_PER_S, UTC)
        oldest = (today - timedelta(days=self._keep_days)).strftime("%Y-%m-%d")
        gone = [day for day in self._days() if day < oldest]
        for day in gone:
            if (connection := self._open.pop(day, None)) is not None:
                connection.close()
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self._path(day)}{suffix}").unlink(missing_ok=True)
        return gone

    def _close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()

    # in a reader's thread

    def _search(self, viewer: Viewer, query: LogQuery) -> LogPage:
        limit = min(max(query.limit, 1), MOST_LINES)
        where, values = _conditions(viewer, query)
        found: list[StoredLine] = []
        for connection in self._reading(query):
            with closing(connection):
                rows = connection.execute(
                    f"{_SELECT} WHERE {where} ORDER BY time_ns DESC, number DESC LIMIT ?",
                    (*values, limit + 1 - len(found)),
                )
                found += [_stored(row) for row in rows]
            if len(found) > limit:
                break
        return LogPage(tuple(found[:limit]), len(found) > limit)

    def _later(self, viewer: Viewer, node: str, place: LogPlace, count: int) -> list[StoredLine]:
        where, values = _conditions(viewer, LogQuery(node=node, since_ns=place.time_ns + 1))
        found: list[StoredLine] = []
        for connection in reversed(list(self._reading(LogQuery(since_ns=place.time_ns)))):
            with closing(connection):
                query = f"{_SELECT} WHERE {where} ORDER BY time_ns, number LIMIT ?"
                found += [_stored(row) for row in connection.execute(query, (*values, count - len(found)))]
        return found[:count]

    def _histogram(self, viewer: Viewer, query: LogQuery, since_ns: int, width_ns: int) -> list[Slot]:
        where, values = _conditions(viewer, query)
        counts: dict[int, list[int]] = {}
        for connection in self._reading(query):
            with closing(connection):
                rows = connection.execute(
                    "SELECT (time_ns - ?) / ?, count(*), sum(severity <= 3) FROM lines "  # noqa: S608
                    f"WHERE {where} GROUP BY 1",
                    (since_ns, width_ns, *values),
                )
                for slot, count, errors in rows:
                    sums = counts.setdefault(slot, [0, 0])
                    sums[0] += count
                    sums[1] += errors
        return [Slot(since_ns + slot * width_ns, *counts[slot]) for slot in sorted(counts)]

    def _reading(self, query: LogQuery) -> Iterator[sqlite3.Connection]:
        """The days that a query's range touches, the newest first."""
        first = _day(query.since_ns) if query.since_ns is not None else ""
        last_ns = min((ns for ns in (query.until_ns, query.after and query.after.time_ns) if ns), default=None)
        last = _day(last_ns) if last_ns is not None else "9999"
        for day in reversed(self._days()):
            if first <= day <= last:
                yield sqlite3.connect(f"file:{self._path(day)}?mode=ro", uri=True, check_same_thread=False)

    def _days(self) -> list[str]:
        return sorted(match[1] for path in self._folder.iterdir() if (match := _NAME.fullmatch(path.name)))

    def _path(self, day: str) -> Path:
        return self._folder / f"logs-{day}.sqlite3"


_SELECT = "SELECT line, user, account, partition, time_ns, number FROM lines"


def _stored(row: tuple[Any, ...]) -> StoredLine:
    return StoredLine(_decode(row[0]), JobOwner(*row[1:4]), LogPlace(row[4], row[5]))


def _day(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).strftime("%Y-%m-%d")


def _known(connection: sqlite3.Connection, ids: Sequence[str]) -> set[str]:
    known: set[str] = set()
    for begin in range(0, len(ids), _IDS_AT_ONCE):
        some = ids[begin : begin + _IDS_AT_ONCE]
        query = f"SELECT id FROM lines WHERE id IN ({', '.join('?' * len(some))})"  # noqa: S608
        known.update(row[0] for row in connection.execute(query, some))
    return known


def _conditions(viewer: Viewer, query: LogQuery) -> tuple[str, list[Any]]:
    """WHERE, and its values in their order."""
    parts: list[tuple[str, Sequence[Any]]] = [_visible(viewer)]
    columns = ("job_id", "node", "user", "partition", "program", "kind")
    parts += [(f"{name} = ?", (value,)) for name in columns if (value := getattr(query, name)) is not None]
    if query.kinds is not None:
        parts.append((f"kind IN ({', '.join('?' * len(query.kinds))})", sorted(query.kinds)))
    if query.severity is not None:
        parts.append(("severity <= ?", (query.severity,)))
    if query.since_ns is not None:
        parts.append(("time_ns >= ?", (query.since_ns,)))
    if query.until_ns is not None:
        parts.append(("time_ns < ?", (query.until_ns,)))
    if query.after is not None:
        parts.append(("(time_ns, number) < (?, ?)", query.after))
    if query.text and (terms := terms_of(query.text)):
        parts.append(("number IN (SELECT rowid FROM words WHERE words MATCH ?)", (match_expression(terms),)))
    return " AND ".join(part for part, _ in parts), [value for _, values in parts for value in values]


def _visible(viewer: Viewer) -> tuple[str, Sequence[Any]]:
    """Lines of jobs that the viewer may see; who does not see all jobs sees no line without one."""
    reasons = entitlements(viewer)
    if reasons is None:
        return "1", ()
    own = " OR ".join(f"{reason.column} = ?" for reason in reasons)
    return f"job_id IS NOT NULL AND ({own or '0'})", [reason.value for reason in reasons]
