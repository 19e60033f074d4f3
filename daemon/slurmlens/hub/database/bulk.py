"""Bulk statements inside one transaction of the writer: many rows at the price of one statement.

Owns the SQL of the few forms in which rows are put, changed, taken away and found by their keys, made from the tables'
own definition and the same for SQLite and PostgreSQL but for how a list of keys is handed over (`json_each`, `unnest`:
one parameter whatever the number of keys, hence one prepared statement). Measured: the price of a write is a statement,
not a row. `core` is the same transaction for the rare statement of another form. Used by all that write.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql

from slurmlens.hub.database.engines import POSTGRESQL

Row = Mapping[str, Any]
Key = tuple[Any, ...]

_encoder = msgspec.json.Encoder()
_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


class Transaction:
    """One transaction that may write; all of it or nothing."""

    def __init__(self, connection: Connection, *, notes_changes: bool = False) -> None:
        self.core = connection
        self.notes_changes = notes_changes
        self.is_postgresql = connection.dialect.name == POSTGRESQL
        self._cursor: Any = connection.connection.cursor()

    def insert_new(self, table: Table, columns: Sequence[str], rows: Collection[Key]) -> int:
        """Inserts the rows whose key is not there yet; returns how many those were."""
        if not rows:
            return 0
        self._cursor.executemany(_insert_sql(table, tuple(columns), self.is_postgresql), rows)
        return int(self._cursor.rowcount)

    def put(self, table: Table, key: Sequence[str], rows: Sequence[Row]) -> None:
        """Inserts rows of the same columns, or changes those that have the same `key`, which a unique index covers."""
        if rows:
            columns = tuple(rows[0])
            self._cursor.executemany(
                _upsert_sql(table, columns, tuple(key), self.is_postgresql), _tuples(rows, columns)
            )

    def add(self, table: Table, columns: Sequence[str], key: Sequence[str], rows: Collection[Key]) -> None:
        """Inserts the rows, or adds their numbers to those of the rows that have the same `key`."""
        if rows:
            self._cursor.executemany(_add_sql(table, tuple(columns), tuple(key), self.is_postgresql), rows)

    def change(self, table: Table, key: Sequence[str], rows: Sequence[Row]) -> None:
        """Changes the rows that have this `key`; every row has the key and the same columns beside it."""
        if rows:
            columns = tuple(name for name in rows[0] if name not in key)
            sql = _update_sql(table, columns, tuple(key), self.is_postgresql)
            self._cursor.executemany(sql, _tuples(rows, (*columns, *key)))

    def take_away(self, table: Table, key: Sequence[str], keys: Collection[Key]) -> None:
        """Deletes the rows with these keys."""
        if keys:
            self._cursor.executemany(_delete_sql(table, tuple(key), self.is_postgresql), keys)

    def find(self, table: Table, columns: Sequence[str], key: Sequence[str], keys: Iterable[Key]) -> list[Key]:
        """The columns of all rows with one of these keys, in no order."""
        wanted = list(keys)
        if not wanted:
            return []
        sql = _find_sql(table, tuple(columns), tuple(key), self.is_postgresql)
        arguments = [list(column) for column in zip(*wanted, strict=True)] if self.is_postgresql else [_json(wanted)]
        self._cursor.execute(sql, arguments)
        return list(self._cursor.fetchall())

    def find_rows(self, table: Table, key: Sequence[str], keys: Iterable[Key]) -> list[dict[str, Any]]:
        """All columns of all rows with one of these keys, by name, in no order."""
        names = [column.name for column in table.columns]
        return [dict(zip(names, row, strict=True)) for row in self.find(table, names, key, keys)]

    def close(self) -> None:
        """Gives the cursor back; the transaction is ended by whoever began it."""
        self._cursor.close()


def _json(keys: Sequence[Key]) -> str:
    return _encoder.encode(keys).decode()


def _tuples(rows: Sequence[Row], columns: Sequence[str]) -> list[Key]:
    if len(columns) == 1:
        return [(row[columns[0]],) for row in rows]
    return list(map(itemgetter(*columns), rows))


def _quoted(name: str) -> str:
    return f'"{name}"'


def _list(names: Iterable[str], prefix: str = "") -> str:
    return ", ".join(prefix + _quoted(name) for name in names)


def _marks(count: int, is_postgresql: bool) -> str:
    return ", ".join(["%s" if is_postgresql else "?"] * count)


def _equal(names: Iterable[str], is_postgresql: bool, joint: str) -> str:
    return joint.join(f"{_quoted(name)} = {'%s' if is_postgresql else '?'}" for name in names)


@cache
def _insert_sql(table: Table, columns: tuple[str, ...], is_postgresql: bool) -> str:
    values = _marks(len(columns), is_postgresql)
    return f"INSERT INTO {table.name} ({_list(columns)}) VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608


@cache
def _upsert_sql(table: Table, columns: tuple[str, ...], key: tuple[str, ...], is_postgresql: bool) -> str:
    values = _marks(len(columns), is_postgresql)
    changes = ", ".join(f"{_quoted(name)} = excluded.{_quoted(name)}" for name in columns if name not in key)
    done = f"UPDATE SET {changes}" if changes else "NOTHING"
    return (
        f"INSERT INTO {table.name} ({_list(columns)}) VALUES ({values}) "  # noqa: S608
        f"ON CONFLICT ({_list(key)}) DO {done}"
    )


@cache
def _add_sql(table: Table, columns: tuple[str, ...], key: tuple[str, ...], is_postgresql: bool) -> str:
    values = _marks(len(columns), is_postgresql)
    sums = (
        f"{_quoted(name)} = {table.name}.{_quoted(name)} + excluded.{_quoted(name)}"
        for name in columns
        if name not in key
    )
    return (
        f"INSERT INTO {table.name} ({_list(columns)}) VALUES ({values}) "  # noqa: S608
        f"ON CONFLICT ({_list(key)}) DO UPDATE SET {', '.join(sums)}"
    )


@cache
def _update_sql(table: Table, columns: tuple[str, ...], key: tuple[str, ...], is_postgresql: bool) -> str:
    changes, where = _equal(columns, is_postgresql, ", "), _equal(key, is_postgresql, " AND ")
    return f"UPDATE {table.name} SET {changes} WHERE {where}"  # noqa: S608


@cache
def _delete_sql(table: Table, key: tuple[str, ...], is_postgresql: bool) -> str:
    return f"DELETE FROM {table.name} WHERE {_equal(key, is_postgresql, ' AND ')}"  # noqa: S608


@cache
def _find_sql(table: Table, columns: tuple[str, ...], key: tuple[str, ...], is_postgresql: bool) -> str:
    """CROSS JOIN pins SQLite's order of loops: the keys outside, the table's index inside."""
    wanted = _list(columns, "t.")
    if is_postgresql:
        arrays = ", ".join(f"%s::{table.c[name].type.compile(_POSTGRESQL)}[]" for name in key)
        names = ", ".join(f"k{position}" for position in range(len(key)))
        same = " AND ".join(f"t.{_quoted(name)} = k.k{position}" for position, name in enumerate(key))
        return f"SELECT {wanted} FROM unnest({arrays}) AS k({names}) JOIN {table.name} t ON {same}"  # noqa: S608
    same = " AND ".join(f"t.{_quoted(name)} = j.value->>{position}" for position, name in enumerate(key))
    return f"SELECT {wanted} FROM json_each(?) j CROSS JOIN {table.name} t WHERE {same}"  # noqa: S608
