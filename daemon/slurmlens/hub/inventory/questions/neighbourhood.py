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
    seen: dict[HeldRelation, None] = {}
    level, has_more = [root], False
    for distance in range(1, depth + 1):
        found = sorted(relations_of(level), key=lambda one: (one.relation, one.entity, one.other))
        seen.update(dict.fromkeys(found))
        begun = frozenset(level)
        touching = (one for one in found if one.entity in begun or one.other in begun)
        level = []
        for entity in dict.fromkeys(end for one in touching for end in (one.entity, one.other)):
            if entity in distances:
                continue
            if len(distances) >= most:
                has_more = True
                break
            distances[entity] = distance
            level.append(entity)
        if not level:
            break
    relations = [one for one in seen if one.entity in distances and one.other in distances]
    return Neighbourhood(
        root=root,
        at_ns=at_ns,
        depth=depth,
        entities=tuple(Neighbour(entity=entity, distance=distance) for entity, distance in distances.items()),
        relations=tuple(relations),
        has_more=has_more,
    )
