"""A user's lines in the hub's own log store: those of his jobs and those that name him as their user are taken away.

A line that only mentions his name stays until its day goes. Works on the day files themselves, for a hub that is
stopped. Called by `cli.commands.erase`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import msgspec

from slurmlens.hub.logs.sqlite_days import LogDays
from slurmlens.log_lines import LogLine

_decode = msgspec.json.Decoder(LogLine).decode


def erase_lines(folder: Path, user: str, jobs: Collection[int]) -> int:
    """How many lines went, over all days; none where there is no such store."""
    if not folder.is_dir():
        return 0
    days = LogDays(folder)
    return sum(_erase_day(days.path(day), user, jobs) for day in days.names())


def _erase_day(path: Path, user: str, jobs: Collection[int]) -> int:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TEMP TABLE his (job_id INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO his VALUES (?)", [(job_id,) for job_id in jobs])
        query = "SELECT number, line FROM lines WHERE user = ? OR (user IS NULL AND job_id IN (SELECT job_id FROM his))"
        found = [(number, _decode(line).message) for number, line in connection.execute(query, (user,))]
        # A table of words without content of its own must be told what stood there (sqlite.org/fts5.html, 4.4.1).
        connection.executemany("INSERT INTO words (words, rowid, message) VALUES ('delete', ?, ?)", found)
        connection.executemany("DELETE FROM lines WHERE number = ?", [(number,) for number, _ in found])
        connection.commit()
        return len(found)
