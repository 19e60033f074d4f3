"""An entity as it was: at a moment, and over a window before it.

Owns the types between `read.queries`, which makes them, and the pure questions and views. Does no input or output.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from slurmlens.hub.inventory.entities import Entity, HeldFact, HeldRelation
from slurmlens.hub.inventory.runs import PlacedRun


class EntityState(msgspec.Struct, frozen=True, kw_only=True):
    """An entity as it was at a moment: its facts and relations of then; none of both where it was not there."""

    entity: Entity
    at_ns: int
    facts: tuple[HeldFact, ...] = ()
    relations: tuple[HeldRelation, ...] = ()


class EntityHistory(msgspec.Struct, frozen=True, kw_only=True):
    """An entity at a moment, all versions of its facts in a window before, and the runs that it had then."""

    state: EntityState
    facts: tuple[HeldFact, ...]
    runs: tuple[PlacedRun, ...]


def latest_facts(facts: Iterable[HeldFact]) -> dict[str, HeldFact]:
    """By attribute: of what several sources tell, what holds since last."""
    found: dict[str, HeldFact] = {}
    for fact in facts:
        held = found.get(fact.attribute)
        if held is None or (fact.valid_from_ns, fact.source) >= (held.valid_from_ns, held.source):
            found[fact.attribute] = fact
    return found
