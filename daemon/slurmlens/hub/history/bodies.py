"""Lines out of the bodies that nodes sent, found by batch and line.

Owns how a body is unpacked again. A body may hold other jobs' and other nodes' lines: only the lines asked for leave
this module. A body that is damaged, or gone by age, costs its own lines. Used by `read` and `record.packing`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from sqlalchemy import Connection, select

from slurmlens.errors import DecodeError
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.history import tables as schema
from slurmlens.wire.ingest import unpack

MOST_BYTES = 256 * 1024 * 1024
"""More than any body that was taken unpacks to (`listen.max_body_bytes`)."""

_BATCHES_AT_ONCE = 50


class LinePlace(NamedTuple):
    """Where a line stands: its batch, and its number in the body from 1."""

    batch: int
    line: int


def lines_at(connection: Connection, places: Collection[LinePlace]) -> Iterator[tuple[LinePlace, bytes]]:
    """The lines at these places, as they were sent, in no order; those whose body is gone are left out."""
    wanted: dict[int, list[int]] = {}
    for batch, line in places:
        wanted.setdefault(batch, []).append(line)
    table = schema.batches
    for piece in pieces_of(sorted(wanted), _BATCHES_AT_ONCE):
        query = select(table.c.id, table.c.encoding, table.c.body).where(table.c.id.in_(piece))
        for batch, encoding, body in connection.execute(query):
            lines = split(encoding, body)
            for number in wanted[batch]:
                if number <= len(lines):
                    yield LinePlace(batch, number), lines[number - 1]


def profiles_beside(connection: Connection, batches: Collection[int]) -> dict[int, bytes]:
    """The columns that came packed beside the lines of these batches, as far as they wait to be packed into courses."""
    table = schema.packed_profiles
    found: dict[int, bytes] = {}
    for piece in pieces_of(sorted(batches), _BATCHES_AT_ONCE):
        query = select(table.c.batch, table.c.profiles).where(table.c.batch.in_(piece))
        found.update((batch, profiles) for batch, profiles in connection.execute(query))
    return found


def split(encoding: str, body: bytes) -> list[bytes]:
    """A body's lines; none where it is damaged."""
    try:
        return unpack(body, encoding, MOST_BYTES).split(b"\n")
    except DecodeError:
        return []
