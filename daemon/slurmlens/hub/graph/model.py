"""What stands in the graph: things of the cluster, jobs, and how they hang together. Pure.

Owns labels, types of relations and keys; the names of 2015 (Partition-MEMBER->Node-PART_OF->Job with `jobid`, `name`,
`state`) are among them. Made by `reading`, written by `neo4j_store`. Labels and types are from the tables here alone:
what anybody named is only ever a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from slurmlens.hub.inventory.entities import CHARGES, CONTAINS, COORDINATES, MEMBER_OF, OF_USER, RAN, EntityKind

LABELS: Mapping[str, str] = {
    EntityKind.CLUSTER.value: "Cluster",
    EntityKind.PARTITION.value: "Partition",
    EntityKind.NODE.value: "Node",
    EntityKind.USER.value: "User",
    EntityKind.GROUP.value: "Group",
    EntityKind.ACCOUNT.value: "Account",
    EntityKind.QOS.value: "Qos",
    EntityKind.SWITCH.value: "Switch",
    EntityKind.PORT.value: "Port",
    EntityKind.SOFTWARE.value: "Software",
    EntityKind.SERVICE.value: "Service",
    EntityKind.CAMPAIGN.value: "Campaign",
}
"""By the kind of an entity; a thing of another kind has the label Thing alone."""

RELATIONS: Mapping[tuple[str, str], str] = {
    (EntityKind.PARTITION.value, CONTAINS): "MEMBER",
    (EntityKind.SWITCH.value, CONTAINS): "CONNECTS",
    (EntityKind.USER.value, MEMBER_OF): "MEMBER_OF",
    (EntityKind.USER.value, CHARGES): "CHARGES",
    (EntityKind.USER.value, COORDINATES): "COORDINATES",
    (EntityKind.CAMPAIGN.value, RAN): "RAN",
    (EntityKind.CAMPAIGN.value, OF_USER): "OF_USER",
}
RELATED = "RELATED"
"""The type of any other relation."""

JOB_RELATIONS: Mapping[str, tuple[str, bool]] = {
    EntityKind.NODE.value: ("PART_OF", False),
    EntityKind.PARTITION.value: ("IN", True),
    EntityKind.USER.value: ("SUBMITTED", False),
    EntityKind.ACCOUNT.value: ("CHARGED_TO", True),
}
"""By the kind of the thing: the type, and whether it goes from the job to the thing."""

Properties = dict[str, Any]


def key_of(cluster: str, kind: str, name: str) -> str:
    """What distinguishes a thing, or a job (kind "job"), from all others; a kind has no slash, a name may have."""
    return f"{cluster}/{kind}/{name}"


@dataclass
class GraphThing:
    """An entity: its properties, None where it is not there any more, and what it is related to."""

    kind: str
    name: str
    properties: Properties | None = None
    relations: set[tuple[str, str, str]] = field(default_factory=set)
    """Relation, kind and name of the other."""


@dataclass
class GraphJob:
    """A job as its latest run is: its properties, None where it is not in the graph, and the things it belongs to."""

    job_id: str
    properties: Properties | None = None
    things: set[tuple[str, str]] = field(default_factory=set)
    """Kind and name."""


@dataclass
class GraphBatch:
    """Things and jobs as they are now."""

    things: list[GraphThing] = field(default_factory=list)
    jobs: list[GraphJob] = field(default_factory=list)


def relation_type(kind: str, relation: str) -> str:
    """The type in the graph of an inventory's relation that begins at a thing of this kind."""
    return RELATIONS.get((kind, relation), RELATED)


def grouped(rows: Iterable[tuple[Any, Properties]]) -> dict[Any, list[Properties]]:
    """Rows by what one statement is for."""
    groups: dict[Any, list[Properties]] = {}
    for group, row in rows:
        groups.setdefault(group, []).append(row)
    return groups
