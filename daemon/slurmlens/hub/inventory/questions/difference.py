"""In what two entities differ, or one at two moments: pure.

Compares facts, and relations as sets of names by their kind. Fed by `read.queries`; feeds views.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from slurmlens.hub.inventory.entities import EXISTS, FactValue
from slurmlens.hub.inventory.states import EntityState, latest_facts


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """An attribute in which two states differ; None where it is not told. `since_ns` is the later of its beginnings."""

    attribute: str
    left: FactValue | None
    right: FactValue | None
    since_ns: int | None = None


def differences(left: EntityState, right: EntityState) -> tuple[Difference, ...]:
    """What differs, by attribute; facts first."""
    return (*_of_facts(left, right), *_of_relations(left, right))


def _of_facts(left: EntityState, right: EntityState) -> Iterable[Difference]:
    mine, other = latest_facts(left.facts), latest_facts(right.facts)
    for attribute in sorted(mine.keys() | other.keys(), key=lambda one: (one != EXISTS, one)):
        a, b = mine.get(attribute), other.get(attribute)
        if (a and a.value) != (b and b.value):
            begins = [one.valid_from_ns for one in (a, b) if one is not None]
            yield Difference(
                attribute=attribute,
                left=a.value if a else None,
                right=b.value if b else None,
                since_ns=max(begins, default=None),
            )


def _of_relations(left: EntityState, right: EntityState) -> Iterable[Difference]:
    mine, other = _related(left), _related(right)
    for attribute in sorted(mine.keys() | other.keys()):
        a, b = mine.get(attribute, ()), other.get(attribute, ())
        if a != b:
            yield Difference(attribute=attribute, left=a or None, right=b or None)


def _related(state: EntityState) -> dict[str, tuple[str, ...]]:
    """Names of what an entity is related to, by relation and kind: `partition` of a node, `node` of a switch."""
    found: dict[str, set[str]] = {}
    for one in state.relations:
        other = one.beyond(state.entity)
        found.setdefault(f"{one.relation} {other.kind}", set()).add(other.name)
    return {attribute: tuple(sorted(names)) for attribute, names in found.items()}
