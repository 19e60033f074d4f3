"""Keeps what nodes tell of their software, in history's transaction: sets once, and which node had which set when.

Invariants: a set is stored once by its digest, so ten thousand equal nodes cost one; a telling that is older than the
node's last one changes nothing; a source that could not be read, or has more packages than a node tells, ends nothing:
what was told before stays, and why nothing newer is known is a fact of the node. Runs in the writer's thread; fed by
`history.record.storing`.
"""

from __future__ import annotations

from collections.abc import Sequence

from slurmlens.events import NodeSoftware
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.history.record.storing import Keeper
from slurmlens.hub.inventory import tables as schema
from slurmlens.hub.inventory.entities import Entity, EntityKind, Telling, ToldFact
from slurmlens.hub.inventory.recording import record_telling
from slurmlens.hub.inventory.software import PackedSet, packed_set, problem_attribute, set_attribute


def keep(transaction: Transaction, told: Sequence[NodeSoftware]) -> set[str]:
    """Keeps these events; the ids of those that were newer than what was known."""
    newer: set[str] = set()
    sets: dict[str, tuple[PackedSet, int]] = {}
    for event in sorted(told, key=lambda one: one.time_ns):
        packed = None if _problem(event) else packed_set(event.packages)
        if not record_telling(transaction, event.cluster, _telling(event, packed)).is_late:
            newer.add(event.id)
            if packed is not None:
                sets[packed.digest] = packed, event.time_ns
    _keep_sets(transaction, sets)
    return newer


def _telling(event: NodeSoftware, packed: PackedSet | None) -> Telling:
    node = Entity.of(EntityKind.NODE, event.node)
    if packed is None:
        said = ToldFact(entity=node, attribute=problem_attribute(event.source), value=_problem(event))
    else:
        said = ToldFact(entity=node, attribute=set_attribute(event.source), value=packed.digest)
    return Telling(
        source=f"node {event.source}",
        at_ns=event.time_ns,
        facts=(said,),
        subject=node,
        is_whole=packed is not None,
    )


def _problem(event: NodeSoftware) -> str:
    if not event.problem and event.count > len(event.packages):
        return f"{event.count} packages are there, {len(event.packages)} were told"
    return event.problem


def _keep_sets(transaction: Transaction, sets: dict[str, tuple[PackedSet, int]]) -> None:
    keys = [(digest,) for digest in sorted(sets)]
    known = {row[0] for row in transaction.find(schema.software_sets, ("digest",), ("digest",), keys)}
    columns = ("digest", "count", "packages", "last_told_ns")
    rows = [(*sets[digest][0], sets[digest][1]) for (digest,) in keys if digest not in known]
    transaction.insert_new(schema.software_sets, columns, rows)
    told = [{"digest": digest, "last_told_ns": sets[digest][1]} for (digest,) in keys if digest in known]
    transaction.change(schema.software_sets, ("digest",), told)


KEEPER = Keeper((NodeSoftware,), keep)
