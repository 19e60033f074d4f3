"""Which nodes stand below a switch or a partition, and which switches stand above a node: pure.

Walks over `CONTAINS`, with the time in every hop. Fed by `read.queries`; feeds blast radius and common cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from slurmlens.hub.inventory.entities import CONTAINS, Entity, EntityKind, HeldRelation

_NODE, _SWITCH = EntityKind.NODE.value, EntityKind.SWITCH.value


class Above(NamedTuple):
    """A switch above something, and the span in which it was: half open."""

    switch: str
    valid_from_ns: int
    valid_to_ns: int


def nodes_below(root: Entity, relations: Iterable[HeldRelation]) -> tuple[str, ...]:
    """The nodes below an entity by these relations, which are all of one moment; a node is below itself."""
    below: dict[Entity, list[Entity]] = {}
    for one in relations:
        if one.relation == CONTAINS:
            below.setdefault(one.entity, []).append(one.other)
    seen, left = {root}, [root]
    while left:
        fresh = [one for one in below.get(left.pop(), ()) if one not in seen]
        seen.update(fresh)
        left += fresh
    return tuple(sorted(one.name for one in seen if one.kind == _NODE))


def switches_above(relations: Iterable[HeldRelation]) -> Mapping[str, tuple[Above, ...]]:
    """By node: every switch that was above it some time, at any height, and when."""
    parents: dict[Entity, list[HeldRelation]] = {}
    nodes: dict[str, Entity] = {}
    for one in relations:
        if one.relation == CONTAINS and one.entity.kind == _SWITCH:
            parents.setdefault(one.other, []).append(one)
            if one.other.kind == _NODE:
                nodes[one.other.name] = one.other
    always = Above("", -(2**63), 2**63 - 1)
    return {name: tuple(_climb(node, always, parents, {node})) for name, node in nodes.items()}


def _climb(
    entity: Entity, span: Above, parents: Mapping[Entity, list[HeldRelation]], seen: set[Entity]
) -> Iterable[Above]:
    for one in parents.get(entity, ()):
        begin, end = max(span.valid_from_ns, one.valid_from_ns), min(span.valid_to_ns, one.valid_to_ns)
        if begin < end and one.entity not in seen:
            own = Above(one.entity.name, begin, end)
            yield own
            yield from _climb(one.entity, own, parents, seen | {one.entity})
