"""The groups of users by the machine's own user database (NSS): files, LDAP, whatever the hub's host asks.

Asks the machine, which may take long: `keeper` calls it in a thread, now and then. One telling is about one user and is
whole for that user, so that a group that somebody left ends. A user whom the hub's host does not know is not told of.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterable, Iterator

from slurmlens.hub.inventory.entities import MEMBER_OF, Entity, EntityKind, Telling, ToldRelation, told_facts
from slurmlens.slurm.json_values import cleaned

SOURCE = "user database"


def tell_groups(users: Iterable[str], at_ns: int) -> Iterator[Telling]:
    """The groups of each of these users that the machine knows."""
    names: dict[int, str | None] = {}
    for name in users:
        try:
            entry = pwd.getpwnam(name)
            group_ids = os.getgrouplist(name, entry.pw_gid)
        except (KeyError, OSError, ValueError):  # unknown here; the database is away; a name with NUL in it
            continue
        user = Entity.of(EntityKind.USER, name)
        groups = [group for one in sorted(set(group_ids)) if (group := _group_name(one, names)) is not None]
        yield Telling(
            source=SOURCE,
            at_ns=at_ns,
            subject=user,
            facts=tuple(told_facts(user, {"user_id": entry.pw_uid})),
            relations=tuple(
                ToldRelation(entity=user, relation=MEMBER_OF, other=Entity.of(EntityKind.GROUP, group))
                for group in groups
            ),
        )


def _group_name(group_id: int, known: dict[int, str | None]) -> str | None:
    if group_id not in known:
        try:
            known[group_id] = cleaned(grp.getgrgid(group_id).gr_name)
        except (KeyError, OSError):
            known[group_id] = None
    return known[group_id]
