"""What the hub knows stands in a real Neo4j as it did in 2015: kept up with changes, made anew with equal result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from deploy.components.neo4j import Neo4j
from neo4j import AsyncGraphDatabase

from slurmlens.cli.main import main
from slurmlens.config.graph import GraphConfig
from slurmlens.hub.database.change_feed import nobody_follows
from slurmlens.hub.graph.neo4j_store import GraphAway, Neo4jGraph
from slurmlens.hub.graph.projecting import GraphProjector
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.slurm.records import JobState
from testkit.hub_history import History, record
from testkit.inventories import fact, relation, telling
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S, Told
from testkit.waiting import until

S = 10**9
BEGIN_NS = BEGIN_S * S
EVIL = """x'}) DETACH DELETE n //"`\\\n{$key}"""


class Projected:
    """A hub's history whose changes are followed, and its graph."""

    def __init__(self, history: History, server: Neo4j, cluster: str = "demo") -> None:
        self.history = history
        self.server = server
        history.store.notes_changes = True
        config = GraphConfig(url=server.url)
        self.projector = GraphProjector(history.store, config, cluster, history.news, history.clock)
        self.recorder = InventoryRecorder(history.store, cluster)
        self.graph = Neo4jGraph(config, cluster)

    async def follow(self) -> None:
        while await self.projector.step(self.graph):
            pass

    async def ask(self, query: str, **parameters: object) -> list[tuple[Any, ...]]:
        async with AsyncGraphDatabase.driver(self.server.url) as driver:
            answer = await driver.execute_query(query, parameters)
        return [tuple(row.values()) for row in answer.records]

    async def whole(self) -> tuple[object, object]:
        """Everything that is in the graph but the cursor."""
        nodes = await self.ask("MATCH (n) WHERE NOT n:SlurmlensCursor RETURN labels(n), properties(n)")
        edges = await self.ask("MATCH (a)-[r]->(b) RETURN a.key, type(r), properties(r), b.key")
        told = [(sorted(labels), sorted(own.items(), key=str)) for labels, own in nodes]
        return sorted(told, key=str), sorted(edges, key=str)


@pytest.fixture
async def projected(neo4j: Neo4j, tmp_path: Path) -> AsyncIterator[Projected]:
    history = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", ManualClock())
    one = Projected(history, neo4j)
    await until(lambda: answers(one.graph), "the database in the server is there", 60)
    await one.ask("MATCH (n) DETACH DELETE n")
    yield one
    await one.graph.close()
    await history.close()


async def answers(graph: Neo4jGraph) -> bool:
    try:
        await graph.prepare()
    except GraphAway:
        return False
    return True


async def a_cluster(projected: Projected) -> None:
    """Two partitions of four nodes, three jobs, of which two failed on one node."""
    nodes = [f"n{number}" for number in range(1, 5)]
    partitions = {"batch": nodes, "debug": nodes[:1]}
    await projected.recorder.take(
        telling(
            BEGIN_NS,
            *(fact(f"node {name}", "exists", True) for name in nodes),
            *(fact(f"node {name}", "state", "IDLE") for name in nodes),
            *(fact(f"partition {name}", "exists", True) for name in partitions),
            *(
                relation(f"partition {name}", "contains", f"node {own}")
                for name in partitions
                for own in partitions[name]
            ),
        )
    )
    for job_id, names, state in ((1, ("n1", "n2"), JobState.FAILED), (2, ("n2", "n3"), JobState.FAILED)):
        await projected.history.hear(*(Told(job_id, name).start(1) for name in names))
        await projected.history.learn(record(state, job_id=job_id, end=50, nodes=names))
    await projected.history.learn(record(JobState.COMPLETED, job_id=3, end=60, nodes=("n4",)))


async def test_the_queries_of_2015_return_what_they_returned(projected: Projected) -> None:
    await a_cluster(projected)
    await projected.follow()
    failed = "MATCH (n:Node)-[:PART_OF]->(j:Job) WHERE j.state = 'FAILED' RETURN j,n"
    found = sorted((job["jobid"], job["state"], node["name"]) for job, node in await projected.ask(failed))
    assert found == [("1", "FAILED", "n1"), ("1", "FAILED", "n2"), ("2", "FAILED", "n2"), ("2", "FAILED", "n3")]
    members = "MATCH (p:Partition)-[:MEMBER]->(n:Node) RETURN p,n"
    found = sorted((partition["name"], node["name"]) for partition, node in await projected.ask(members))
    assert found == [("batch", "n1"), ("batch", "n2"), ("batch", "n3"), ("batch", "n4"), ("debug", "n1")]
    both = "MATCH (p:Partition)<-[:IN]-(j:Job {jobid: '1'})<-[:SUBMITTED]-(u:User) RETURN p.name, j.name, u.name"
    assert len(await projected.ask(both)) == 1


