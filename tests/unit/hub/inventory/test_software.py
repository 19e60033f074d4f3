"""Software of nodes in the hub's memory: sets kept once, asked at any moment, and held against failed runs."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from slurmlens.errors import DecodeError
from slurmlens.events import MOST_PACKAGES, Package
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.inventory.questions.software import (
    Drift,
    NodeSet,
    PackageName,
    drift_report,
    package_changes,
    software_candidates,
    versions_by_package,
)
from slurmlens.hub.inventory.read.queries import InventoryQueries
from slurmlens.hub.inventory.read.software import SoftwareQueries
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.inventory.software import packed_set, unpacked_set
from slurmlens.hub.inventory.tables import facts, software_sets
from slurmlens.slurm.records import JobState
from slurmlens.wire import ecs
from slurmlens.wire.received import receive, received_lines
from testkit.hub_history import History, record
from testkit.inventories import entity, relation, telling
from testkit.node_software import packages, software
from testkit.told_events import at_ns

NAMES = st.text(min_size=1, max_size=4)
PACKAGES = st.lists(st.builds(Package, NAMES, NAMES, st.sampled_from(["amd64", ""])), max_size=12)


@pytest.fixture
def queries(history: History) -> SoftwareQueries:
    return SoftwareQueries(history.store, "demo")


async def versions(queries: SoftwareQueries, name: str, seconds: float) -> dict[str, tuple[str, ...]]:
    told = await queries.library(EVERYBODY, name, at_ns(seconds))
    return {one.version: one.nodes for one in told.versions}


async def test_which_version_of_a_library_had_a_node_at_a_moment(history: History, queries: SoftwareQueries) -> None:
    await history.apply([software("n1", *packages(mpi="4.1")), software("n2", *packages(mpi="4.1"))])
    await history.apply([software("n2", *packages(mpi="5.0"), seconds=100)])
    await history.apply([software("n1", seconds=200)])
    assert await versions(queries, "mpi", -1) == {}
    assert await versions(queries, "mpi", 99) == {"4.1": ("n1", "n2")}
    assert await versions(queries, "mpi", 100) == {"4.1": ("n1",), "5.0": ("n2",)}
    assert await versions(queries, "mpi", 200) == {"5.0": ("n2",)}


async def test_equal_nodes_cost_one_set(history: History) -> None:
    many = packages(**{f"lib{number}": "1" for number in range(300)})
    await history.apply([software(f"n{number}", *many) for number in range(300)])

    sets = await history.store.read(lambda c: c.execute(select(software_sets)).all())
    assert len(sets) == 1
    assert await history.store.read(lambda c: c.execute(select(func.count()).select_from(facts)).scalar_one()) == 300


async def test_the_same_telling_again_and_an_older_one_change_nothing(
    history: History, queries: SoftwareQueries
) -> None:
    told = software("n1", *packages(mpi="4.1"), seconds=10)
    assert len((await history.apply([told])).new) == 1
    assert (await history.apply([told])).new == ()
    assert (await history.apply([software("n1", *packages(mpi="3.0"), seconds=5)])).new == ()
    assert await versions(queries, "mpi", 20) == {"4.1": ("n1",)}


async def test_two_million_packages_are_a_clear_problem_and_what_was_known_stays(
    history: History, queries: SoftwareQueries
) -> None:
    await history.apply([software("n1", *packages(mpi="4.1"))])
    problem = "2000000 packages are more than the 20000 that are told of one source: name fewer folders"
    await history.apply([software("n1", seconds=10, problem=problem, count=2_000_000)])
    await history.apply([software("n2", *packages(mpi="4.1"), seconds=10)])
    (source,) = await queries.of_node(EVERYBODY, "n1", at_ns(20))
    assert source.held.problem == problem
    assert [one.name for one in source.packages] == ["mpi"]
    await history.apply([software("n1", *packages(mpi="5.0"), seconds=30)])
    (source,) = await queries.of_node(EVERYBODY, "n1", at_ns(40))
    assert (source.held.problem, source.packages) == (None, packages(mpi="5.0"))


async def test_a_count_without_its_packages_is_a_problem_too(history: History, queries: SoftwareQueries) -> None:
    await history.apply([software("n1", *packages(mpi="4.1"), count=2_000_000)])
    (source,) = await queries.of_node(EVERYBODY, "n1", at_ns(1))
    assert source.held.problem == "2000000 packages are there, 1 were told"


def test_a_line_with_more_packages_than_a_node_tells_is_refused_alone() -> None:
    fine = ecs.encode(software("n1", *packages(mpi="4.1")))
    many = tuple(Package(f"p{number}", "1") for number in range(MOST_PACKAGES + 1))
    body = b"\n".join([fine, ecs.encode(software("n2", *many)), fine])
    taken = [one for _, one in received_lines(body)]
    assert [isinstance(one, DecodeError) for one in taken] == [False, True, False]
    assert "packages" in str(taken[1])
    huge = msgspec.json.encode([["p", "1", ""]] * 2_000_000)
    with pytest.raises(DecodeError, match="at most"):
        receive(fine.replace(b'[["mpi","4.1",""]]', huge))


async def test_a_node_that_drifts_from_its_partition_is_said_with_what_is_usual(
    history: History, queries: SoftwareQueries
) -> None:
    nodes = [f"n{number}" for number in range(10)]
    recorder = InventoryRecorder(history.store, "demo")
    await recorder.take(telling(at_ns(0), *(relation("partition all", "contains", f"node {node}") for node in nodes)))
    for node in nodes:
        version = "5.0" if node == "n3" else "4.1"
        await history.apply([software(node, *packages(mpi=version, half="ab"[int(node[1:]) % 2]))])
    report = (await queries.drift(EVERYBODY, at_ns(1))).drift
    (drift,) = report.drifts
    assert (drift.node, drift.group, drift.has, drift.usual, drift.share) == ("n3", "all", ("5.0",), ("4.1",), 0.9)
    (two,) = report.populations
    assert (two.name, two.first_nodes, two.second_nodes) == ("half", 5, 5)


async def test_a_version_that_failed_runs_had_is_a_common_cause_of_the_version_of_then(history: History) -> None:
    """Half of the nodes were updated at 50 s: runs that began there later fail, wherever; those before did not."""
    for number in range(6):
        await history.apply([software(f"n{number}", *packages(mpi="4.1", libc="2"))])
    for number in range(3):
        await history.apply([software(f"n{number}", *packages(mpi="5.0", libc="2"), seconds=50)])
    runs = []
    for number in range(60):
        node, start = number % 6, 10 + 2 * number
        state = JobState.FAILED if node < 3 and start >= 50 else JobState.COMPLETED
        name = f"job{number % 5}"
        runs.append(record(state, job_id=100 + number, start=start, end=start + 1, nodes=(f"n{node}",), name=name))
    await history.learn(*runs)
    answer = await InventoryQueries(history.store, "demo").common_cause(EVERYBODY, at_ns(0), at_ns(500))
    first = answer.causes[0]
    assert (first.kind, first.name, first.is_named) == ("software", "dpkg mpi 5.0", True)
    assert first.succeeded == 0
    assert answer.tried["software"] == 2, "what all nodes had explains nothing"


async def test_jobs_beside_a_library_are_its_blast_radius(history: History) -> None:
    await history.apply([software("n1", *packages(mpi="4.1")), software("n2", *packages(mpi="5.0"))])
    await history.learn(
        record(JobState.RUNNING, job_id=1, nodes=("n1",)), record(JobState.RUNNING, job_id=2, nodes=("n2",))
    )
    inventory = InventoryQueries(history.store, "demo")

    async def jobs(name: str) -> list[int]:
        found = await inventory.blast_radius(EVERYBODY, entity(f"software {name}"), at_ns(5))
        return sorted(run.job_id for run in found.jobs)

    assert await jobs("mpi") == [1, 2]
    assert await jobs("mpi 5.0") == [2]
    assert await jobs("nothing") == []


@given(PACKAGES, st.randoms(use_true_random=False))
def test_a_set_is_known_by_what_is_in_it_in_whatever_order(told: list[Package], random: object) -> None:
    shuffled = list(told)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    packed = packed_set(told)
    assert packed == packed_set(shuffled)
    assert unpacked_set(packed.packages) == tuple(sorted(set(told)))


@given(PACKAGES, PACKAGES)
def test_a_difference_applied_to_the_one_gives_the_other(left: list[Package], right: list[Package]) -> None:
    before, after = versions_by_package("dpkg", set(left)), versions_by_package("dpkg", set(right))
    changed = {PackageName(one.source, one.name, one.place): one.right for one in package_changes(before, after)}
    made = {package: versions for package, versions in {**before, **changed}.items() if versions}
    assert made == after


@given(st.lists(st.sampled_from([packages(a="1"), packages(a="2"), packages(a="1", b="1")]), min_size=4, max_size=12))
def test_who_drifts_is_what_counting_every_package_of_every_node_says(told: list[tuple[Package, ...]]) -> None:
    sets = {packed_set(one).digest: one for one in told}
    held = [NodeSet(node=f"n{i}", source="dpkg", digest=packed_set(one).digest) for i, one in enumerate(told)]
    report = drift_report({"all": [one.node for one in held]}, held, sets)
    wanted = set()
    for name in ("a", "b"):
        has = [tuple(sorted(p.version for p in one if p.name == name)) for one in told]
        for index, own in enumerate(has):
            usual = max(set(has), key=has.count)
            if own != usual and has.count(usual) >= 0.8 * len(has):
                wanted.add((f"n{index}", name))
    assert {(one.node, one.name) for one in report.drifts if isinstance(one, Drift)} == wanted


def test_packages_that_are_always_together_are_one_candidate() -> None:
    sets = {"x": packages(a="1", b="1", c="1"), "y": packages(a="2", b="2", c="1")}
    found = software_candidates({"x": "dpkg", "y": "dpkg"}, sets)
    assert [one.name for one in found["x"]] == ["dpkg a 1 and 1 more"]
    assert [one.name for one in found["y"]] == ["dpkg a 2 and 1 more"]
