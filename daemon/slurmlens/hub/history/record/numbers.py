"""Numbers for new rows, given by the one writer: no round trip to the database for each.

Owns the next number of each numbered table. Invariant: a number is given to one row; those of batches grow in the order
of the commits. A number that was given in a transaction which failed is not given again where one hub writes, which
costs nothing. Loaded from the tables at the start, and before each transaction where others write as well; used in the
writer's thread alone.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from slurmlens.hub.history import tables as schema

_NUMBERED = {
    "batches": schema.batches.c.id,
    "sightings": schema.sightings.c.rid,
    "runs": schema.runs.c.rid,
}
_LAST = select(
    *(select(func.max(column)).scalar_subquery() for column in _NUMBERED.values()),
    select(func.max(schema.marks.c.value)).scalar_subquery(),
)
"""The last number of each table, and the last that a mark names: one statement, since others may wait for it."""


class RowNumbers:
    """The next number by table."""

    def __init__(self) -> None:
        self._last = dict.fromkeys(_NUMBERED, 0)

    def load(self, connection: Connection) -> None:
        """Goes on after the last number of each table; of batches also after those that were deleted."""
        row = connection.execute(_LAST).one()
        self._last = {name: row[place] or 0 for place, name in enumerate(_NUMBERED)}
        self._last["batches"] = max(self._last["batches"], row[-1] or 0)

    def next(self, table: str) -> int:
        """A number that no row of the table has."""
        self._last[table] += 1
        return self._last[table]
