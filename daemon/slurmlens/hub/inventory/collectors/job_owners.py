"""Whose jobs there are: users, their groups and accounts, and qualities of service, out of the jobs' records. Pure.

A telling is never whole: somebody without a job is still there. Fed by `keeper` with the scheduler's records, of which
it tells each owner once; what it tells becomes rows in `recording`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from slurmlens.hub.inventory.entities import (
    CHARGES,
    MEMBER_OF,
    Entity,
    EntityKind,
    Telling,
    ToldFact,
    ToldRelation,
    told_facts,
)
from slurmlens.slurm.records import JobRecord

SOURCE = "slurm jobs"


class Owner(NamedTuple):
    """Who a job belongs to, as its record says it; None where it does not."""

    user: str | None
    user_id: int | None
    group: str | None
    group_id: int | None
    account: str | None
    qos: str | None


def owners_of(records: Iterable[JobRecord]) -> set[Owner]:
    """The owners of these jobs."""
    return {
        Owner(one.user, one.user_id, one.group, one.group_id, one.account, one.qos)
        for one in records
        if one.user or one.account
    }


def tell_owners(owners: Collection[Owner], at_ns: int) -> Telling:
    """That these owners are there."""
    return Telling(
        source=SOURCE,
        at_ns=at_ns,
        facts=tuple(dict.fromkeys(fact for owner in owners for fact in _facts(owner))),
        relations=tuple(dict.fromkeys(relation for owner in owners for relation in _relations(owner))),
        is_whole=False,
    )


def _facts(owner: Owner) -> Iterator[ToldFact]:
    if owner.user:
        yield from told_facts(Entity.of(EntityKind.USER, owner.user), {"user_id": owner.user_id})
    if owner.group:
        yield from told_facts(Entity.of(EntityKind.GROUP, owner.group), {"group_id": owner.group_id})
    if owner.account:
        yield from told_facts(Entity.of(EntityKind.ACCOUNT, owner.account), {})
    if owner.qos:
        yield from told_facts(Entity.of(EntityKind.QOS, owner.qos), {})


def _relations(owner: Owner) -> Iterator[ToldRelation]:
    if not owner.user:
        return
    user = Entity.of(EntityKind.USER, owner.user)
    if owner.group:
        yield ToldRelation(entity=user, relation=MEMBER_OF, other=Entity.of(EntityKind.GROUP, owner.group))
    if owner.account:
        yield ToldRelation(entity=user, relation=CHARGES, other=Entity.of(EntityKind.ACCOUNT, owner.account))
