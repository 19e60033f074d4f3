"""Who belongs to which account and who coordinates it, as slurmdbd said last: kept, so that a restart forgets nobody.

Fed by `scheduler.account_poller`; asked by `rules` alone. What jobs say of their account is never looked at: where
Slurm does not enforce associations, anybody may name any.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, delete, select

from slurmlens.hub.access.tables import account_people
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store
from slurmlens.slurm.associations import AccountPerson


class AccountsOfUser(NamedTuple):
    """The accounts of one user: as a member, and as coordinator."""

    member: frozenset[str]
    coordinator: frozenset[str]


class AccountPeople:
    """The table, for one cluster."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def replace(self, people: Iterable[AccountPerson]) -> None:
        """Takes all that slurmdbd says now; who is no longer named belongs to nothing."""
        told: dict[tuple[str, str], bool] = {}
        for user, account, is_coordinator in people:
            told[user, account] = told.get((user, account), False) or is_coordinator
        rows = [(self._cluster, user, account, int(leads)) for (user, account), leads in told.items()]

        def write(transaction: Transaction) -> None:
            transaction.core.execute(delete(account_people).where(account_people.c.cluster == self._cluster))
            transaction.insert_new(account_people, ("cluster", "user", "account", "is_coordinator"), rows)

        await self._store.write(write)

    async def of(self, user: str) -> AccountsOfUser:
        """The accounts of one user."""
        table = account_people
        query = select(table.c.account, table.c.is_coordinator)
        query = query.where(table.c.cluster == self._cluster, table.c.user == user)

        def read(connection: Connection) -> AccountsOfUser:
            rows = [(account, bool(leads)) for account, leads in connection.execute(query)]
            leading = frozenset(account for account, leads in rows if leads)
            return AccountsOfUser(frozenset(account for account, _ in rows), leading)

        return await self._store.read(read)
