"""What all statements of history share: lists of values in pieces, the mark of a stale job, and one node's rows.

Owns the way in which a node's rows are found and put, so that no statement of a node's batch can touch another's. Used
by all that read and write history's tables; decides nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Table, and_
from sqlalchemy.ext.asyncio import AsyncConnection

from slurmlens.hub.database import tables as schema

CHUNK = 400
"""Values in one IN list: databases limit the parameters of a statement."""

_Item = TypeVar("_Item")


def chunks(values: Collection[_Item]) -> Iterator[list[_Item]]:
    """Values in lists short enough for one statement."""
    ordered = list(values)
    for begin in range(0, len(ordered), CHUNK):
        yield ordered[begin : begin + CHUNK]


async def mark_stale(connection: AsyncConnection, upsert: Any, cluster: str, job_id: int) -> None:
    """Notes that a job's runs are to be made anew."""
    values = {"cluster": cluster, "job_id": job_id}
    await connection.execute(upsert(schema.stale_jobs).values(values).on_conflict_do_nothing())


@dataclass(frozen=True, slots=True)
class NodeRows:
    """One node's rows inside a transaction that stores what came from it at `received_ns`.

    `upsert` is the dialect's INSERT, as `Store.upsert` gives it.
    """

    connection: AsyncConnection
    upsert: Any
    cluster: str
    node: str
    received_ns: int

    def of(self, table: Table) -> ColumnElement[bool]:
        """The condition that a row is this node's."""
        return and_(table.c.cluster == self.cluster, table.c.node == self.node)

    async def put(self, table: Table, row: Mapping[str, object], key: tuple[str, ...]) -> None:
        """Inserts a row of this node, or changes the one that has the same `key`."""
        values = {"cluster": self.cluster, "node": self.node, **row}
        changes = {name: value for name, value in row.items() if name not in key}
        statement = self.upsert(table).values(values)
        await self.connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changes))

    async def mark_stale(self, job_id: int) -> None:
        """Notes that a job's runs are to be made anew."""
        await mark_stale(self.connection, self.upsert, self.cluster, job_id)
