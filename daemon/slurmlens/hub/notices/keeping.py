"""Wishes and notices in the database: what was told is never told again, what was not is tried again.

Owns the rows of `notice_wishes` and `notices`. Invariants: a run, kind and channel have one notice ever, whatever is
asked how often and by which hub; a notice is settled after the receiver took it and not before, so that a hub that dies
in between may tell it twice and never not at all. Written by the page that takes wishes and by `stage`.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, select

from slurmlens.clock import NS_PER_S
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.aged_rows import AgedRows
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.retention import AgingKind
from slurmlens.hub.database.store import Store
from slurmlens.hub.notices.facts import KeptNotice, NewNotice, NoticeChannel, NoticeKind, Wish
from slurmlens.hub.notices.tables import notice_wishes, notices

FOREVER = 2**63 - 1
MOST_AT_ONCE = 100
MOST_WISHES = 10_000
HOUR_NS = 3600 * NS_PER_S
DAY_S = 86_400
_KEY = ("cluster", "job_id", "run", "kind", "channel")
_WISH_KEY = ("cluster", "user", "channel")
_TEXTS = ("user", "address", "subject", "text")
_COLUMNS = (*_KEY, *_TEXTS, "made_ns", "next_ns", "attempts")


class NoticeStore:
    """Wishes and notices of one cluster."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def wishes(self, viewer: Viewer) -> list[Wish]:
        """The viewer's own; everybody's for the hub itself."""
        query = select(notice_wishes).where(notice_wishes.c.cluster == self._cluster)
        if viewer.is_somebody:
            query = query.where(notice_wishes.c.user == viewer.who)

        def read(connection: Connection) -> list[Wish]:
            return [
                Wish(
                    row["user"],
                    NoticeChannel(row["channel"]),
                    row["address"],
                    frozenset(map(NoticeKind, row["kinds"].split())),
                    row["set_ns"],
                )
                for row in connection.execute(query.limit(MOST_WISHES)).mappings()
            ]

        return await self._store.read(read)

    async def wish(self, wish: Wish) -> None:
        """Keeps a wish in place of the one by the same channel."""
        row = {
            "cluster": self._cluster,
            "user": wish.user,
            "channel": wish.channel.value,
            "address": wish.address,
            "kinds": " ".join(sorted(kind.value for kind in wish.kinds)),
            "set_ns": wish.set_ns,
        }
        await self._store.write(lambda transaction: transaction.put(notice_wishes, _WISH_KEY, [row]))

    async def forget(self, user: str, channel: NoticeChannel) -> None:
        """Nothing more by this channel."""
        key = (self._cluster, user, channel.value)
        await self._store.write(lambda transaction: transaction.take_away(notice_wishes, _WISH_KEY, [key]))

    async def never_made(self, new: Collection[NewNotice]) -> list[NewNotice]:
        """Those of these that were never made, each run, kind and channel once."""
        rows = {self._key(one): one for one in new}

        def work(transaction: Transaction) -> list[NewNotice]:
            known = set(transaction.find(notices, _KEY, _KEY, rows))
            return [one for key, one in rows.items() if key not in known]

        return await self._store.write(work)

    async def add(self, new: Collection[NewNotice], now_ns: int, most: int) -> int:
        """Keeps those that were never made, at most so many of them; returns how many."""
        rows = {self._key(one): one for one in new}

        def work(transaction: Transaction) -> int:
            known = set(transaction.find(notices, _KEY, _KEY, rows))
            fresh = [(key, one) for key, one in rows.items() if key not in known][:most]
            texts = [(one.user, one.address, one.subject, one.text) for _, one in fresh]
            values = [(*key, *own, now_ns, now_ns, 0) for (key, _), own in zip(fresh, texts, strict=True)]
            return transaction.insert_new(notices, _COLUMNS, values)

        return await self._store.write(work)

    def _key(self, one: NewNotice) -> tuple[str, int, int, str, str]:
        return self._cluster, one.job_id, one.run, one.kind.value, one.channel.value

    async def due(self, viewer: Viewer, now_ns: int) -> list[KeptNotice]:
        """Those that are to be tried now, the longest waiting first; the hub's own affair."""
        table = notices
        query = select(table).where(table.c.cluster == self._cluster, table.c.next_ns <= now_ns)
        if viewer.is_somebody:
            query = query.where(table.c.user == viewer.who)
        query = query.order_by(table.c.next_ns).limit(MOST_AT_ONCE)

        def read(connection: Connection) -> list[KeptNotice]:
            return [
                KeptNotice(
                    made_ns=row["made_ns"],
                    attempts=row["attempts"],
                    notice=NewNotice(
                        kind=NoticeKind(row["kind"]),
                        channel=NoticeChannel(row["channel"]),
                        job_id=row["job_id"],
                        run=row["run"],
                        **{name: row[name] for name in _TEXTS},
                    ),
                )
                for row in connection.execute(query).mappings()
            ]

        return await self._store.read(read)

    async def made_lately(self, viewer: Viewer, user: str, now_ns: int) -> int:
        """How many notices were made for a user within an hour."""
        table = notices
        query = select(func.count()).where(
            table.c.cluster == self._cluster, table.c.user == user, table.c.made_ns > now_ns - HOUR_NS
        )
        if viewer.is_somebody:
            query = query.where(table.c.user == viewer.who)
        return await self._store.read(lambda connection: int(connection.execute(query).scalar_one()))

    async def settle(self, kept: KeptNotice, outcome: str) -> None:
        """It was taken, or never will be."""
        await self._change(kept, FOREVER, outcome)

    async def try_again(self, kept: KeptNotice, next_ns: int, problem: str) -> None:
        """It was not taken now."""
        await self._change(kept, next_ns, problem)

    async def _change(self, kept: KeptNotice, next_ns: int, outcome: str) -> None:
        key = dict(zip(_KEY, self._key(kept.notice), strict=True))
        row = {**key, "next_ns": next_ns, "attempts": kept.attempts + 1, "outcome": outcome}

        def work(transaction: Transaction) -> None:
            transaction.change(notices, _KEY, [row])

        await self._store.write(work)


def kind_of_notices(days: float) -> AgingKind:
    """Notices age by when they were made."""
    return AgedRows("notices", notices, "made_ns", days * DAY_S)
