"""Reads when nodes were out of service, and when somebody did something about it.

Owns this SELECT and how its rows make outages. Of the inventory's facts only states that take a node out of service are
read; those that follow one another without a gap are one outage. Used by `read`, inside one transaction of its.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, or_, select

from slurmlens.clock import NS_PER_S
from slurmlens.hub.inventory import tables as inventory
from slurmlens.hub.inventory.collectors.nodes import REASON, REASON_BY, STATE, is_out_of_service
from slurmlens.hub.inventory.entities import FOREVER, EntityKind
from slurmlens.hub.usage.facts import Outage, UsageWindow
from slurmlens.hub.usage.node_time import UnitState, free_state

_MARKS = ("%DOWN%", "%DRAIN%", "%FAIL%", "%ERROR%", "%NOT_RESPONDING%")


class _Fact(NamedTuple):
    """One version of one attribute of a node, in nanoseconds."""

    node: str
    attribute: str
    value: str
    from_ns: int
    to_ns: int


def outages(connection: Connection, cluster: str, window: UsageWindow, machine_users: Collection[str]) -> list[Outage]:
    """When nodes were out of service within the window, by their begin. Of machines alone: it takes no viewer."""
    by_node: dict[str, list[_Fact]] = {}
    for fact in _facts(connection, cluster, window):
        by_node.setdefault(fact.node, []).append(fact)
    found = [outage for facts in by_node.values() for outage in outages_of_node(facts, machine_users)]
    return sorted(found, key=lambda one: (one.from_s, one.node))


def _facts(connection: Connection, cluster: str, window: UsageWindow) -> Iterator[_Fact]:
    facts = inventory.facts
    columns = (facts.c.name, facts.c.attribute, facts.c.value, facts.c.valid_from_ns, facts.c.valid_to_ns)
    for wanted in (REASON, REASON_BY, STATE):
        query = (
            select(*columns)
            .where(facts.c.cluster == cluster, facts.c.kind == EntityKind.NODE.value, facts.c.attribute == wanted)
            .where(facts.c.valid_to_ns > window.from_s * NS_PER_S, facts.c.valid_from_ns < window.to_s * NS_PER_S)
            .where(or_(facts.c.attribute != STATE, *(facts.c.value.like(mark) for mark in _MARKS)))
        )
        for name, attribute, value, from_ns, to_ns in connection.execute(query):
            yield _Fact(name, attribute, str(msgspec.json.decode(value)), from_ns, to_ns)


def outages_of_node(facts: Iterable[_Fact], machine_users: Collection[str]) -> list[Outage]:
    """The outages that a node's states, reasons and their authors tell."""
    own = sorted(facts, key=lambda one: one.from_ns)
    states = [one for one in own if one.attribute == STATE and is_out_of_service(one.value)]
    return [_outage(group, own, machine_users) for group in _without_gaps(states)]


def _without_gaps(states: Sequence[_Fact]) -> Iterator[list[_Fact]]:
    group: list[_Fact] = []
    for state in states:
        if group and state.from_ns > group[-1].to_ns:
            yield group
            group = []
        group.append(state)
    if group:
        yield group


def _outage(states: Sequence[_Fact], facts: Sequence[_Fact], machine_users: Collection[str]) -> Outage:
    from_ns, to_ns = states[0].from_ns, states[-1].to_ns
    is_within = [one for one in facts if one.from_ns < to_ns and one.to_ns > from_ns]
    reasons = [one.value for one in is_within if one.attribute == REASON]
    people = [one for one in is_within if one.attribute == REASON_BY and one.value not in machine_users]
    first = people[0] if people else None
    is_fault = free_state(states[0].value) is UnitState.DOWN
    return Outage(
        node=states[0].node,
        from_s=from_ns // NS_PER_S,
        to_s=None if to_ns == FOREVER else to_ns // NS_PER_S,
        state=states[-1].value,
        is_fault=is_fault,
        reason=reasons[-1] if reasons else None,
        reacted_s=None if first is None else max(first.from_ns, from_ns) // NS_PER_S,
        reacted_by=None if first is None else first.value,
    )
