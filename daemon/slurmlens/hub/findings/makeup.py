"""A node of the controller's answer as detectors want it. Pure."""

from __future__ import annotations

from slurmlens.hub.findings.observed import NodeMakeup
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
