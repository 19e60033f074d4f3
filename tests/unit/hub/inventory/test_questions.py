"""Questions about the cluster on plain values: what is around, below, touched, different, and what runs had."""

from __future__ import annotations

from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.hub.inventory.common_cause import Candidate, common_cause
from slurmlens.hub.inventory.entities import CONTAINS, FOREVER, Entity, FactValue, HeldFact, HeldRelation
from slurmlens.hub.inventory.questions.below import nodes_below, switches_above
from slurmlens.hub.inventory.questions.blast_radius import blast_radius
from slurmlens.hub.inventory.questions.difference import differences
from slurmlens.hub.inventory.questions.neighbourhood import Neighbourhood, explore
from slurmlens.hub.inventory.questions.trials import trials
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.inventory.states import EntityState, latest_facts
from slurmlens.slurm.records import JobState
from testkit.inventories import entity


def held(of: str, other: str, begin_ns: int = 0, end_ns: int = FOREVER, name: str = CONTAINS) -> HeldRelation:
    return HeldRelation(
        entity=entity(of),
        relation=name,
        other=entity(other),
        source="test",
        valid_from_ns=begin_ns,
        valid_to_ns=end_ns,
    )


def known(of: str, attribute: str, value: FactValue, begin_ns: int = 0, end_ns: int = FOREVER) -> HeldFact:
    return HeldFact(
        entity=entity(of),
        attribute=attribute,
        value=value,
        source="test",
        valid_from_ns=begin_ns,
        valid_to_ns=end_ns,
    )


def run(
    job_id: int, state: JobState = JobState.COMPLETED, nodes: tuple[str, ...] = ("n1",), **more: object
) -> PlacedRun:
    fields: dict[str, object] = {"user": "alice", "name": "gemm", "partition": "all", "start_ns": 10, "end_ns": 20}
    return PlacedRun(job_id=job_id, run=1, state=state, nodes=nodes, **(fields | more))  # type: ignore[arg-type]


TREE = [
    held("switch core", "switch leaf1"),
    held("switch core", "switch leaf2"),
    held("switch leaf1", "node n1"),
    held("switch leaf1", "node n2"),
    held("switch leaf2", "node n3"),
    held("partition all", "node n1"),
]


def around(relations: list[HeldRelation], root: str, depth: int, most: int = 100) -> Neighbourhood:
    def relations_of(level: Collection[Entity]) -> list[HeldRelation]:
        return [one for one in relations if one.entity in level or one.other in level]

    return explore(entity(root), depth, 5, relations_of, most)


def names(found: Neighbourhood, distance: int) -> set[str]:
    return {one.entity.name for one in found.entities if one.distance == distance}


def test_a_neighbourhood_grows_level_by_level() -> None:
    found = around(TREE, "node n1", 2)
    assert names(found, 1) == {"leaf1", "all"}
    assert names(found, 2) == {"core", "n2"}
    assert {one.other.name for one in found.relations if one.entity.name == "leaf1"} == {"n1", "n2"}
    assert not found.has_more
    assert around(TREE, "node n1", 0).relations == ()


def test_a_neighbourhood_that_is_too_large_has_its_nearest_and_says_so() -> None:
    found = around(TREE, "switch core", 3, most=3)
    assert len(found.entities) == 3
    assert found.has_more
    assert {one.entity for one in found.relations} <= {one.entity for one in found.entities}


EDGES = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde")), max_size=12)


@given(EDGES, st.integers(0, 5))
def test_any_graph_with_loops_or_without_is_walked_once(edges: list[tuple[str, str]], depth: int) -> None:
    found = around([held(f"switch {a}", f"switch {b}") for a, b in edges], "switch a", depth)
    entities = [one.entity for one in found.entities]
    assert len(entities) == len(set(entities))
    assert all(one.distance <= depth for one in found.entities)
    nodes_below(entity("switch a"), [held(f"switch {a}", f"switch {b}") for a, b in edges])
    switches_above([held(f"switch {a}", f"switch {b}") for a, b in edges] + [held("switch a", "node n1")])


def test_below_a_switch_are_the_nodes_of_all_switches_below_it() -> None:
    assert nodes_below(entity("switch core"), TREE) == ("n1", "n2", "n3")
    assert nodes_below(entity("switch leaf2"), TREE) == ("n3",)
    assert nodes_below(entity("node n1"), TREE) == ("n1",)


