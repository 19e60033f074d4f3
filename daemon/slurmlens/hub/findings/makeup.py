"""A node of the controller's answer as detectors want it, and which nodes reservations keep apart. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from slurmlens.hub.findings.observed import NodeMakeup
from slurmlens.hub.findings.ranking import SetApart
from slurmlens.hub.inventory.collectors.nodes import state_words
from slurmlens.slurm.records import NodeRecord


def makeup_of(record: NodeRecord) -> NodeMakeup:
    """The node; what only it can have (its address) is not compared, nor its features, which say what it is for."""
    told: dict[str, str | int | None] = {
        "memory_bytes": record.memory_bytes,
        "architecture": record.architecture,
        "operating_system": record.operating_system,
        "slurm_version": record.slurm_version,
        "gres": record.gres,
    }
    return NodeMakeup(
        node=record.name,
        state=state_words(record),
        reason=record.reason,
        group=f"{','.join(sorted(record.partitions))} with {record.cpu_count} cores",
        attributes={name: value for name, value in told.items() if value is not None},
    )


_MAINTENANCE = frozenset({"MAINT", "MAINTENANCE"})


def set_apart(nodes: Iterable[NodeMakeup]) -> SetApart:
    """Nodes under a reservation by their states' flags; Slurm gives those of one with the flag MAINT their own."""
    words = {node.node: set((node.state or "").split("+")) for node in nodes}
    maintained = frozenset(name for name, flags in words.items() if flags & _MAINTENANCE)
    return SetApart(maintained | {name for name, flags in words.items() if "RESERVED" in flags}, maintained)
