"""Numbers for new rows, given by the one writer: no round trip to the database for each.

Owns the next number of each numbered table. Invariant: a number that was given in a transaction which failed is not
given again, which costs nothing. Loaded from the tables at the start; used in the writer's thread alone.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from slurmlens.hub.history import tables as schema

_NUMBERED = {
    "batches": schema.batches.c.id,
    "sightings": schema.sightings.c.rid,
    "runs": schema.runs.c.rid,
}


class RowNumbers:
    """The next number by table."""

    def __init__(self) -> None:
        self._last = dict.fromkeys(_NUMBERED, 0)

    def load(self, connection: Connection) -> None:
        """Goes on after the last number of each table; of batches also after those that were deleted."""
        for name, column in _NUMBERED.items():
            self._last[name] = connection.execute(select(func.max(column))).scalar() or 0
        named = connection.execute(select(func.max(schema.marks.c.value))).scalar() or 0
        self._last["batches"] = max(self._last["batches"], named)

    def next(self, table: str) -> int:
        """A number that no row of the table has."""
        self._last[table] += 1
        return self._last[table]
