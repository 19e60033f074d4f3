"""Reads facts and relations of the inventory as they were at a moment, or over a window.

Owns the SELECTs over `tables`. Each goes by an index: of one entity by the key, of a kind by attribute and end, of a
frontier of entities by the key forwards and by its own index backwards. Used by `queries`, inside one transaction of
its; every row is of an entity that the viewer may see.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, Table, and_, select

from slurmlens.hub.access.predicates import visible_entities
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.inventory import tables as schema
from slurmlens.hub.inventory.entities import Entity, FactValue, HeldFact, HeldRelation

_value_decoder = msgspec.json.Decoder(FactValue)
_FACT = ("kind", "name", "attribute", "value", "source", "valid_from_ns", "valid_to_ns", "last_told_ns")
_RELATION = ("kind", "name", "relation", "other_kind", "other_name", "source", "valid_from_ns", "valid_to_ns")


def facts_of(
    viewer: Viewer, connection: Connection, cluster: str, entity: Entity, from_ns: int, to_ns: int
) -> list[HeldFact]:
    """Every version of every fact of an entity that held some time in [from, to]; oldest first."""
    table = schema.facts
    query = (
        select(*(table.c[column] for column in _FACT))
        .where(table.c.cluster == cluster, table.c.kind == entity.kind, table.c.name == entity.name)
        .where(_overlaps(table, from_ns, to_ns), visible_entities(viewer, table.c.kind, table.c.name))
    )
    return sorted(_facts(connection, query), key=lambda fact: (fact.valid_from_ns, fact.attribute))


def facts_of_kind(
    viewer: Viewer, connection: Connection, cluster: str, kind: str, attributes: Collection[str], span: tuple[int, int]
) -> list[HeldFact]:
    """These attributes of all entities of a kind, every version that held some time in the span (both ends in it)."""
    table = schema.facts
    query = (
        select(*(table.c[column] for column in _FACT))
        .where(table.c.cluster == cluster, table.c.kind == kind, table.c.attribute.in_(sorted(attributes)))
        .where(_overlaps(table, *span), visible_entities(viewer, table.c.kind, table.c.name))
    )
    return list(_facts(connection, query))


def facts_of_named(
    viewer: Viewer,
    connection: Connection,
    cluster: str,
    kind: str,
    names: Collection[str],
    attributes: Collection[str],
    span: tuple[int, int],
) -> list[HeldFact]:
    """These attributes of entities that are named, every version that held some time in the span (both ends in it)."""
    table, found = schema.facts, list[HeldFact]()
    for piece in pieces_of(names):
        query = (
            select(*(table.c[column] for column in _FACT))
            .where(table.c.cluster == cluster, table.c.kind == kind, table.c.name.in_(piece))
            .where(table.c.attribute.in_(sorted(attributes)), _overlaps(table, *span))
            .where(visible_entities(viewer, table.c.kind, table.c.name))
        )
        found.extend(_facts(connection, query))
    return found


def relations_of(
    viewer: Viewer, connection: Connection, cluster: str, entities: Iterable[Entity], at_ns: int
) -> list[HeldRelation]:
    """The relations in which one of these entities stood at a moment, whichever end it was."""
    by_kind: dict[str, list[str]] = {}
    for entity in entities:
        by_kind.setdefault(entity.kind, []).append(entity.name)
    found: dict[HeldRelation, None] = {}
    for kind, names in by_kind.items():
        for piece in pieces_of(names):
            for ends in (("kind", "name"), ("other_kind", "other_name")):
                query = _relations_query(viewer, cluster, (at_ns, at_ns)).where(
                    schema.relations.c[ends[0]] == kind, schema.relations.c[ends[1]].in_(piece)
                )
                found.update(dict.fromkeys(_relations(connection, query)))
    return list(found)


def relations_of_kind(
    viewer: Viewer, connection: Connection, cluster: str, kind: str, span: tuple[int, int]
) -> list[HeldRelation]:
    """All relations that begin at an entity of a kind and held some time in the span (both ends in it)."""
    query = _relations_query(viewer, cluster, span).where(schema.relations.c.kind == kind)
    return list(_relations(connection, query))


def _relations_query(viewer: Viewer, cluster: str, span: tuple[int, int]) -> Select[Any]:
    table = schema.relations
    return select(*(table.c[column] for column in _RELATION)).where(
        table.c.cluster == cluster,
        _overlaps(table, *span),
        visible_entities(viewer, table.c.kind, table.c.name),
        visible_entities(viewer, table.c.other_kind, table.c.other_name),
    )


def _overlaps(table: Table, from_ns: int, to_ns: int) -> ColumnElement[bool]:
    return and_(table.c.valid_from_ns <= to_ns, table.c.valid_to_ns > from_ns)


def _facts(connection: Connection, query: Select[Any]) -> Iterator[HeldFact]:
    """A page of ten thousand nodes reads forty thousand: what many of them have in common is made once."""
    entities: dict[tuple[str, str], Entity] = {}
    for kind, name, attribute, value, source, from_ns, to_ns, told_ns in connection.execute(query):
        yield HeldFact(
            entity=entities.get((kind, name)) or entities.setdefault((kind, name), Entity(kind, name)),
            attribute=attribute,
            value=_value(value),
            source=source,
            valid_from_ns=from_ns,
            valid_to_ns=to_ns,
            last_told_ns=told_ns,
        )


@lru_cache(maxsize=4_096)
def _value(told: str) -> FactValue:
    value: FactValue = _value_decoder.decode(told)
    return value


def _relations(connection: Connection, query: Select[Any]) -> Iterator[HeldRelation]:
    for kind, name, relation, other_kind, other_name, source, from_ns, to_ns in connection.execute(query):
        yield HeldRelation(
            entity=Entity(kind, name),
            relation=relation,
            other=Entity(other_kind, other_name),
            source=source,
            valid_from_ns=from_ns,
            valid_to_ns=to_ns,
        )