def test_above_a_node_are_its_switches_in_the_span_that_all_of_the_way_held() -> None:
    moved = [held("switch core", "switch leaf1", 0, 50), held("switch leaf1", "node n1", 10)]
    assert {(one.switch, one.valid_from_ns, one.valid_to_ns) for one in switches_above(moved)["n1"]} == {
        ("leaf1", 10, FOREVER),
        ("core", 10, 50),
    }


def test_a_blast_radius_counts_jobs_and_whose_they_are() -> None:
    runs = [run(1, nodes=("n1", "n2")), run(2, user="bob", account="b"), run(3)]
    found = blast_radius(entity("node n1"), 5, ("n1",), runs, 100)
    assert [(one.name, one.jobs) for one in found.users] == [("alice", 2), ("bob", 1)]
    assert [(one.name, one.jobs) for one in found.accounts] == [("b", 1)]
    assert found.nodes_touched == ("n1", "n2")
    assert not found.has_more
    assert blast_radius(entity("node n1"), 5, ("n1",), runs, 3).has_more


def test_two_sights_differ_in_what_is_told_otherwise_and_since_when() -> None:
    left = EntityState(
        entity=entity("node n1"),
        at_ns=5,
        facts=(known("node n1", "cpu_count", 4), known("node n1", "gres", "gpu:1")),
        relations=(held("partition all", "node n1"),),
    )
    right = EntityState(
        entity=entity("node n2"),
        at_ns=5,
        facts=(known("node n2", "cpu_count", 8, 3), known("node n2", "gres", "gpu:1")),
        relations=(held("partition all", "node n2"), held("partition big", "node n2")),
    )
    cores, partitions = differences(left, right)
    assert (cores.attribute, cores.left, cores.right, cores.since_ns) == ("cpu_count", 4, 8, 3)
    assert (partitions.attribute, partitions.left, partitions.right) == ("contains partition", ("all",), ("all", "big"))
    assert differences(left, left) == ()


def test_a_run_had_what_was_above_and_in_its_nodes_when_it_began() -> None:
    above = switches_above([held("switch old", "node n1", 0, 100), held("switch new", "node n1", 100)])
    facts = [known("node n1", "slurm_version", "22.05", 0, 100), known("node n1", "slurm_version", "23.02", 100)]
    early, late, *more = trials(
        [
            run(1, start_ns=50),
            run(2, JobState.FAILED, start_ns=150),
            run(3, JobState.TIMEOUT),
            run(4, JobState.CANCELLED),
        ],
        above,
        facts,
    )
    assert not more
    assert not early.failed
    assert late.failed
    shared = {Candidate("user", "alice"), Candidate("partition", "all"), Candidate("node", "n1")}
    assert early.candidates == shared | {Candidate("switch", "old"), Candidate("slurm_version", "22.05")}
    assert late.candidates == shared | {Candidate("switch", "new"), Candidate("slurm_version", "23.02")}


def test_the_node_that_fails_jobs_is_named_and_not_the_switch_above_it() -> None:
    above = switches_above([held("switch s1", "node n1"), held("switch s1", "node n2"), held("switch s2", "node n3")])
    runs = [run(number, nodes=(f"n{1 + number % 3}",), user=("alice", "bob")[number % 2]) for number in range(40)]
    runs += [run(100 + number, JobState.FAILED, ("n1",), user=("alice", "bob")[number % 2]) for number in range(6)]
    answer = common_cause(trials(runs, above, []))
    first = answer.causes[0]
    assert (first.kind, first.name, first.is_named) == ("node", "n1", True)
    assert [cause.name for cause in answer.causes if cause.is_named] == ["n1"]


@given(st.permutations([(1, "a"), (5, "b"), (5, "a"), (3, "z")]))
def test_of_what_several_sources_tell_the_newest_counts_in_whatever_order_it_is_read(
    order: list[tuple[int, str]],
) -> None:
    facts = [
        HeldFact(
            entity=entity("node n1"), attribute="state", value=f"{since}{source}", source=source, valid_from_ns=since
        )
        for since, source in order
    ]

    assert latest_facts(facts)["state"].value == "5b"
