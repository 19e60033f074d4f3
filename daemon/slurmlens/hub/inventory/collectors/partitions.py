"""The controller's partitions as facts: state, time limit, which is the default, and that the cluster has them. Pure.

Which nodes a partition has is told by the nodes (`nodes`). Fed by `keeper` with the scheduler's answer; what it tells
becomes rows in `recording`.
"""

from __future__ import annotations

from slurmlens.hub.inventory.entities import CONTAINS, Entity, EntityKind, Telling, ToldFact, ToldRelation, told_facts
from slurmlens.slurm.records import Decoded, PartitionRecord

SOURCE = "slurm partitions"


def tell_partitions(answer: Decoded[PartitionRecord], cluster: str, at_ns: int) -> Telling:
    """Everything that the controller said of its partitions."""
    whole = Entity.of(EntityKind.CLUSTER, cluster)
    facts: list[ToldFact] = list(told_facts(whole, {}))
    relations: list[ToldRelation] = []
    for record in answer.records:
        partition = Entity.of(EntityKind.PARTITION, record.name)
        attributes = {
            "state": record.state,
            "is_default": record.is_default or None,
            "time_limit_s": record.time_limit_s,
        }
        facts += told_facts(partition, attributes)
        relations.append(ToldRelation(entity=whole, relation=CONTAINS, other=partition))
    return Telling(
        source=SOURCE,
        at_ns=at_ns,
        facts=tuple(facts),
        relations=tuple(relations),
        is_whole=bool(answer.records) and not answer.refused,
    )
