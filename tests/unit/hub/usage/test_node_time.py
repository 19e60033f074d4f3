"""Each second of each core of each node is spent on one thing, and all of them add up to what the nodes had."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.hub.usage.node_time import (
    CLUSTER,
    Amounts,
    NodeHold,
    NodeSpan,
    NodeSums,
    NodeValue,
    UnitState,
    free_state,
    gpus_in,
    node_time,
    shares,
)
from testkit.usage_oracle import node_seconds

END_S = 40
WORDS = st.sampled_from(["IDLE", "MIXED", "DOWN", "IDLE+DRAIN", "IDLE+MAINTENANCE"])
moments = st.integers(-5, END_S + 5)
spans = st.tuples(moments, moments).map(sorted).map(tuple)


@st.composite
def one_after_another(draw: st.DrawFn, values: st.SearchStrategy[object]) -> tuple[NodeValue, ...]:
    """A value that changes now and then, with gaps, as the inventory holds one source's facts."""
    cuts = sorted(draw(st.sets(moments, max_size=5)))
    told = (NodeValue(begin, end, draw(values)) for begin, end in pairwise(cuts))
    return tuple(one for one in told if draw(st.booleans()))


nodes = st.builds(
    lambda states, cores, held, batch, gpu: NodeSpan(
        states=states, cores=cores, held=tuple(held), partitions={"batch": (batch,), "gpu": (gpu,)}
    ),
    one_after_another(WORDS),
    one_after_another(st.integers(1, 6)),
    st.lists(st.builds(lambda span, cores: NodeHold(*span, Amounts(1, cores)), spans, st.integers(0, 6)), max_size=4),
    spans,
    spans,
)


@given(st.lists(nodes, max_size=3))
def test_states_are_those_of_the_slow_oracle(some: list[NodeSpan]) -> None:
    found = {
        key: Counter({"node_s": sums.node_s, "core_s": sums.core_s}) for key, sums in node_time(some, 0, END_S).items()
    }
    oracle = node_seconds(some, 0, END_S)
    assert {key: +counts for key, counts in found.items() if +counts} == {
        key: +counts for key, counts in oracle.items() if +counts
    }


@given(st.lists(nodes, max_size=3), st.integers(0, END_S))
def test_two_spans_add_up_to_both(some: list[NodeSpan], cut: int) -> None:
    whole, first, second = node_time(some, 0, END_S), node_time(some, 0, cut), node_time(some, cut, END_S)
    keys = first.keys() | second.keys()
    nothing = NodeSums()
    assert {key: first.get(key, nothing).plus(second.get(key, nothing)) for key in keys} == whole


def test_a_draining_nodes_busy_cores_are_allocated_and_its_free_ones_drained() -> None:
    node = NodeSpan(
        states=(NodeValue(0, 100, "MIXED+DRAIN"),),
        cores=(NodeValue(0, 100, 8),),
        held=(NodeHold(0, 50, Amounts(1, 3)),),
    )
    found = node_time([node], 0, 100)
    assert found[CLUSTER, UnitState.ALLOCATED].core_s == 150
    assert found[CLUSTER, UnitState.DRAINED].core_s == 650
    assert (found[CLUSTER, UnitState.ALLOCATED].node_s, found[CLUSTER, UnitState.DRAINED].node_s) == (50, 50)


def test_partitions_that_share_a_node_have_each_the_whole_of_it() -> None:
    node = NodeSpan(
        states=(NodeValue(0, 10, "IDLE"),), cores=(NodeValue(0, 10, 4),), partitions={"a": ((0, 10),), "b": ((5, 10),)}
    )
    found = {place: sums.core_s for (place, _), sums in node_time([node], 0, 10).items()}
    assert found == {CLUSTER: 40, "a": 40, "b": 20}


def test_what_jobs_hold_beyond_the_node_is_outside_the_sum() -> None:
    node = NodeSpan(
        states=(NodeValue(0, 10, "DOWN"),), cores=(NodeValue(0, 10, 4),), held=(NodeHold(0, 10, Amounts(1, 6)),)
    )
    found = node_time([node], 0, 10)
    assert found[CLUSTER, UnitState.ALLOCATED].core_s == 40
    assert found[CLUSTER, UnitState.OVERSUBSCRIBED].core_s == 20
    assert (CLUSTER, UnitState.DOWN) not in found


def test_states_have_their_precedence() -> None:
    told = ("DOWN+DRAIN", "IDLE+DRAIN+MAINTENANCE", "IDLE+DRAIN", "IDLE+POWERED_DOWN", "FUTURE", "ALLOCATED", None)
    assert [free_state(words) for words in told] == [
        UnitState.DOWN,
        UnitState.MAINTENANCE,
        UnitState.DRAINED,
        UnitState.POWERED_OFF,
        UnitState.FUTURE,
        UnitState.IDLE,
        UnitState.UNKNOWN,
    ]


def test_gpus_of_all_types_count_and_nothing_else() -> None:
    assert [gpus_in(gres) for gres in ("gpu:a100:4(S:0-1),shard:8,gpu:2", "gpu", "craynetwork:4", None)] == [6, 1, 0, 0]


@given(st.integers(0, 1000), st.integers(1, 50))
def test_shares_add_up(total: int, parts: int) -> None:
    found = list(shares(total, parts))
    assert sum(found) == total
    assert max(found) - min(found) <= 1
