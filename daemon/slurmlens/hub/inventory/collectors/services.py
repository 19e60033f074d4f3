"""Consul's services as facts: which there are, with which tags, on which nodes, and how each instance fares. Pure.

Fed by `service_watch` with what the agent answered; what it tells becomes rows in `recording`. An instance of a host
that is no node of the cluster is a fact of the service all the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from slurmlens.discovery.answers import ServiceInstance
from slurmlens.hub.inventory.entities import (
    RUNS_ON,
    Entity,
    EntityKind,
    FactValue,
    Telling,
    ToldFact,
    ToldRelation,
    told_facts,
)

SOURCE = "consul"
_GRAVEST = ("critical", "warning", "passing")


def tell_services(instances: Iterable[ServiceInstance], at_ns: int, *, is_whole: bool = True) -> Telling:
    """Everything that Consul knows of services."""
    by_name: dict[str, list[ServiceInstance]] = {}
    for one in instances:
        by_name.setdefault(one.service, []).append(one)
    facts: list[ToldFact] = []
    relations: list[ToldRelation] = []
    for name, own in sorted(by_name.items()):
        service = Entity.of(EntityKind.SERVICE, name)
        attributes: dict[str, FactValue | None] = {
            "state": next((word for word in _GRAVEST if any(one.status == word for one in own)), "passing"),
            "instances": tuple(sorted(f"{one.node}:{one.port} {one.status}" for one in own)),
            "tags": tuple(sorted({tag for one in own for tag in one.tags})),
        }
        facts += told_facts(service, attributes)
        relations += [
            ToldRelation(entity=service, relation=RUNS_ON, other=Entity.of(EntityKind.NODE, one.node)) for one in own
        ]
    return Telling(
        source=SOURCE,
        at_ns=at_ns,
        facts=tuple(facts),
        relations=tuple(dict.fromkeys(relations)),
        is_whole=is_whole,
    )
