"""The graph in Neo4j: constraints, batches, and the cursor. The only module that knows the driver.

Owns every Cypher statement. Invariants: values travel as parameters, in lists that one statement unwinds; what stands
in a statement's text is from the tables of `model`; a batch and the cursor that comes after it are one transaction, so
what is done twice or cut in the middle leaves the same graph. Foreign exceptions become GraphAway.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from neo4j import AsyncDriver, AsyncGraphDatabase, AsyncManagedTransaction, Query
from neo4j.exceptions import DriverError, Neo4jError

from slurmlens.config.graph import GraphConfig
from slurmlens.delivery.sinks.proof import read_token
from slurmlens.errors import DeliveryError
from slurmlens.hub.graph.model import (
    JOB_RELATIONS,
    LABELS,
    GraphBatch,
    GraphJob,
    GraphThing,
    Properties,
    grouped,
    key_of,
    relation_type,
)

REBUILD_LEASE_MS = 60_000
"""So long a rebuild is believed to go on without a word of it."""
WIPED_AT_ONCE = 2_000

_PREPARE = (
    "CREATE CONSTRAINT slurmlens_thing IF NOT EXISTS FOR (t:Thing) REQUIRE t.key IS UNIQUE",
    "CREATE CONSTRAINT slurmlens_job IF NOT EXISTS FOR (j:Job) REQUIRE j.key IS UNIQUE",
    "CREATE CONSTRAINT slurmlens_cursor IF NOT EXISTS FOR (c:SlurmlensCursor) REQUIRE c.cluster IS UNIQUE",
    "CREATE INDEX slurmlens_job_state IF NOT EXISTS FOR (j:Job) ON (j.state)",
    "CREATE INDEX slurmlens_job_end IF NOT EXISTS FOR (j:Job) ON (j.end_s)",
    "CREATE INDEX slurmlens_job_cluster IF NOT EXISTS FOR (j:Job) ON (j.cluster)",
    "CREATE INDEX slurmlens_thing_cluster IF NOT EXISTS FOR (t:Thing) ON (t.cluster)",
)
_READ_CURSOR = (
    "MATCH (c:SlurmlensCursor {cluster: $cluster})"
    " RETURN c.number AS number, coalesce(c.rebuilding_until, 0) > timestamp() AS is_rebuilding"
)
_MOVE_CURSOR = (
    "MERGE (c:SlurmlensCursor {cluster: $cluster}) SET c.number = $number,"
    " c.rebuilding_until = CASE WHEN $is_rebuilding THEN timestamp() + $lease_ms ELSE 0 END"
)
_LOSE_CURSOR = "MATCH (c:SlurmlensCursor {cluster: $cluster}) SET c.number = -1"
_WIPE = (
    "MATCH (j:Job {cluster: $cluster}) WITH j LIMIT $most DETACH DELETE j RETURN count(*) AS gone",
    "MATCH (t:Thing {cluster: $cluster}) WITH t LIMIT $most DETACH DELETE t RETURN count(*) AS gone",
)
_EXPIRE = (
    "MATCH (j:Job {cluster: $cluster}) WHERE j.end_s < $before_s WITH j LIMIT $most DETACH DELETE j"
    " RETURN count(*) AS gone"
)
_COUNT = (
    "MATCH (t:Thing {cluster: $cluster}) RETURN count(t) AS there",
    "MATCH (j:Job {cluster: $cluster}) RETURN count(j) AS there",
)
_FORGET_LONELY = "UNWIND $keys AS key MATCH (t:Thing {key: key}) WHERE t.exists IS NULL AND NOT (t)--() DELETE t"
_END_RELATIONS = "UNWIND $keys AS key MATCH (:Thing {key: key})-[r]->(:Thing) DELETE r"
_PUT_JOBS = "UNWIND $rows AS row MERGE (j:Job {key: row.key}) SET j = row"
_END_JOB_RELATIONS = "UNWIND $keys AS key MATCH (:Job {key: key})-[r]-() DELETE r"
_DELETE_JOBS = "UNWIND $keys AS key MATCH (j:Job {key: key}) DETACH DELETE j"


class GraphAway(DeliveryError):
    """The graph database did not do what it was asked to; it is asked again."""


class GraphCursor(NamedTuple):
    """How far the graph is; -1 where it must be made anew. `is_rebuilding`: somebody is at that now."""

    number: int
    is_rebuilding: bool


class Neo4jGraph:
    """One cluster's graph. Make it with `Neo4jGraph(config, cluster)`; close it."""

    def __init__(self, config: GraphConfig, cluster: str) -> None:
        self._cluster = cluster
        self._config = config
        logging.getLogger("neo4j").setLevel(logging.ERROR)  # it warns of every connection that broke
        auth = None
        if config.user is not None and config.password_file is not None:
            auth = (config.user, read_token(config.password_file))
        self._driver: AsyncDriver = AsyncGraphDatabase.driver(
            config.url,
            auth=auth,
            connection_timeout=config.timeout_s,
            connection_acquisition_timeout=config.timeout_s,
            max_transaction_retry_time=config.timeout_s,
        )

    async def close(self) -> None:
        """Ends all connections."""
        await self._driver.close()

    async def prepare(self) -> None:
        """Makes constraints and indexes where they are not there."""
        for statement in _PREPARE:
            await self._ask(statement)

    async def cursor(self) -> GraphCursor:
        """How far this cluster's graph is."""
        rows = await self._ask(_READ_CURSOR, cluster=self._cluster)
        if not rows:
            return GraphCursor(-1, is_rebuilding=False)
        return GraphCursor(rows[0]["number"], is_rebuilding=rows[0]["is_rebuilding"])

    async def lose_cursor(self) -> None:
        """Whoever follows next makes the graph anew."""
        await self._ask(_LOSE_CURSOR, cluster=self._cluster)

    async def apply(self, batch: GraphBatch, cursor: GraphCursor) -> None:
        """Brings things and jobs of the graph to what the batch says, and the cursor with them."""

        async def work(transaction: AsyncManagedTransaction) -> None:
            for statement, parameters in _statements(self._cluster, batch):
                await (await transaction.run(statement, parameters)).consume()
            await (await transaction.run(_MOVE_CURSOR, self._told(cursor))).consume()

        try:
            async with self._driver.session(database=self._config.database) as session:
                await session.execute_write(work)
        except (Neo4jError, DriverError, OSError) as error:
            raise _away(error) from error

    async def wipe(self) -> None:
        """Takes away all of this cluster, in steps."""
        for statement in _WIPE:
            while (await self._ask(statement, cluster=self._cluster, most=WIPED_AT_ONCE))[0]["gone"]:
                await self._ask(_MOVE_CURSOR, **self._told(GraphCursor(-1, is_rebuilding=True)))

    async def count(self) -> tuple[int, int]:
        """How many things and how many jobs there are."""
        rows = [await self._ask(statement, cluster=self._cluster) for statement in _COUNT]
        return rows[0][0]["there"], rows[1][0]["there"]

    async def expire(self, before_s: int) -> None:
        """Takes away jobs that ended before."""
        asked = {"cluster": self._cluster, "before_s": before_s, "most": WIPED_AT_ONCE}
        while (await self._ask(_EXPIRE, **asked))[0]["gone"]:
            pass

    def _told(self, cursor: GraphCursor) -> Properties:
        return {"cluster": self._cluster, **cursor._asdict(), "lease_ms": REBUILD_LEASE_MS}

    async def _ask(self, statement: str, **parameters: object) -> list[Mapping[str, Any]]:
        try:
            answer = await self._driver.execute_query(
                Query(statement, timeout=self._config.timeout_s),
                parameters,
                database_=self._config.database,
            )
        except (Neo4jError, DriverError, OSError) as error:
            raise _away(error) from error
        return [record.data() for record in answer.records]


