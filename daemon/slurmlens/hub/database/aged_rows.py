"""Rows that are whole by themselves and age by one column: what a room hands to `retention` for such a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, select

from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.retention import DueItems


class AgedRows:
    """Rows of a table that are whole by themselves; `column` says when they were last true."""

    def __init__(self, name: str, table: Table, column: str, kept_s: float) -> None:
        self.name = name
        self.kept_s = kept_s
        self._table = table
        self._age = table.c[column]
        self._key = (*(one.name for one in table.primary_key.columns), column)

    def due(self, connection: Connection, before_ns: int, most: int) -> DueItems | None:
        """The oldest, by their keys."""
        query = select(*(self._table.c[name] for name in self._key)).where(self._age < before_ns)
        found = [tuple(row) for row in connection.execute(query.order_by(self._age).limit(most))]
        return DueItems(found, found[0][-1]) if found else None

    def remove(self, transaction: Transaction, items: Sequence[Any]) -> int:
        """Takes those away that are as they were read."""
        transaction.take_away(self._table, self._key, items)
        return len(items)
