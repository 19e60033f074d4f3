"""What all readers of history share: rows as plain mappings, and nodes as the hub heard of them.

Used by `queries`, `job_reader` and `job_list`; knows the tables, decides nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import Select, Table, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from slurmlens.clock import NS_PER_S
from slurmlens.events import DroppedLines
from slurmlens.hub.database import tables as schema
from slurmlens.hub.database.statements import chunks
from slurmlens.hub.history.facts import NodeHeard, Outcome

Row = Mapping[str, Any]

_outcome_decoder = msgspec.json.Decoder(Outcome)
_running_decoder = msgspec.json.Decoder(tuple[tuple[int, str], ...])


async def fetch(connection: AsyncConnection, query: Select[Any]) -> list[Row]:
    """All rows of a query."""
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def of_job(table: Table, cluster: str, job_id: int) -> Any:
    """The condition that a row is about this job id."""
    return and_(table.c.cluster == cluster, table.c.job_id == job_id)


def nanoseconds(seconds: int | None) -> int | None:
    """The scheduler's seconds in the unit of everything else."""
    return None if seconds is None else seconds * NS_PER_S


def outcome_of_row(row: Row) -> Outcome:
    """The outcome kept in a row of `runs`."""
    return _outcome_decoder.decode(row["outcome"])


def node_heard(row: Row, dropped: tuple[DroppedLines, ...] = ()) -> NodeHeard:
    """A node daemon, from a row of `nodes`."""
    running = _running_decoder.decode(row["running"]) if row["running"] else ()
    return NodeHeard(
        cluster=row["cluster"],
        node=row["node"],
        last_heard_ns=row["heard_ns"],
        version=row["version"],
        boot_id=row["boot_id"],
        interval_s=row["interval_s"],
        skew_s=row["skew_s"],
        running=tuple(job_id for job_id, _ in running),
        dropped=dropped,
    )


async def heard_nodes(connection: AsyncConnection, cluster: str, nodes: Collection[str]) -> dict[str, NodeHeard]:
    """These node daemons by name, as far as they were ever heard of."""
    table = schema.nodes
    heard: dict[str, NodeHeard] = {}
    for chunk in chunks(nodes):
        query = select(table).where(table.c.cluster == cluster, table.c.node.in_(chunk))
        heard.update({row["node"]: node_heard(row) for row in await fetch(connection, query)})
    return heard


async def nodes_of_runs(
    connection: AsyncConnection, cluster: str, job_ids: Collection[int]
) -> dict[tuple[int, int], tuple[str, ...]]:
    """The nodes of these jobs' runs, by (job id, run number)."""
    table = schema.run_nodes
    found: dict[tuple[int, int], list[str]] = {}
    for chunk in chunks(job_ids):
        query = select(table).where(table.c.cluster == cluster, table.c.job_id.in_(chunk)).order_by(table.c.node)
        for row in await fetch(connection, query):
            found.setdefault((row["job_id"], row["number"]), []).append(row["node"])
    return {key: tuple(nodes) for key, nodes in found.items()}
