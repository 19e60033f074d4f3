"""Reads what nodes were and what ran on them in a span, for `node_time`.

Owns these SELECTs. Runs that overlap a span are found by their span class: of each class those alone that began less
than its longest length before, so that what is read grows with what is found and not with history. Used by `read` and
`node_keeping` inside one transaction of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select

from slurmlens.clock import NS_PER_S
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.history import tables as history
from slurmlens.hub.inventory.collectors.nodes import STATE
from slurmlens.hub.inventory.entities import FOREVER, EntityKind, HeldFact
from slurmlens.hub.inventory.read import facts_at
from slurmlens.hub.usage import tables as schema
from slurmlens.hub.usage.charges import FOREVER_S, HOUR_S, LONGEST_SPAN, OPEN_SPAN
from slurmlens.hub.usage.node_time import Amounts, NodeHold, NodeSpan, NodeSums, NodeValue, UnitState, node_time, shares

_FIELDS = {STATE: "states", "cpu_count": "cores", "memory_bytes": "memory_bytes", "gres": "gres"}


def overlapping(cluster: str, span_class: int, from_s: int, to_s: int) -> ColumnElement[bool]:
    """The condition that a run of this class has a second, or its end, in [from_s, to_s)."""
    runs = schema.usage_runs
    longest_s = from_s if span_class == OPEN_SPAN else HOUR_S << span_class
    return and_(
        runs.c.cluster == cluster,
        runs.c.span_class == span_class,
        runs.c.start_s >= from_s - longest_s,
        runs.c.start_s < to_s,
        runs.c.end_s >= from_s,
    )


CLOSED_CLASSES = tuple(range(LONGEST_SPAN + 1))
ALL_CLASSES = (*CLOSED_CLASSES, OPEN_SPAN)


def node_times(connection: Connection, cluster: str, from_s: int, to_s: int) -> dict[tuple[str, UnitState], NodeSums]:
    """What the nodes did within [from_s, to_s). Of machines alone, which everybody may see: it takes no viewer."""
    return node_time(_node_spans(connection, cluster, from_s, to_s), from_s, to_s)


def _node_spans(connection: Connection, cluster: str, from_s: int, to_s: int) -> list[NodeSpan]:
    span_ns = from_s * NS_PER_S, to_s * NS_PER_S
    told: dict[str, dict[str, list[NodeValue]]] = {}
    node = EntityKind.NODE.value
    for fact in facts_at.facts_of_kind(EVERYBODY, connection, cluster, node, tuple(_FIELDS), span_ns):
        own = told.setdefault(fact.entity.name, {})
        own.setdefault(_FIELDS[fact.attribute], []).append(_told(fact))
    if not told:
        return []
    partitions: dict[str, dict[str, list[tuple[int, int]]]] = {}
    partition = EntityKind.PARTITION.value
    for one in facts_at.relations_of_kind(EVERYBODY, connection, cluster, partition, span_ns):
        if one.other.kind == node:
            spans = partitions.setdefault(one.other.name, {}).setdefault(one.entity.name, [])
            spans.append((_second(one.valid_from_ns), _second(one.valid_to_ns)))
    held = _held(connection, cluster, from_s, to_s)
    return [
        NodeSpan(
            **{field: tuple(values) for field, values in fields.items()},
            partitions={name: tuple(spans) for name, spans in partitions.get(name, {}).items()},
            held=tuple(held.get(name, ())),
        )
        for name, fields in told.items()
    ]


def _told(fact: HeldFact) -> NodeValue:
    value = fact.value if isinstance(fact.value, str | int) else str(fact.value)
    return NodeValue(_second(fact.valid_from_ns), _second(fact.valid_to_ns), value)


def _second(time_ns: int) -> int:
    return FOREVER_S if time_ns == FOREVER else time_ns // NS_PER_S


def _held(connection: Connection, cluster: str, from_s: int, to_s: int) -> dict[str, list[NodeHold]]:
    held: dict[str, list[NodeHold]] = {}
    for row in _runs(connection, cluster, from_s, to_s):
        nodes = history.decode_nodes(row["nodes"])
        if not nodes:
            continue
        parts = zip(*(shares(row[name], len(nodes)) for name in ("core_count", "gpu_count", "memory_mib")), strict=True)
        for node, amounts in zip(nodes, parts, strict=True):
            held.setdefault(node, []).append(NodeHold(row["start_s"], row["end_s"], Amounts(1, *amounts)))
    return held


def _runs(connection: Connection, cluster: str, from_s: int, to_s: int) -> Iterator[Any]:
    ledger, runs = schema.usage_runs, history.runs
    names = ("start_s", "end_s", "core_count", "gpu_count", "memory_mib")
    same = and_(runs.c.cluster == ledger.c.cluster, runs.c.job_id == ledger.c.job_id, runs.c.number == ledger.c.run)
    for span_class in ALL_CLASSES:
        query = (
            select(*(ledger.c[name] for name in names), runs.c.nodes)
            .select_from(ledger.join(runs, same))
            .where(overlapping(cluster, span_class, from_s, to_s), ledger.c.end_s > from_s)
        )
        yield from connection.execute(query).mappings()
