"""Investigations in the database: kept, listed, changed by those who may.

Owns the rows of `tables` and who sees and changes what: its owner and operators; everybody whom the hub knows sees what
is shared. Invariant: a change reads and writes in one transaction of the one writer, so that two notes at once are two
notes. Used by `web.pages.investigations`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from slurmlens.errors import RefusedError
from slurmlens.hub.access.viewer import Role, Viewer
from slurmlens.hub.database.aged_rows import AgedRows
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.retention import AgingKind
from slurmlens.hub.database.store import Store
from slurmlens.hub.investigations.facts import Investigation
from slurmlens.hub.investigations.tables import investigations

MOST_LISTED = 200
MOST_OF_ONE = 1_000
"""Investigations of one owner; whoever has more lets old ones go first."""
DAY_S = 86_400
_OPERATORS = frozenset({Role.OPERATOR, Role.EVERYBODY})
_encoder, _decoder = msgspec.json.Encoder(), msgspec.json.Decoder(Investigation)


class InvestigationStore:
    """The investigations of one cluster."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def listed(self, viewer: Viewer) -> list[Investigation]:
        """Those that the viewer may see, the latest changed first."""
        table = investigations
        of_cluster = select(table.c.content).where(table.c.cluster == self._cluster)
        newest = table.c.changed_ns.desc()
        if sees_all(viewer):  # both kinds, each by its index
            queries = [of_cluster.where(table.c.is_shared == flag).order_by(newest) for flag in (0, 1)]
        else:
            queries = [of_cluster.where(table.c.is_shared == 1).order_by(newest)]
            queries.append(of_cluster.where(table.c.owner == viewer.who).order_by(newest))

        def read(connection: Connection) -> list[Investigation]:
            rows = (row for query in queries for row in connection.execute(query.limit(MOST_LISTED)))
            found = {one.number: one for one in (_decoder.decode(row[0]) for row in rows)}
            return sorted(found.values(), key=lambda one: -one.changed_ns)[:MOST_LISTED]

        return await self._store.read(read)

    async def one(self, viewer: Viewer, number: int) -> Investigation | None:
        """One; None where there is none that may be seen."""
        query = select(investigations.c.content).where(
            investigations.c.number == number, investigations.c.cluster == self._cluster
        )

        def read(connection: Connection) -> Investigation | None:
            row = connection.execute(query).first()
            return None if row is None else _decoder.decode(row[0])

        found = await self._store.read(read)
        return found if found is not None and may_see(viewer, found) else None

    async def keep(self, viewer: Viewer, begun: Investigation) -> Investigation:
        """Keeps a new one, which gets its number; RefusedError (409) for whoever has too many."""

        def work(transaction: Transaction) -> Investigation:
            connection = transaction.core
            table = investigations
            own = select(func.count()).where(table.c.cluster == self._cluster, table.c.owner == begun.owner)
            if connection.execute(own).scalar_one() >= MOST_OF_ONE:
                raise RefusedError(f"{begun.owner} has {MOST_OF_ONE} investigations", reason="full", status=409)
            last = connection.execute(select(func.max(table.c.number))).scalar() or 0
            kept = msgspec.structs.replace(begun, number=last + 1)
            transaction.put(table, ("number",), [self._row(kept)])
            return kept

        return await self._store.write(work)

    async def change(
        self, viewer: Viewer, number: int, change: Callable[[Investigation], Investigation]
    ) -> Investigation | None:
        """Changes one; None where there is none that may be seen, RefusedError (403) where it is another's."""

        def work(transaction: Transaction) -> Investigation | None:
            rows = transaction.find_rows(investigations, ("number",), [(number,)])
            found = [_decoder.decode(bytes(row["content"])) for row in rows if row["cluster"] == self._cluster]
            if not found or not may_see(viewer, found[0]):
                return None
            if not may_change(viewer, found[0]):
                raise RefusedError(f"{found[0].name} is {found[0].owner}'s", reason="owner", status=403)
            changed = change(found[0])
            transaction.put(investigations, ("number",), [self._row(changed)])
            return changed

        return await self._store.write(work)

    def _row(self, one: Investigation) -> dict[str, Any]:
        return {
            "number": one.number,
            "cluster": self._cluster,
            "owner": one.owner,
            "is_shared": int(one.is_shared),
            "changed_ns": one.changed_ns,
            "content": _encoder.encode(one),
        }


def sees_all(viewer: Viewer) -> bool:
    """Operators, and whoever is on the hub's machine while there are no rules."""
    return not viewer.roles.isdisjoint(_OPERATORS)


def may_see(viewer: Viewer, one: Investigation) -> bool:
    """Who may open it; what it asks is answered to each by his own rights."""
    return one.is_shared or may_change(viewer, one)


def may_change(viewer: Viewer, one: Investigation) -> bool:
    """Its owner, and operators."""
    return sees_all(viewer) or (viewer.is_somebody and viewer.who == one.owner)


def kind_of_investigations(days: float) -> AgingKind:
    """Investigations age from their last change."""
    return AgedRows("investigations", investigations, "changed_ns", days * DAY_S)
