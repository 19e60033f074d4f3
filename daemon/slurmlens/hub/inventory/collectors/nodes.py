"""The controller's nodes as facts: what each is, in which state and why, and to which partitions it belongs. Pure.

Fed by `keeper` with the scheduler's answer; what it tells becomes rows in `recording`. An answer of which a part could
not be read is not whole, and ends nothing. The state is told in Slurm's words, base state first (`IDLE+DRAIN`); what
changes by itself from second to second (load, free memory, what is allocated) is no fact.
"""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.clock import NS_PER_S
from slurmlens.hub.inventory.entities import (
    CONTAINS,
    Entity,
    EntityKind,
    FactValue,
    Telling,
    ToldFact,
    ToldRelation,
    told_facts,
)
from slurmlens.slurm.records import Decoded, NodeRecord

SOURCE = "slurm nodes"
STATE, REASON, REASON_BY = "state", "reason", "reason_by"
_PASSING_FLAGS = frozenset({"COMPLETING", "CLOUD", "DYNAMIC_NORM", "DYNAMIC_FUTURE", "INVALID_REG"})
"""Words beside the state that come and go with every job, or say how the node is configured."""


def tell_nodes(answer: Decoded[NodeRecord], at_ns: int) -> Telling:
    """Everything that the controller said of its nodes."""
    return Telling(
        source=SOURCE,
        at_ns=at_ns,
        facts=tuple(fact for record in answer.records for fact in _facts(record)),
        relations=tuple(relation for record in answer.records for relation in _relations(record)),
        is_whole=bool(answer.records) and not answer.refused and "node.partitions" not in answer.unknown,
    )


def state_words(record: NodeRecord) -> str | None:
    """The node's state in one word of Slurm's, or several with + between: the base state, then flags by name."""
    if record.state is None:
        return None
    flags = sorted({flag.upper() for flag in record.state_flags} - _PASSING_FLAGS)
    return "+".join((record.state.upper(), *flags))


def _facts(record: NodeRecord) -> Iterator[ToldFact]:
    node = Entity.of(EntityKind.NODE, record.name)
    attributes: dict[str, FactValue | None] = {
        "address": record.address,
        "host_name": record.host_name,
        "cpu_count": record.cpu_count,
        "memory_bytes": record.memory_bytes,
        "features": record.features,
        "gres": record.gres,
        "architecture": record.architecture,
        "operating_system": record.operating_system,
        "slurm_version": record.slurm_version,
        "boot_s": record.boot_s,
    }
    yield from told_facts(node, attributes)
    since_ns = None if record.reason_since_s is None else record.reason_since_s * NS_PER_S
    state = state_words(record)
    if state is not None:
        has_reason = record.reason is not None and is_out_of_service(state)
        yield ToldFact(entity=node, attribute=STATE, value=state, since_ns=since_ns if has_reason else None)
    for attribute, value in ((REASON, record.reason), (REASON_BY, record.reason_by if record.reason else None)):
        if value is not None:
            yield ToldFact(entity=node, attribute=attribute, value=value, since_ns=since_ns)


def is_out_of_service(state: str) -> bool:
    """Whether no new job starts on a node in this state because somebody, or a fault, took it out."""
    words = set(state.split("+"))
    return bool(words & {"DOWN", "DRAIN", "DRAINING", "DRAINED", "FAIL", "FAILING", "ERROR", "NOT_RESPONDING"})


def _relations(record: NodeRecord) -> Iterator[ToldRelation]:
    node = Entity.of(EntityKind.NODE, record.name)
    for name in record.partitions:
        yield ToldRelation(entity=Entity.of(EntityKind.PARTITION, name), relation=CONTAINS, other=node)
