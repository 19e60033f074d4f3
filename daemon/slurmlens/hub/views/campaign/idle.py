"""What is idle of each partition now, for whoever plans a campaign: pure. Fed with facts of the inventory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from slurmlens.hub.inventory.collectors.nodes import STATE, is_out_of_service
from slurmlens.hub.inventory.entities import EntityKind, HeldFact, HeldRelation
from slurmlens.hub.inventory.states import latest_facts
from slurmlens.hub.views.entity.words import node_word
from slurmlens.hub.views.natural_order import natural

CORES = "cpu_count"
ATTRIBUTES = (STATE, CORES)
_IDLE = "idle"


class IdlePartition(msgspec.Struct, frozen=True, kw_only=True):
    """A partition's nodes in service, those of them that are wholly idle, and the idle ones' cores."""

    partition: str
    nodes: int
    idle_nodes: int
    idle_cores: int


def idle_partitions(nodes: Iterable[HeldFact], containing: Iterable[HeldRelation]) -> Sequence[IdlePartition]:
    """Every partition with nodes in service, in natural order."""
    by_name: dict[str, list[HeldFact]] = {}
    for fact in nodes:
        by_name.setdefault(fact.entity.name, []).append(fact)
    told = {name: latest_facts(own) for name, own in by_name.items()}
    state = {name: str(own[STATE].value) for name, own in told.items() if STATE in own}
    cores = {name: own[CORES].value for name, own in told.items() if CORES in own}
    members: dict[str, set[str]] = {}
    for one in containing:
        is_node = one.entity.kind == EntityKind.PARTITION.value and one.other.kind == EntityKind.NODE.value
        if is_node and one.other.name in state and not is_out_of_service(state[one.other.name]):
            members.setdefault(one.entity.name, set()).add(one.other.name)
    found = []
    for partition in sorted(members, key=natural):
        idle = [name for name in members[partition] if node_word(state[name]).word == _IDLE]
        held = [cores.get(name) for name in idle]
        found.append(
            IdlePartition(
                partition=partition,
                nodes=len(members[partition]),
                idle_nodes=len(idle),
                idle_cores=sum(one for one in held if isinstance(one, int)),
            )
        )
    return tuple(found)
