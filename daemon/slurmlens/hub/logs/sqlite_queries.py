"""What is asked of one day's file, as SQL: conditions of a query and of who looks, pages, and counts over time.

Owns the SQL that reads; a function asks one connection. A question that an index answers is asked of one stretch of
the day after the other (`sqlite_days` says why), of words alone of twice as many each time, until there is enough.
Counts come from the day's minutes where every line of the stretch may be seen and is asked for, and from an index of
the lines themselves else. Used by `sqlite_store`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from slurmlens.hub.access.predicates import entitlements
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.logs.query import JobOwner, LogPlace, LogQuery, StoredLine
from slurmlens.hub.logs.sqlite_days import MINUTE_NS, STRETCH, STRETCH_NS, has_counts, has_stretches
from slurmlens.hub.logs.words import match_expression, terms_of
from slurmlens.log_lines import LogLine

_COLUMNS = ("job_id", "node", "user", "partition", "program", "kind")
_SELECT = "SELECT line, user, account, partition, time_ns, number FROM lines"
_TIME_ALONE = LogQuery()
_decode = msgspec.json.Decoder(LogLine).decode


class _DayStretch(NamedTuple):
    """Ten minutes of the day, and between which numbers its lines are."""

    stretch: int
    first_number: int
    last_number: int


def newest(connection: sqlite3.Connection, viewer: Viewer, query: LogQuery, limit: int) -> Iterator[StoredLine]:
    """The newest lines of the day that fit."""
    return _page(connection, viewer, query, limit, "DESC")


def oldest(connection: sqlite3.Connection, viewer: Viewer, query: LogQuery, limit: int) -> Iterator[StoredLine]:
    """The oldest lines of the day that fit."""
    return _page(connection, viewer, query, limit, "ASC")


def unfinished(connection: sqlite3.Connection, since_ns: int, limit: int) -> Iterator[StoredLine]:
    """Lines of jobs whose user is not known."""
    where = "WHERE job_id IS NOT NULL AND user IS NULL AND time_ns >= ? ORDER BY time_ns DESC LIMIT ?"
    return _ask(connection, where, (since_ns, limit))


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
    for where, values in _in_parts(connection, viewer, query, "DESC"):
        sql = f"SELECT (time_ns - ?) / ?, count(*), sum(severity <= 3) FROM lines WHERE {where} GROUP BY 1"  # noqa: S608
        yield from connection.execute(sql, (since_ns, width_ns, *values))


def _page(
    connection: sqlite3.Connection, viewer: Viewer, query: LogQuery, limit: int, order: str
) -> Iterator[StoredLine]:
    for where, values in _in_parts(connection, viewer, query, order):
        rest = f"WHERE {where} ORDER BY time_ns {order}, number {order} LIMIT ?"
        for stored in _ask(connection, rest, (*values, limit)):
            yield stored
            limit -= 1
        if limit <= 0:
            return


def _in_parts(
    connection: sqlite3.Connection, viewer: Viewer, query: LogQuery, order: str
) -> Iterator[tuple[str, list[Any]]]:
    """WHERE and its values for one part of the day after the other: by stretches, where an index or words answer."""
    is_indexed = _is_indexed(viewer, query)
    if not (is_indexed or query.text) or not has_stretches(connection):
        yield _conditions(viewer, query)
        return
    since = 0 if query.since_ns is None else query.since_ns // STRETCH_NS
    until = 2**62 if query.until_ns is None else query.until_ns // STRETCH_NS
    if query.after is not None:
        until = min(until, query.after.time_ns // STRETCH_NS)
    rows = connection.execute(
        f"SELECT * FROM stretches WHERE stretch BETWEEN ? AND ? ORDER BY stretch {order}",  # noqa: S608
        (since, until),
    )
    stretches = [_DayStretch(*row) for row in rows]
    at_once = 1
    while stretches:
        some, stretches = stretches[:at_once], stretches[at_once:]
        where, values = _conditions(viewer, query, some)
        if is_indexed:
            yield f"{STRETCH} = ? AND {where}", [some[0].stretch, *values]
            continue
        at_once *= 2
        first, last = sorted((some[0].stretch, some[-1].stretch))
        yield (
            "time_ns >= ? AND time_ns < ? AND " + where,
            [
                first * STRETCH_NS,
                (last + 1) * STRETCH_NS,
                *values,
            ],
        )


def _ask(connection: sqlite3.Connection, rest: str, values: Sequence[Any]) -> Iterator[StoredLine]:
    for line, user, account, partition, time_ns, number in connection.execute(f"{_SELECT} {rest}", values):
        yield StoredLine(_decode(line), JobOwner(user, account, partition), LogPlace(time_ns, number))


def _conditions(viewer: Viewer, query: LogQuery, stretches: Sequence[_DayStretch] = ()) -> tuple[str, list[Any]]:
    """WHERE, and its values in their order; words are looked for between the numbers of the stretches."""
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
        numbers = " AND rowid BETWEEN ? AND ?" if stretches else ""
        bounds = (
            (min(one.first_number for one in stretches), max(one.last_number for one in stretches)) if stretches else ()
        )
        found = f"number IN (SELECT rowid FROM words WHERE words MATCH ?{numbers})"  # noqa: S608
        parts.append((found, (match_expression(terms), *bounds)))
    return " AND ".join(part for part, _ in parts), [value for _, values in parts for value in values]


def _is_indexed(viewer: Viewer, query: LogQuery) -> bool:
    """Whether a value is asked for that an index has."""
    if any(value is not None for value in (query.job_id, query.node, query.user, query.kind, query.kinds)):
        return True
    reasons = entitlements(viewer)
    return reasons is not None and [reason.column for reason in reasons] == ["user"]


def _visible(viewer: Viewer) -> tuple[str, Sequence[Any]]:
    """Lines of jobs that the viewer may see; who does not see all jobs sees no line without one."""
    reasons = entitlements(viewer)
    if reasons is None:
        return "1", ()
    own = " OR ".join(f"{reason.column} = ?" for reason in reasons)
    return f"job_id IS NOT NULL AND ({own or '0'})", [reason.value for reason in reasons]
