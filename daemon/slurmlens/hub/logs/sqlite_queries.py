"""What is asked of one day's file, as SQL: conditions of a query and of who looks, pages, and counts over time.

Owns the SQL that reads; a function asks one connection. Counts come from the day's minutes where every line of the
stretch may be seen and is asked for, and from an index of the lines themselves else. Used by `sqlite_store`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from slurmlens.hub.access.predicates import entitlements
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.logs.query import JobOwner, LogPlace, LogQuery, StoredLine
from slurmlens.hub.logs.sqlite_days import MINUTE_NS, has_counts
from slurmlens.hub.logs.words import match_expression, terms_of
from slurmlens.log_lines import LogLine

_COLUMNS = ("job_id", "node", "user", "partition", "program", "kind")
_SELECT = "SELECT line, user, account, partition, time_ns, number FROM lines"
_TIME_ALONE = LogQuery()
_IDS_AT_ONCE = 500
_decode = msgspec.json.Decoder(LogLine).decode


def newest(connection: sqlite3.Connection, viewer: Viewer, query: LogQuery, limit: int) -> Iterator[StoredLine]:
    """The newest lines of the day that fit."""
    where, values = _conditions(viewer, query)
    return _ask(connection, f"WHERE {where} ORDER BY time_ns DESC, number DESC LIMIT ?", (*values, limit))


def oldest(connection: sqlite3.Connection, viewer: Viewer, query: LogQuery, limit: int) -> Iterator[StoredLine]:
    """The oldest lines of the day that fit."""
    where, values = _conditions(viewer, query)
    return _ask(connection, f"WHERE {where} ORDER BY time_ns, number LIMIT ?", (*values, limit))


def unfinished(connection: sqlite3.Connection, since_ns: int, limit: int) -> Iterator[StoredLine]:
    """Lines of jobs whose user is not known."""
    where = "WHERE job_id IS NOT NULL AND user IS NULL AND time_ns >= ? ORDER BY time_ns DESC LIMIT ?"
    return _ask(connection, where, (since_ns, limit))


def known_ids(connection: sqlite3.Connection, ids: Sequence[str]) -> set[str]:
    """Those of the ids that the day has."""
    known: set[str] = set()
    for begin in range(0, len(ids), _IDS_AT_ONCE):
        some = ids[begin : begin + _IDS_AT_ONCE]
        query = f"SELECT id FROM lines WHERE id IN ({', '.join('?' * len(some))})"  # noqa: S608
        known.update(row[0] for row in connection.execute(query, some))
    return known


def counts(
    connection: sqlite3.Connection, viewer: Viewer, query: LogQuery, since_ns: int, width_ns: int
) -> Iterator[tuple[int, int, int]]:
    """(stretch, lines, errors) of the day's lines that fit, stretches of `width_ns` numbered from `since_ns` on."""
    is_all = viewer.sees_all_jobs and _is_of_time_alone(query)
    if not is_all or width_ns % MINUTE_NS or since_ns % MINUTE_NS or not has_counts(connection):
        yield from _walked(connection, viewer, query, since_ns, width_ns)
        return
    # the minutes that lie in the range as a whole, and what is left at its end
    last_minute = None if query.until_ns is None else query.until_ns // MINUTE_NS
    rows = connection.execute(
        "SELECT (minute * ? - ?) / ?, sum(lines), sum(errors) FROM minutes WHERE minute >= ? AND minute < ? GROUP BY 1",
        (MINUTE_NS, since_ns, width_ns, since_ns // MINUTE_NS, 2**62 if last_minute is None else last_minute),
    )
    yield from rows
    if last_minute is not None and query.until_ns != last_minute * MINUTE_NS:
        rest_ns = max(since_ns, last_minute * MINUTE_NS)
        rest = msgspec.structs.replace(query, since_ns=rest_ns)
        yield from _walked(connection, viewer, rest, since_ns, width_ns)


def _is_of_time_alone(query: LogQuery) -> bool:
    bare = msgspec.structs.replace(query, since_ns=None, until_ns=None, limit=_TIME_ALONE.limit)
    return bare == _TIME_ALONE


def _walked(
    connection: sqlite3.Connection, viewer: Viewer, query: LogQuery, since_ns: int, width_ns: int
) -> Iterator[tuple[int, int, int]]:
    where, values = _conditions(viewer, query)
    sql = f"SELECT (time_ns - ?) / ?, count(*), sum(severity <= 3) FROM lines WHERE {where} GROUP BY 1"  # noqa: S608
    yield from connection.execute(sql, (since_ns, width_ns, *values))


def _ask(connection: sqlite3.Connection, rest: str, values: Sequence[Any]) -> Iterator[StoredLine]:
    for line, user, account, partition, time_ns, number in connection.execute(f"{_SELECT} {rest}", values):
        yield StoredLine(_decode(line), JobOwner(user, account, partition), LogPlace(time_ns, number))


def _conditions(viewer: Viewer, query: LogQuery) -> tuple[str, list[Any]]:
    """WHERE, and its values in their order."""
    parts: list[tuple[str, Sequence[Any]]] = [_visible(viewer)]
    parts += [(f"{name} = ?", (value,)) for name in _COLUMNS if (value := getattr(query, name)) is not None]
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
