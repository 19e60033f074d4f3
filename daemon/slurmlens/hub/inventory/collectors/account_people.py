"""Who may charge which account, and who coordinates it, by slurmdbd's associations as facts. Pure.

A telling is whole: who left an account has left. Fed by `keeper` with what `scheduler.account_poller` was told,
which asks where `[access]` is set; without it accounts are known by the jobs that charge them (`job_owners`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from slurmlens.hub.inventory.entities import (
    CHARGES,
    COORDINATES,
    Entity,
    EntityKind,
    Telling,
    ToldFact,
    ToldRelation,
    told_facts,
)
from slurmlens.slurm.associations import AccountPerson

SOURCE = "slurm accounts"


def tell_account_people(people: Sequence[AccountPerson], at_ns: int) -> Telling:
    """Everything that slurmdbd said of accounts and their people; an answer without anybody ends nothing."""
    facts: dict[ToldFact, None] = {}
    for kind, names in _names(people):
        for name in names:
            facts.update(dict.fromkeys(told_facts(Entity.of(kind, name), {})))
    relations = dict.fromkeys(
        ToldRelation(
            entity=Entity.of(EntityKind.USER, one.user),
            relation=COORDINATES if one.is_coordinator else CHARGES,
            other=Entity.of(EntityKind.ACCOUNT, one.account),
        )
        for one in people
    )
    return Telling(source=SOURCE, at_ns=at_ns, facts=tuple(facts), relations=tuple(relations), is_whole=bool(people))


def _names(people: Sequence[AccountPerson]) -> tuple[tuple[EntityKind, Collection[str]], ...]:
    users, accounts = {one.user for one in people}, {one.account for one in people}
    return (EntityKind.USER, sorted(users)), (EntityKind.ACCOUNT, sorted(accounts))
