"""The map of the cluster: the same cluster looks the same, jobs keep their colours, states have shapes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.hub.inventory.entities import Entity, HeldFact, HeldRelation
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.views.cluster_map.build import COLOURS, build_cluster_map, colour_of
from slurmlens.hub.views.cluster_map.view import ClusterMapView
from slurmlens.hub.web.map_drawing import MOST_LINKED, draw_cluster_map
from slurmlens.slurm.records import JobState
from testkit.inventories import entity


def state(node: str, told: str) -> HeldFact:
    return HeldFact(entity=entity(f"node {node}"), attribute="state", value=told, source="t", valid_from_ns=0)


def contains(switch: str, other: str) -> HeldRelation:
    return HeldRelation(
        entity=entity(f"switch {switch}"), relation="contains", other=entity(other), source="t", valid_from_ns=0
    )


def run(job_id: int, *nodes: str) -> PlacedRun:
    return PlacedRun(job_id=job_id, run=1, state=JobState.RUNNING, user="alice", nodes=nodes)


NODES = [state("n1", "MIXED"), state("n2", "ALLOCATED"), state("n10", "IDLE"), state("n3", "DOWN"), state("n4", "IDLE")]
TREE = [
    contains("core", "switch s2"),
    contains("core", "switch s1"),
    contains("s1", "node n1"),
    contains("s1", "node n2"),
    contains("s1", "node n10"),
    contains("s2", "node n3"),
]


def a_map(*runs: PlacedRun) -> ClusterMapView:
    return build_cluster_map("demo", NODES, TREE, runs, 5, 5)


def test_switches_stand_in_the_order_of_a_walk_and_nodes_below_them_in_natural_order() -> None:
    view = a_map(run(7, "n1", "n2"), run(8, "n1"))
    assert [(one.name, one.depth, one.above, [node.name for node in one.nodes]) for one in view.switches] == [
        ("core", 0, None, []),
        ("s1", 1, "core", ["n1", "n2", "n10"]),
        ("s2", 1, "core", ["n3"]),
        ("", 0, None, ["n4"]),
    ]
    assert view.sentence == "5 nodes below 3 switches, 2 jobs on 2 of them."
    assert view.switches[1].nodes[0].jobs == (0, 1)


def test_each_job_is_a_stripe_with_its_link_and_what_is_out_has_a_shape() -> None:
    drawn = draw_cluster_map(a_map(run(7, "n1", "n2"), run(8, "n1")))
    stripes = [(one.address, one.look) for one in drawn.marks if one.address.startswith("job")]
    assert stripes == [
        ("job 7/1", f"job{colour_of(7)}"),
        ("job 8/1", f"job{colour_of(8)}"),
        ("job 7/1", f"job{colour_of(7)}"),
    ]
    assert [one.title for one in drawn.marks if one.look == "out"] == ["n3: down"]


def test_a_node_that_is_busy_with_jobs_of_others_says_no_more_than_that() -> None:
    looks = {one.address: one.look for one in draw_cluster_map(a_map()).marks}
    assert (looks["node n1"], looks["node n4"]) == ("busy", "free")


def test_ten_thousand_nodes_are_few_paths() -> None:
    nodes = [state(f"n{number}", "IDLE") for number in range(10_000)]
    view = build_cluster_map("demo", nodes, [contains("s1", f"node n{number}") for number in range(10_000)], [], 5, 5)
    drawn = draw_cluster_map(view)
    assert len(view.switches[0].nodes) > MOST_LINKED
    assert len(drawn.marks) == 1


@given(st.integers(1, 2**32 - 1))
def test_a_colour_follows_from_the_job_alone_and_neighbours_differ(job_id: int) -> None:
    assert 0 <= colour_of(job_id) < COLOURS
    assert colour_of(job_id) != colour_of(job_id + 1)


SWITCHES = st.sampled_from(["a", "b", "c"])


@given(
    st.lists(st.tuples(SWITCHES, SWITCHES | st.sampled_from(["n1", "n2"])), max_size=10),
    st.randoms(use_true_random=False),
)
def test_any_relations_make_a_map_that_has_every_node_once_and_does_not_depend_on_their_order(
    told: list[tuple[str, str]], chance: object
) -> None:
    relations = [
        HeldRelation(
            entity=Entity("switch", one),
            relation="contains",
            other=Entity("node" if other.startswith("n") else "switch", other),
            source="t",
            valid_from_ns=0,
        )
        for one, other in told
    ]
    view = build_cluster_map("demo", NODES, relations, [], 5, 5)
    chance.shuffle(relations)  # type: ignore[attr-defined]
    assert build_cluster_map("demo", NODES, relations, [], 5, 5) == view
    shown = [node.name for switch in view.switches for node in switch.nodes]
    assert sorted(shown) == ["n1", "n10", "n2", "n3", "n4"]
    draw_cluster_map(view)


def test_a_cluster_whose_switches_nobody_told_is_not_below_none_of_them() -> None:
    view = build_cluster_map("demo", NODES[-1:], (), (), 5, 5)
    assert view.sentence == "1 node and no switch that the hub knows of, no job on them."
