"""What stands around an entity, to a depth: pure.

A walk over relations, level by level, that never takes the same entity twice, so a loop ends it like anything else.
It is bounded: of a neighbourhood that is larger the nearest are told, and that there are more. Fed by `read.queries`
with a function that knows the relations of a moment; feeds views.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import msgspec

from slurmlens.hub.inventory.entities import Entity, HeldRelation

MOST_DEPTH = 6
MOST_ENTITIES = 500


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """An entity, and how many relations away it is."""

    entity: Entity
    distance: int


class Neighbourhood(msgspec.Struct, frozen=True, kw_only=True):
    """Entities by distance, the root first, and the relations between them; `has_more` where the bound cut it."""

    root: Entity
    at_ns: int
    depth: int
    entities: tuple[Neighbour, ...]
    relations: tuple[HeldRelation, ...]
    has_more: bool = False


def explore(
    root: Entity,
    depth: int,
    at_ns: int,
    relations_of: Callable[[Collection[Entity]], Iterable[HeldRelation]],
    most: int = MOST_ENTITIES,
) -> Neighbourhood:
    """The neighbourhood of `root`; `relations_of` answers in which relations the entities of a level stand."""
    distances = {root: 0}
    relations: dict[HeldRelation, None] = {}
    level, has_more = [root], False
    for distance in range(1, depth + 1):
        found = sorted(relations_of(level), key=lambda one: (one.relation, one.entity, one.other))
        fresh: list[Entity] = []
        for relation in found:
            for entity in (relation.entity, relation.other):
                if entity in distances:
                    continue
                if len(distances) >= most:
                    has_more = True
                    continue
                distances[entity] = distance
                fresh.append(entity)
            if relation.entity in distances and relation.other in distances:
                relations[relation] = None
        level = fresh
        if not level:
            break
    return Neighbourhood(
        root=root,
        at_ns=at_ns,
        depth=depth,
        entities=tuple(Neighbour(entity=entity, distance=distance) for entity, distance in distances.items()),
        relations=tuple(relations),
        has_more=has_more,
    )
