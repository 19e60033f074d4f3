"""An inventory in a real database: tellings in, rows out."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from slurmlens.hub.database.store import Store
from slurmlens.hub.inventory import tables as schema
from slurmlens.hub.inventory.entities import FOREVER, Entity, FactValue, HeldFact, Telling, ToldFact, ToldRelation


def entity(text: str) -> Entity:
    """`node n1` as an entity."""
    kind, _, name = text.partition(" ")
    return Entity(kind, name)


def fact(of: str, attribute: str, value: FactValue, since_ns: int | None = None) -> ToldFact:
    """A fact as a source tells it."""
    return ToldFact(entity=entity(of), attribute=attribute, value=value, since_ns=since_ns)


def held(
    of: str, attribute: str, value: FactValue, from_ns: int, to_ns: int = FOREVER, source: str = "test"
) -> HeldFact:
    """A fact as the inventory holds it."""
    return HeldFact(
        entity=entity(of), attribute=attribute, value=value, source=source, valid_from_ns=from_ns, valid_to_ns=to_ns
    )


def relation(of: str, name: str, other: str) -> ToldRelation:
    """A relation as a source tells it."""
    return ToldRelation(entity=entity(of), relation=name, other=entity(other))


def telling(at_ns: int, *told: ToldFact | ToldRelation, source: str = "test", **more: Any) -> Telling:
    """What a source said at a moment."""
    return Telling(
        source=source,
        at_ns=at_ns,
        facts=tuple(one for one in told if isinstance(one, ToldFact)),
        relations=tuple(one for one in told if isinstance(one, ToldRelation)),
        **more,
    )


async def fact_rows(store: Store) -> list[tuple[str, str, str, int, int]]:
    """Every version of every fact: name, attribute, value, from, to."""
    table = schema.facts
    columns = (table.c.name, table.c.attribute, table.c.value, table.c.valid_from_ns, table.c.valid_to_ns)

    def question(connection: Connection) -> list[tuple[str, str, str, int, int]]:
        return sorted(tuple(row) for row in connection.execute(select(*columns)))

    return await store.read(question)


async def relation_rows(store: Store) -> list[tuple[str, str, str, int, int]]:
    """Every span of every relation: name, relation, other, from, to."""
    table = schema.relations
    columns = (table.c.name, table.c.relation, table.c.other_name, table.c.valid_from_ns, table.c.valid_to_ns)

    def question(connection: Connection) -> list[tuple[str, str, str, int, int]]:
        return sorted(tuple(row) for row in connection.execute(select(*columns)))

    return await store.read(question)
