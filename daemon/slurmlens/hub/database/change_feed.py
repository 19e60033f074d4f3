"""The change feed: which jobs and which entities changed, in the order of the commits, for projections elsewhere.

Owns the table `change_feed` and the mark of how far it was taken away. A change carries no content: who follows it
reads what is changed where it is kept. Invariants: a change is noted in the transaction that makes it, under a number
that grows in the order of the commits; of what was taken away the mark says so, hence whoever comes with a cursor from
before it knows that he must begin anew. Noted only where the store is told that somebody follows. Noted by `history`
and `inventory`; followed by `graph`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text, delete, func, select

from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.metadata import metadata
from slurmlens.hub.database.store import Store

JOB = "job"
"""The kind of a change of a job; every other kind is an entity's."""

Number = BigInteger().with_variant(Integer(), "sqlite")
feed = Table(
    "change_feed",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("cluster", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    sqlite_autoincrement=True,
)
forgotten = Table(
    "change_feed_forgotten",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
)
"""The last change that was taken away."""


class Changed(NamedTuple):
    """A thing that changed: a job, by its number in digits, or an entity."""

    kind: str
    name: str


class FeedChanges(NamedTuple):
    """What changed since a cursor, each thing once, and the cursor that comes after it.

    `is_gap`: some changes are gone, so that nothing here says what they were.
    """

    things: Sequence[Changed]
    cursor: int
    is_gap: bool


def note(transaction: Transaction, changes: Iterable[tuple[str, Changed]]) -> None:
    """Notes changes of this transaction, by cluster, where somebody follows."""
    if transaction.notes_changes:
        rows = [(cluster, *thing) for cluster, thing in sorted(set(changes))]
        transaction.insert_new(feed, ("cluster", "kind", "name"), rows)


def last_number(connection: Connection, cluster: str) -> int:
    """The last change that there is, or was."""
    newest = connection.execute(select(func.max(feed.c.number))).scalar()
    return max(newest or 0, _forgotten(connection, cluster))


def changes_since(connection: Connection, cluster: str, cursor: int, most: int) -> FeedChanges:
    """At most so many changes after the cursor."""
    if cursor < _forgotten(connection, cluster):
        return FeedChanges((), cursor, is_gap=True)
    query = select(feed.c.number, feed.c.cluster, feed.c.kind, feed.c.name).where(feed.c.number > cursor)
    rows = connection.execute(query.order_by(feed.c.number).limit(most)).all()
    things = dict.fromkeys(Changed(kind, name) for _, of_cluster, kind, name in rows if of_cluster == cluster)
    return FeedChanges(list(things), rows[-1][0] if rows else cursor, is_gap=False)


def forget(transaction: Transaction, cluster: str, before: int) -> None:
    """Takes away changes up to `before`."""
    transaction.core.execute(delete(feed).where(feed.c.cluster == cluster, feed.c.number <= before))
    transaction.put(forgotten, ("cluster",), [{"cluster": cluster, "number": before}])


async def nobody_follows(store: Store, cluster: str) -> None:
    """Whoever follows later begins anew, for what happens meanwhile is not noted."""

    def has_feed(connection: Connection) -> bool:
        newest = connection.execute(select(func.max(feed.c.number)).where(feed.c.cluster == cluster)).scalar()
        return newest is not None

    def work(transaction: Transaction) -> None:
        transaction.insert_new(feed, ("cluster", "kind", "name"), [(cluster, "", "")])  # a number of its own
        forget(transaction, cluster, last_number(transaction.core, cluster))

    if await store.read(has_feed):
        await store.write(work)


def _forgotten(connection: Connection, cluster: str) -> int:
    query = select(forgotten.c.number).where(forgotten.c.cluster == cluster)
    return connection.execute(query).scalar() or 0
