"""The inventory asked at moments of the past, joined with the runs of then, by people who may see more or less."""

from __future__ import annotations

import pytest

from slurmlens.clock import NS_PER_S
from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.inventory.entities import EntityKind
from slurmlens.hub.inventory.questions.difference import differences
from slurmlens.hub.inventory.read.queries import InventoryQueries
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.slurm.records import JobState
from testkit.hub_history import History, record
from testkit.inventories import entity, fact, relation, telling
from testkit.told_events import BEGIN_S

BEGIN_NS = BEGIN_S * NS_PER_S
BOB = Viewer("bob", frozenset({Role.USER}))


def moment(seconds: float) -> int:
    return BEGIN_NS + round(seconds * NS_PER_S)


@pytest.fixture
async def inventory(history: History) -> InventoryQueries:
    """n1 and n2 in partition all; n2 leaves for partition big at 100 s, and is drained from 100 to 200 s."""
    recorder = InventoryRecorder(history.store, "demo")
    nodes = fact("node n1", "exists", True), fact("node n2", "exists", True)
    ours = relation("partition all", "contains", "node n1")
    before = fact("node n1", "state", "IDLE"), fact("node n2", "state", "IDLE")
    drained = fact("node n1", "state", "IDLE"), fact("node n2", "state", "IDLE+DRAIN")
    big = relation("partition big", "contains", "node n2")
    await recorder.take(telling(moment(-100), *nodes, *before, ours, relation("partition all", "contains", "node n2")))
    await recorder.take(telling(moment(100), *nodes, *drained, ours, big))
    await recorder.take(telling(moment(200), *nodes, *before, ours, big))
    tree = relation("switch core", "contains", "switch s1"), relation("switch core", "contains", "switch s2")
    leaves = relation("switch s1", "contains", "node n1"), relation("switch s2", "contains", "node n2")
    await recorder.take(telling(moment(-100), *tree, *leaves, source="topology"))
    people = [relation(f"user {name}", "charges", f"account of-{name}") for name in ("alice", "bob")]
    people_facts = [fact(f"user {name}", "exists", True) for name in ("alice", "bob")]
    await recorder.take(telling(moment(-100), *people, *people_facts, source="jobs"))
    return InventoryQueries(history.store, "demo")


async def test_a_node_is_in_the_partition_of_then(inventory: InventoryQueries) -> None:
    async def partitions(at_s: float) -> set[str]:
        told = await inventory.entity(EVERYBODY, entity("node n2"), moment(at_s))
        return {one.entity.name for one in told.state.relations if one.entity.kind == "partition"}

    assert await partitions(0) == {"all"}
    assert await partitions(99.9) == {"all"}
    assert await partitions(100) == {"big"}
    assert await partitions(-200) == set()


async def test_a_window_has_every_version_of_a_fact_and_the_moment_one(inventory: InventoryQueries) -> None:
    told = await inventory.entity(EVERYBODY, entity("node n2"), moment(300), since_ns=moment(-1000))
    states = [fact.value for fact in told.facts if fact.attribute == "state"]
    assert states == ["IDLE", "IDLE+DRAIN", "IDLE"]
    assert [fact.value for fact in told.state.facts if fact.attribute == "state"] == ["IDLE"]
    later = await inventory.entity(EVERYBODY, entity("node n2"), moment(150), since_ns=moment(120))
    assert [fact.value for fact in later.facts if fact.attribute == "state"] == ["IDLE+DRAIN"]


async def test_all_of_a_kind_at_a_moment(inventory: InventoryQueries) -> None:
    states = await inventory.kind(EVERYBODY, EntityKind.NODE, ("state",), moment(150))
    assert {fact.entity.name: fact.value for fact in states} == {"n1": "IDLE", "n2": "IDLE+DRAIN"}
    assert await inventory.kind(EVERYBODY, EntityKind.NODE, ("state",), moment(-300)) == []


async def test_one_node_at_two_moments_differs_in_what_changed(inventory: InventoryQueries) -> None:
    then = await inventory.entity(EVERYBODY, entity("node n2"), moment(0))
    now = await inventory.entity(EVERYBODY, entity("node n2"), moment(150))
    changed = {one.attribute: (one.left, one.right) for one in differences(then.state, now.state)}
    assert changed == {"state": ("IDLE", "IDLE+DRAIN"), "contains partition": (("all",), ("big",))}


async def learn_runs(history: History) -> None:
    """Job 7 of alice on n1 and n2 from 0 to 50 s, job 8 of bob on n2 from 10 s on."""
    await history.learn(
        record(JobState.COMPLETED, job_id=7, end=50, account="of-alice"),
        record(JobState.RUNNING, job_id=8, start=10, nodes=("n2",)),
    )


