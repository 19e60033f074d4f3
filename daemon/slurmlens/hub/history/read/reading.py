"""What all readers of history share: rows as plain mappings, and nodes as the hub heard of them.

Used by `queries`, `job_reader` and `job_list`; knows the tables, decides nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, Table, and_

from slurmlens.clock import NS_PER_S
from slurmlens.events import DroppedLines
from slurmlens.hub.history.facts import NodeHeard, Outcome
from slurmlens.hub.history.record.node_beats import NodeBeat, NodeBeats, NodeName

Row = Mapping[str, Any]

_outcome_decoder = msgspec.json.Decoder(Outcome)


def fetch(connection: Connection, query: Select[Any]) -> list[Row]:
    """All rows of a query, by their columns' names."""
    result = connection.execute(query)
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]  # half the time of its mappings()


def of_job(table: Table, cluster: str, job_id: int) -> Any:
    """The condition that a row is about this job id."""
    return and_(table.c.cluster == cluster, table.c.job_id == job_id)


def nanoseconds(seconds: int | None) -> int | None:
    """The scheduler's seconds in the unit of everything else."""
    return None if seconds is None else seconds * NS_PER_S


def outcome_of_row(row: Row) -> Outcome:
    """The outcome kept in a row of `runs`."""
    return _outcome_decoder.decode(row["outcome"])


def node_heard(place: NodeName, beat: NodeBeat, dropped: tuple[DroppedLines, ...] = ()) -> NodeHeard:
    """A node daemon, from what was heard of it last."""
    return NodeHeard(
        cluster=place.cluster,
        node=place.node,
        last_heard_ns=beat.heard_ns,
        version=beat.version,
        boot_id=beat.boot_id,
        interval_s=beat.interval_s,
        skew_s=beat.skew_s,
        contested_ns=beat.contested_ns,
        other_boot_id=beat.former.boot_id if beat.former and beat.contested_ns is not None else None,
        running=tuple(job_id for job_id, _ in beat.running),
        dropped=dropped,
    )


def heard_nodes(beats: NodeBeats, cluster: str, nodes: Collection[str]) -> dict[str, NodeHeard]:
    """These node daemons by name, as far as they were ever heard of."""
    known = ((NodeName(cluster, node), beats.known.get(NodeName(cluster, node))) for node in nodes)
    return {place.node: node_heard(place, beat) for place, beat in known if beat is not None}
