"""The stage that keeps the graph: what changed is read and written there, batch by batch, behind the commits.

Owns where the graph begins anew (no cursor, or one from before what the feed still has), how long the feed is kept for
it, and what is said of its lag. Neo4j away: the feed waits, the hub works on. Followed: `database.change_feed`;
written: `neo4j_store`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

import msgspec
from sqlalchemy import Connection

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.graph import GraphConfig
from slurmlens.errors import DeliveryError
from slurmlens.hub.database import change_feed
from slurmlens.hub.database.change_feed import Changed
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.database.store import Store
from slurmlens.hub.graph import reading
from slurmlens.hub.graph.model import GraphBatch
from slurmlens.hub.graph.neo4j_store import GraphCursor, Neo4jGraph
from slurmlens.hub.news import (
    AccountPeopleReceived,
    CampaignReceived,
    ClusterReceived,
    News,
    QueueReceived,
    RunsChanged,
)

CHANGES_AT_ONCE = 2_000
KEPT_CHANGES = 100_000
"""Behind the cursor: a rebuild that began so many changes ago goes on where it began."""
MOST_CHANGES = 1_000_000
"""Of a feed that nobody follows: then the graph is made anew."""
TRIM_AT = 10_000
GATHER_S = 2.0
EXPIRE_EVERY_S = 3_600.0
_NS_PER_DAY = 86_400 * NS_PER_S

_Answer = TypeVar("_Answer")


class AskDatabase(Protocol):
    """Asks the database, as `Store.read` does."""

    async def __call__(self, question: Callable[[Connection], _Answer], /) -> _Answer: ...


class GraphLag(msgspec.Struct):
    """How the graph fares: changes that are not in it yet, and when it was last brought up to date."""

    url: str
    cursor: int = -1
    waiting: int = 0
    up_to_date_ns: int | None = None
    rebuilds: int = 0
    last_error: str | None = None


class GraphProjector:
    """The stage for one cluster."""

    def __init__(self, store: Store, config: GraphConfig, cluster: str, news: News, clock: Clock) -> None:
        self._store = store
        self._config = config
        self._cluster = cluster
        self._clock = clock
        self._heard = news.subscribe(
            RunsChanged, QueueReceived, ClusterReceived, AccountPeopleReceived, CampaignReceived
        )
        self._expire_due_ns = 0
        self._forgotten = 0
        self.lag = GraphLag(url=config.url)

    async def run(self) -> None:
        """A stage: follows the feed for as long as Neo4j answers; GraphAway when it does not."""
        await self._trim(MOST_CHANGES)
        graph = Neo4jGraph(self._config, self._cluster)
        try:
            await graph.prepare()
            while True:
                self._heard.take_all()
                while await self.step(graph):
                    pass
                await self._heard.wait()
                await asyncio.sleep(GATHER_S)
        except DeliveryError as error:
            self.lag.last_error = str(error)
            self.lag.waiting = await self._store.read(
                lambda connection: reading.count_waiting(connection, self._cluster, self.lag.cursor)
            )
            raise
        finally:
            await graph.close()

    async def step(self, graph: Neo4jGraph) -> bool:
        """Brings the graph up to the next changes; False where it is up to date, or somebody makes it anew."""
        cursor = await graph.cursor()
        if cursor.is_rebuilding:
            return False
        since_ns = self._ended_after_ns()
        if cursor.number < 0:
            await self.rebuild(graph)
            return True
        changes = await self._store.read(
            lambda connection: change_feed.changes_since(connection, self._cluster, cursor.number, CHANGES_AT_ONCE)
        )
        if changes.is_gap:
            await self.rebuild(graph)
            return True
        if changes.cursor == cursor.number:
            await self._up_to_date(graph, cursor.number)
            return False
        batch = await self._store.read(
            lambda connection: reading.batch_of(connection, self._cluster, changes.things, since_ns)
        )
        await graph.apply(batch, GraphCursor(changes.cursor, is_rebuilding=False))
        self.lag.cursor = changes.cursor
        return True

    async def rebuild(self, graph: Neo4jGraph) -> None:
        """Makes the graph anew from all that is known."""
        self.lag.cursor = await rebuild(self._store.read, graph, self._cluster, self._ended_after_ns())
        self.lag.rebuilds += 1

    def _ended_after_ns(self) -> int:
        return self._clock.wall_ns() - round(self._config.jobs_days * _NS_PER_DAY)

    async def _up_to_date(self, graph: Neo4jGraph, cursor: int) -> None:
        self.lag.cursor, self.lag.waiting, self.lag.last_error = cursor, 0, None
        self.lag.up_to_date_ns = self._clock.wall_ns()
        if self._clock.monotonic_ns() >= self._expire_due_ns:
            self._expire_due_ns = self._clock.monotonic_ns() + round(EXPIRE_EVERY_S * NS_PER_S)
            await graph.expire(self._ended_after_ns() // NS_PER_S)
        await self._trim(KEPT_CHANGES)

    async def _trim(self, most: int) -> None:
        """Keeps so many changes of the feed at most, and some more."""
        last = await self._store.read(lambda connection: change_feed.last_number(connection, self._cluster))
        if last - most > self._forgotten + TRIM_AT:
            await self._store.write(lambda transaction: change_feed.forget(transaction, self._cluster, last - most))
            self._forgotten = last - most


async def rebuild(read: AskDatabase, graph: Neo4jGraph, cluster: str, ended_after_ns: int) -> int:
    """Makes a cluster's graph anew; returns the cursor from which the feed is followed.

    What changes meanwhile comes again by the feed, for the cursor is from before anything was read.
    """
    begin = await read(lambda connection: change_feed.last_number(connection, cluster))
    await graph.prepare()
    await graph.wipe()
    under_way = GraphCursor(begin, is_rebuilding=True)

    async def put(things: list[Changed]) -> None:
        batch = await read(lambda connection: reading.batch_of(connection, cluster, things, ended_after_ns))
        await graph.apply(batch, under_way)

    for piece in pieces_of(await read(lambda connection: reading.all_entities(connection, cluster)), CHANGES_AT_ONCE):
        await put(piece)
    after = 0
    while jobs := await read(partial(reading.job_ids_after, cluster=cluster, job_id=after, since_ns=ended_after_ns)):
        await put(jobs)
        after = int(jobs[-1].name)
    await graph.apply(GraphBatch(), GraphCursor(begin, is_rebuilding=False))
    return begin
