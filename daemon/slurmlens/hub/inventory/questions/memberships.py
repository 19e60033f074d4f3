"""What a run's partition, user and nodes hung together with when it began, and what of that is otherwise now. Pure.

Owns the type of the answer. Fed by `read.queries` with the relations of both moments; feeds the job's view.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from slurmlens.hub.inventory.entities import CONTAINS, MEMBER_OF, Entity, EntityKind, HeldRelation


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """Of one thing of a run: the names of `kind` that it was related to then, and those that came and went since."""

    entity: Entity
    relation: str
    kind: str
    then: tuple[str, ...]
    came: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def memberships(
    partition: str | None,
    user: str | None,
    nodes: Iterable[str],
    then: Iterable[HeldRelation],
    now: Iterable[HeldRelation],
) -> tuple[Membership, ...]:
    """The nodes of the run's partition, the groups of its user, the switches right above its nodes.

    Nothing of a thing that was related to nothing at that moment: the hub was not told of it then.
    """
    before, after = list(then), list(now)
    found: list[Membership | None] = []
    if partition is not None:
        own = Entity.of(EntityKind.PARTITION, partition)
        found.append(_membership(own, CONTAINS, EntityKind.NODE, _from([own], before), _from([own], after)))
    if user is not None:
        own = Entity.of(EntityKind.USER, user)
        found.append(_membership(own, MEMBER_OF, EntityKind.GROUP, _from([own], before), _from([own], after)))
    below = frozenset(Entity.of(EntityKind.NODE, node) for node in nodes)
    above = (_above(below, before), _above(below, after))
    found.append(_membership(Entity.of(EntityKind.NODE, ""), "below", EntityKind.SWITCH, *above))
    return tuple(one for one in found if one is not None)


def _membership(
    entity: Entity, relation: str, kind: EntityKind, then: set[tuple[str, Entity]], now: set[tuple[str, Entity]]
) -> Membership | None:
    before, after = _names(relation, kind, then), _names(relation, kind, now)
    if not before:
        return None
    return Membership(
        entity=entity,
        relation=relation,
        kind=kind.value,
        then=tuple(sorted(before)),
        came=tuple(sorted(after - before)),
        left=tuple(sorted(before - after)),
    )


def _names(relation: str, kind: EntityKind, found: set[tuple[str, Entity]]) -> set[str]:
    return {other.name for word, other in found if word == relation and other.kind == kind.value}


def _from(entities: Iterable[Entity], relations: Iterable[HeldRelation]) -> set[tuple[str, Entity]]:
    begun = frozenset(entities)
    return {(one.relation, one.other) for one in relations if one.entity in begun}


def _above(nodes: frozenset[Entity], relations: Iterable[HeldRelation]) -> set[tuple[str, Entity]]:
    return {("below", one.entity) for one in relations if one.relation == CONTAINS and one.other in nodes}
