"""Which lines a day's file has already, by their ids.

Owns the rule of what is the same line: one of the same id whose time is in the same stretch of the day or in one beside
it. A line that is sent again says the time that it said before; one that is read again, of a file without times, was
read shortly before. Used by `sqlite_store`, in the thread that writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from slurmlens.hub.logs.sqlite_days import ID_END, STRETCH, STRETCH_NS, has_stretches
from slurmlens.log_lines import LogLine

_IDS_AT_ONCE = 500
_END_CHARS = 8


def known_ids(connection: sqlite3.Connection, lines: Sequence[LogLine]) -> set[str]:
    """Those of the lines' ids that the day has."""
    if not has_stretches(connection):
        return set(_found(connection, "id", [line.id for line in lines]))
    by_stretch: dict[int, set[str]] = {}
    for line in lines:
        at = line.time_ns // STRETCH_NS
        for stretch in (at - 1, at, at + 1):
            by_stretch.setdefault(stretch, set()).add(line.id[-_END_CHARS:])
    return {
        line_id
        for stretch, ends in by_stretch.items()
        for line_id in _found(connection, f"{STRETCH} = {stretch} AND {ID_END}", sorted(ends))
    }


def _found(connection: sqlite3.Connection, condition: str, values: Sequence[str]) -> Iterator[str]:
    for begin in range(0, len(values), _IDS_AT_ONCE):
        some = values[begin : begin + _IDS_AT_ONCE]
        query = f"SELECT id FROM lines WHERE {condition} IN ({', '.join('?' * len(some))})"  # noqa: S608
        yield from (row[0] for row in connection.execute(query, some))