async def test_what_changes_is_followed_and_a_graph_made_anew_is_equal(projected: Projected) -> None:
    await a_cluster(projected)
    await projected.follow()
    assert projected.projector.lag.rebuilds == 1
    await projected.recorder.take(
        telling(
            BEGIN_NS + 100 * S,
            fact("node n1", "exists", True),
            fact("node n1", "state", "DOWN"),
            fact("partition batch", "exists", True),
            relation("partition batch", "contains", "node n1"),
        )
    )
    await projected.history.learn(record(JobState.RUNNING, job_id=4, start=70, nodes=("n1", "n9")))
    await projected.follow()
    assert await projected.ask("MATCH (n:Node {name: 'n1'}) RETURN n.state") == [("DOWN",)]
    assert await projected.ask("MATCH (p:Partition)-[:MEMBER]->(n) RETURN p.name, n.name") == [("batch", "n1")]
    assert await projected.ask("MATCH (:Job {jobid: '4'})<-[:PART_OF]-(n) RETURN n.name ORDER BY n.name") == [
        ("n1",),
        ("n9",),
    ]
    assert projected.projector.lag.rebuilds == 1
    kept_up = await projected.whole()
    await projected.graph.lose_cursor()
    await projected.follow()
    assert projected.projector.lag.rebuilds == 2
    assert await projected.whole() == kept_up
    await projected.ask("MATCH (n) DETACH DELETE n")
    await projected.follow()
    assert projected.projector.lag.rebuilds == 3
    assert await projected.whole() == kept_up


async def test_names_with_quotes_and_cypher_are_values_and_two_clusters_are_apart(projected: Projected) -> None:
    other = Projected(projected.history, projected.server, "other")
    try:
        await other.recorder.take(telling(BEGIN_NS, fact(f"node {EVIL}", "exists", True)))
        await projected.recorder.take(
            telling(
                BEGIN_NS,
                fact(f"node {EVIL}", "exists", True),
                fact(f"node {EVIL}", "features", ("a`b", "c'd")),
                relation(f"switch {EVIL}", "contains", f"node {EVIL}"),
            )
        )
        await projected.follow()
        await other.follow()
        rows = await projected.ask("MATCH (n:Node) RETURN n.cluster, n.name, n.features ORDER BY n.cluster")
        assert rows == [("demo", EVIL, ["a`b", "c'd"]), ("other", EVIL, None)]
        await other.graph.lose_cursor()
        await other.follow()
        assert await projected.ask("MATCH (:Switch)-[:CONNECTS]->(n:Node) RETURN n.cluster") == [("demo",)]
    finally:
        await other.graph.close()


async def test_where_changes_were_not_noted_the_graph_is_made_anew(projected: Projected) -> None:
    await a_cluster(projected)
    await projected.follow()
    await nobody_follows(projected.history.store, "demo")
    projected.history.store.notes_changes = False
    await projected.history.learn(record(JobState.RUNNING, job_id=5, start=70, nodes=("n1",)))
    projected.history.store.notes_changes = True
    await projected.follow()
    assert projected.projector.lag.rebuilds == 2
    assert len(await projected.ask("MATCH (j:Job {jobid: '5'}) RETURN j")) == 1


async def test_jobs_that_ended_long_ago_are_not_in_the_graph(projected: Projected) -> None:
    await a_cluster(projected)
    await projected.follow()
    projected.history.clock.advance(91 * 86_400)
    await projected.graph.expire(BEGIN_S + 55)
    assert await projected.ask("MATCH (j:Job) RETURN j.jobid") == [("3",)]
    await projected.graph.lose_cursor()
    await projected.follow()
    assert await projected.ask("MATCH (j:Job) RETURN j.jobid") == []


async def test_while_neo4j_is_away_the_hub_works_on_and_says_how_much_waits(projected: Projected) -> None:
    away = GraphConfig(url="bolt://127.0.0.1:1", timeout_s=1.0)
    projector = GraphProjector(projected.history.store, away, "demo", projected.history.news, projected.history.clock)
    await a_cluster(projected)
    with pytest.raises(GraphAway):
        await projector.run()
    assert projector.lag.waiting > 5
    assert projector.lag.last_error
    assert (await projected.history.facts(1)).run == 1


async def test_the_command_makes_the_graph_anew_beside_a_hub_which_goes_on_from_there(
    projected: Projected, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await a_cluster(projected)
    await projected.follow()
    before = await projected.whole()
    await projected.ask("MATCH (n:Node) SET n.name = 'spoilt'")
    config = tmp_path / "hub.toml"
    config.write_text(
        f'cluster = "demo"\n[database]\nurl = "sqlite:///{tmp_path}/hub.sqlite3"\n'
        f'[graph]\nurl = "{projected.server.url}"\njobs_days = 36500\n'
    )
    assert await asyncio.to_thread(main, ["graph", "rebuild", "--config", str(config)]) == 0
    assert "things and 3 jobs of demo are in the graph" in capsys.readouterr().out
    assert await projected.whole() == before
    await projected.history.learn(record(JobState.RUNNING, job_id=4, start=70, nodes=("n1",)))
    await projected.follow()
    assert projected.projector.lag.rebuilds == 1
    assert len(await projected.ask("MATCH (j:Job) RETURN j")) == 4


def test_the_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "hub.toml"
    config.write_text('cluster = "demo"\n')
    assert main(["graph", "rebuild", "--config", str(config)]) == 2
    assert "there is no [graph]" in capsys.readouterr().err
    config.write_text(f'cluster = "demo"\n[database]\nurl = "sqlite:///{tmp_path}/none.sqlite3"\n[graph]\n')
    assert main(["graph", "rebuild", "--config", str(config)]) == 2
    assert "is not there: has a hub ever run with it?" in capsys.readouterr().err