def _statements(cluster: str, batch: GraphBatch) -> Iterator[tuple[str, Properties]]:
    """What brings the graph to the batch, in this order."""
    yield from _of_things(cluster, batch.things)
    yield from _of_jobs(cluster, batch.jobs)
    gone = [key_of(cluster, thing.kind, thing.name) for thing in batch.things if thing.properties is None]
    if gone:
        yield _FORGET_LONELY, {"keys": gone}


def _of_things(cluster: str, things: Sequence[GraphThing]) -> Iterator[tuple[str, Properties]]:
    rows = grouped(
        (thing.kind, {**(thing.properties or {}), **_thing(cluster, thing.kind, thing.name)}) for thing in things
    )
    for kind, own in rows.items():
        yield f"UNWIND $rows AS row MERGE (t:Thing {{key: row.key}}) SET t = row{_label('t', kind)}", {"rows": own}
    if things:
        yield _END_RELATIONS, {"keys": [key_of(cluster, thing.kind, thing.name) for thing in things]}
    edges = grouped(
        (
            (relation_type(thing.kind, relation), kind),
            {"from": key_of(cluster, thing.kind, thing.name), "relation": relation, "to": _thing(cluster, kind, name)},
        )
        for thing in things
        for relation, kind, name in sorted(thing.relations)
    )
    for (type_, kind), own in edges.items():
        yield (
            "UNWIND $rows AS row MATCH (a:Thing {key: row.from}) MERGE (b:Thing {key: row.to.key})"
            f" ON CREATE SET b = row.to{_label('b', kind)} MERGE (a)-[:{type_} {{relation: row.relation}}]->(b)",
            {"rows": own},
        )


def _of_jobs(cluster: str, jobs: Sequence[GraphJob]) -> Iterator[tuple[str, Properties]]:
    if gone := [_job_key(cluster, job) for job in jobs if job.properties is None]:
        yield _DELETE_JOBS, {"keys": gone}
    there = [job for job in jobs if job.properties is not None]
    if not there:
        return
    rows = [{**(job.properties or {}), "key": _job_key(cluster, job), "cluster": cluster} for job in there]
    yield _PUT_JOBS, {"rows": rows}
    yield _END_JOB_RELATIONS, {"keys": [row["key"] for row in rows]}
    edges = grouped(
        (kind, {"job": _job_key(cluster, job), "thing": _thing(cluster, kind, name)})
        for job in there
        for kind, name in sorted(job.things)
    )
    for kind, own in edges.items():
        type_, is_from_job = JOB_RELATIONS[kind]
        arrow = f"(j)-[:{type_}]->(t)" if is_from_job else f"(t)-[:{type_}]->(j)"
        yield (
            "UNWIND $rows AS row MATCH (j:Job {key: row.job}) MERGE (t:Thing {key: row.thing.key})"
            f" ON CREATE SET t = row.thing{_label('t', kind)} MERGE {arrow}",
            {"rows": own},
        )


def _thing(cluster: str, kind: str, name: str) -> Properties:
    return {"key": key_of(cluster, kind, name), "cluster": cluster, "name": name}


def _job_key(cluster: str, job: GraphJob) -> str:
    return key_of(cluster, "job", job.job_id)


def _label(variable: str, kind: str) -> str:
    return f", {variable}:{LABELS[kind]}" if kind in LABELS else ""


def _away(error: BaseException) -> GraphAway:
    said = getattr(error, "message", None) or str(error) or type(error).__name__
    return GraphAway(f"neo4j: {' '.join(said.split())[:250]}", reason="graph")
