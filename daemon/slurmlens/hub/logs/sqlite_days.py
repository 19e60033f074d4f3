"""A folder with a SQLite file a day: their names, their tables, and how they are opened and removed.

Owns the files `logs-YYYY-MM-DD.sqlite3`. A file stands under its name when all tables are in it. Beside the lines it
has counts of them by minute, so that the course of a day is read from 1,440 rows and not from all its lines.

Lines come nearly in the order of time. What indexes them by anything else would be written all over the day's file, a
page of 4 KiB a line and index; so every such index begins with the stretch of time that a line is in, and what a
transaction touches is the stretch of now. Whoever asks goes through the stretches, the newest first. Files of earlier
releases, without counts (`user_version` 0) or stretches (1), are read and written as they are: the former gets its
counts when it is first written again, the latter is gone in some days. Used by `sqlite_store`, in its threads.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from slurmlens.clock import NS_PER_S
from slurmlens.errors import ConfigError

MINUTE_NS = 60 * NS_PER_S
STRETCH_NS = 10 * MINUTE_NS
WITH_COUNTS = 1
"""`user_version` of a file that has them."""

WITH_STRETCHES = 2
STRETCH = f"time_ns / {STRETCH_NS}"
"""As indexes have it, and so every condition that is to go by them."""

ID_END = "substr(id, -8)"
"""What differs between ids, and is a third of them: an index of all would be the largest part of the file."""

_LINES = f"""
CREATE TABLE lines (
    number INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, id TEXT NOT NULL, node TEXT NOT NULL, program TEXT,
    severity INTEGER NOT NULL, job_id INTEGER, kind TEXT, user TEXT, account TEXT, partition TEXT, line BLOB NOT NULL);
CREATE INDEX lines_by_time ON lines (time_ns, number, severity);
CREATE INDEX lines_by_id ON lines ({STRETCH}, {ID_END});
CREATE INDEX lines_of_job ON lines ({STRETCH}, job_id, time_ns) WHERE job_id IS NOT NULL;
CREATE INDEX lines_of_node ON lines ({STRETCH}, node, time_ns);
CREATE INDEX lines_of_user ON lines ({STRETCH}, user, time_ns) WHERE user IS NOT NULL;
CREATE INDEX lines_of_kind ON lines ({STRETCH}, kind, time_ns) WHERE kind IS NOT NULL;
CREATE TABLE stretches (stretch INTEGER PRIMARY KEY, first_number INTEGER NOT NULL, last_number INTEGER NOT NULL);
CREATE VIRTUAL TABLE words USING fts5 (
    message, content='', columnsize=0, tokenize="unicode61 remove_diacritics 0 tokenchars '_'");
"""
_COUNTS = f"""
CREATE TABLE minutes (minute INTEGER PRIMARY KEY, lines INTEGER NOT NULL, errors INTEGER NOT NULL);
CREATE INDEX lines_unfinished ON lines (time_ns) WHERE job_id IS NOT NULL AND user IS NULL;
INSERT INTO minutes SELECT time_ns / {MINUTE_NS}, count(*), sum(severity <= 3) FROM lines GROUP BY 1;
PRAGMA user_version = {{version}};
"""  # noqa: S608
_LAST_NUMBERS = (
    "SELECT coalesce((SELECT max(number) FROM lines), 0), coalesce((SELECT max(last_number) FROM stretches), 0)"
)
_STRETCHES = f"INSERT OR REPLACE INTO stretches SELECT {STRETCH}, min(number), max(number) FROM lines GROUP BY 1"  # noqa: S608
_NAME = re.compile(r"logs-(\d{4}-\d\d-\d\d)\.sqlite3")
MOST_OPEN = 4
CACHE_KIB = 16 * 1024
"""Of the day that is written."""

PAGES_BEFORE_CHECKPOINT = 4_000
"""A page that many transactions touch is written back once for all of them: a fifth less CPU time a line."""


def day_of(time_ns: int) -> str:
    """The day (UTC) in whose file a line of that time stands."""
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).strftime("%Y-%m-%d")


class LogDays:
    """One folder. `writer` is for one thread alone; everything else opens what it needs."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{folder} cannot be made: {error.strerror}: check that this user may write there", key="logs.path"
            ) from error
        self.folder = folder
        self._open: dict[str, sqlite3.Connection] = {}

    def names(self) -> list[str]:
        """The days that are there, the oldest first."""
        return sorted(match[1] for path in self.folder.iterdir() if (match := _NAME.fullmatch(path.name)))

    def path(self, day: str) -> Path:
        """A day's file."""
        return self.folder / f"logs-{day}.sqlite3"

    def writer(self, day: str) -> sqlite3.Connection:
        """The connection that writes a day, kept for the next time; a new day is made."""
        connection = self._open.pop(day, None)
        if connection is None:
            while len(self._open) >= MOST_OPEN:
                self._open.pop(next(iter(self._open))).close()
            if not self.path(day).exists():
                self._make(day)
            connection = sqlite3.connect(self.path(day), check_same_thread=False)
            connection.execute("PRAGMA synchronous = NORMAL")  # a power loss may cost the last lines, a crash none
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES_BEFORE_CHECKPOINT}")
            if not has_counts(connection):
                connection.executescript(f"BEGIN;{_COUNTS.format(version=WITH_COUNTS)}COMMIT;")
            if has_stretches(connection):
                _mend_stretches(connection)
        self._open[day] = connection
        return connection

    def readers(self, since_ns: int | None, until_ns: int | None) -> Iterator[tuple[str, sqlite3.Connection]]:
        """The days that a range touches, the newest first, each with a connection that whoever asks closes."""
        first = "" if since_ns is None else day_of(since_ns)
        last = "9999" if until_ns is None else day_of(until_ns)
        for day in reversed(self.names()):
            if first <= day <= last:
                yield day, sqlite3.connect(f"file:{self.path(day)}?mode=ro", uri=True, check_same_thread=False)

    def remove(self, day: str) -> None:
        """Removes a day's file, in the thread that writes."""
        if (connection := self._open.pop(day, None)) is not None:
            connection.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path(day)}{suffix}").unlink(missing_ok=True)

    def close(self) -> None:
        """Closes what is open for writing."""
        while self._open:
            self._open.popitem()[1].close()

    def _make(self, day: str) -> None:
        """Under another name until all tables are in it: a reader may come at any moment."""
        unfinished = self.folder / f".{day}.unfinished"
        unfinished.unlink(missing_ok=True)
        with closing(sqlite3.connect(unfinished)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_LINES + _COUNTS.format(version=WITH_STRETCHES))
        unfinished.rename(self.path(day))


def has_counts(connection: sqlite3.Connection) -> bool:
    """Whether the day's file counts its lines by minute."""
    return _version(connection) >= WITH_COUNTS


def has_stretches(connection: sqlite3.Connection) -> bool:
    """Whether the indexes of the day's file begin with the stretch of time."""
    return _version(connection) >= WITH_STRETCHES


def _mend_stretches(connection: sqlite3.Connection) -> None:
    """Where an earlier release, which knows of no stretches, wrote in between, they are made anew."""
    last, told = connection.execute(_LAST_NUMBERS).fetchone()
    if last != told:
        with connection:
            connection.execute(_STRETCHES)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