async def test_jobs_that_ran_then_stand_in_the_neighbourhood(history: History, inventory: InventoryQueries) -> None:
    await learn_runs(history)

    async def jobs(at_s: float) -> set[str]:
        found = await inventory.neighbourhood(EVERYBODY, entity("node n2"), 1, moment(at_s))
        return {one.entity.name for one in found.entities if one.entity.kind == "job"}

    assert await jobs(5) == {"7"}
    assert await jobs(20) == {"7", "8"}
    assert await jobs(60) == {"8"}
    of_job = await inventory.neighbourhood(EVERYBODY, entity("job 7"), 1, moment(20))
    assert {(one.entity.kind, one.entity.name) for one in of_job.entities if one.distance == 1} == {
        ("node", "n1"),
        ("node", "n2"),
        ("user", "alice"),
        ("partition", "all"),
    }
    for nonsense in ("job x", "job 99999999999999999999999", "job 8/9", "job "):
        assert len((await inventory.neighbourhood(EVERYBODY, entity(nonsense), 2, moment(20))).entities) == 1


async def test_the_blast_radius_of_a_switch_is_the_jobs_below_it(history: History, inventory: InventoryQueries) -> None:
    await learn_runs(history)

    async def touched(of: str, at_s: float) -> set[int]:
        return {run.job_id for run in (await inventory.blast_radius(EVERYBODY, entity(of), moment(at_s))).jobs}

    assert await touched("switch core", 20) == {7, 8}
    assert await touched("switch s1", 20) == {7}
    assert await touched("switch s1", 60) == set()
    assert await touched("node n2", 60) == {8}
    assert await touched("partition all", 20) == {7, 8}
    assert await touched("user alice", 60) == {8}
    assert await touched("switch nobody knows", 20) == set()
    assert (await inventory.blast_radius(EVERYBODY, entity("switch core"), moment(20))).nodes == ("n1", "n2")


async def test_who_may_see_his_own_alone_sees_machines_and_nobody_else(
    history: History, inventory: InventoryQueries
) -> None:
    await learn_runs(history)
    users = await inventory.kind(BOB, EntityKind.USER, ("exists",), moment(20))
    assert [fact.entity.name for fact in users] == ["bob"]
    assert (await inventory.entity(BOB, entity("user alice"), moment(20))).state.facts == ()
    found = await inventory.neighbourhood(BOB, entity("node n2"), 3, moment(20))
    kinds = {one.entity.kind for one in found.entities}
    assert "switch" in kinds
    assert "job" not in kinds
    assert (await inventory.blast_radius(BOB, entity("node n2"), moment(20))).jobs == ()
    assert (await inventory.common_cause(BOB, moment(0), moment(100))).succeeded == 0


async def test_the_common_cause_of_a_window_is_the_node_with_its_counts(
    history: History, inventory: InventoryQueries
) -> None:
    runs = []
    for number in range(30):
        node, names = ("n1", "n2")[number % 2], ("gemm", "cfd")
        state = JobState.FAILED if node == "n2" and number < 16 else JobState.COMPLETED
        runs.append(record(state, job_id=100 + number, end=50 + number, nodes=(node,), name=names[number % 3 == 0]))
    runs.append(record(JobState.FAILED, job_id=900, end=5000, nodes=("n1",)))
    await history.learn(*runs)
    answer = await inventory.common_cause(EVERYBODY, moment(0), moment(1000))
    assert (answer.failed, answer.succeeded) == (8, 22)
    first = answer.causes[0]
    assert (first.kind, first.name) in {("node", "n2"), ("switch", "s2")}
    assert (first.failed, first.succeeded, first.failed_without, first.succeeded_without) == (8, 7, 0, 15)
    assert first.q < 0.05
    twin = {"node n2", "switch s2"} - {f"{first.kind} {first.name}"}
    assert twin <= set(first.by)


async def test_a_run_knows_the_cluster_of_when_it_began_and_what_changed_since(inventory: InventoryQueries) -> None:
    then = await inventory.memberships(EVERYBODY, "all", "alice", ["n2"], moment(50), moment(300))
    nodes, switches = then
    assert (nodes.entity.name, nodes.then, nodes.left, nodes.came) == ("all", ("n1", "n2"), ("n2",), ())
    assert (switches.then, switches.left, switches.came) == (("s2",), (), ())
    assert await inventory.memberships(EVERYBODY, "all", None, ["n2"], moment(-200), moment(300)) == ()
    seen = await inventory.memberships(BOB, None, "alice", ["n2"], moment(50), moment(300))
    assert [one.entity.kind for one in seen] == ["node"]


async def test_around_a_job_stands_the_cluster_of_when_it_began(history: History, inventory: InventoryQueries) -> None:
    await history.learn(record(JobState.COMPLETED, job_id=7, end=60, start=50, nodes=("n2",)))
    began_ns = await inventory.began_ns(EVERYBODY, "7")
    assert began_ns == moment(50)
    found = await inventory.neighbourhood(EVERYBODY, entity("job 7"), 2, began_ns)
    assert {"n1", "n2"} <= {one.entity.name for one in found.entities}
    assert "big" not in {one.entity.name for one in found.entities}
    assert await inventory.began_ns(BOB, "7") is None
