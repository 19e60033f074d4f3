"""Nodes' figures over time and at a glance, and who uses nodes from outside: kept once, and shown to whom they are."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.events import GpuState, Outsider
from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.node_states.figures import NODE_FIGURES, FigureBin, joined, pack, told_figures, unpack
from slurmlens.hub.node_states.read import NodeStateQueries
from testkit.hub_history import History
from testkit.node_tellings import node_state
from testkit.told_events import BEGIN_S, at_ns

ALICE = Viewer("alice", frozenset({Role.USER}), sees_all_jobs=True)


@pytest.fixture
def queries(history: History) -> NodeStateQueries:
    return NodeStateQueries(history.store, "demo")


async def test_tellings_are_joined_in_bins_each_once(history: History, queries: NodeStateQueries) -> None:
    begin = -BEGIN_S % 300
    await history.hear(
        *(node_state(begin + at, ("load.load_1min_count", "", value)) for at, value in ((0, 1.0), (60, 3.0)))
    )
    await history.hear(node_state(begin + 120, ("load.load_1min_count", "", 8.0)))
    await history.hear(node_state(begin + 120, ("load.load_1min_count", "", 8.0)))  # the same again
    await history.hear(node_state(begin + 300, ("load.load_1min_count", "", 5.0)))
    (course,) = await queries.course(EVERYBODY, ["n1"], BEGIN_S, BEGIN_S + 900)
    assert course.begins_s == (BEGIN_S + begin, BEGIN_S + begin + 300)
    assert course.means["load"] == (4.0, 5.0)
    assert course.highs["load"] == (8.0, 5.0)
    assert set(course.means) == {"load"}
    assert (await queries.course(EVERYBODY, ["n2"], BEGIN_S, BEGIN_S + 900))[0].begins_s == ()


async def test_the_newest_figures_of_all_nodes_are_had_at_once(history: History, queries: NodeStateQueries) -> None:
    await history.hear(
        node_state(10, ("load.run_queue_count", "", 1.0)),
        node_state(70, ("load.run_queue_count", "", 2.0)),
        node_state(20, ("cpu.cores_count", "", 4.0), ("load.run_queue_count", "", 9.0), node="n2"),
    )
    told = {
        one.node: (one.told_ns, one.figures.cores, one.figures.run_queue) for one in await queries.resources(EVERYBODY)
    }
    assert told == {"n1": (at_ns(70), None, 2.0), "n2": (at_ns(20), 4.0, 9.0)}


async def test_outsiders_are_told_to_operators_alone_and_until_they_are_gone(
    history: History, queries: NodeStateQueries
) -> None:
    gpu = GpuState(uuid="GPU-1", pci="0000:41:00.0", outsiders=(9,), strangers=(1002,))
    await history.hear(
        node_state(10, outsiders=(Outsider(uid=1001, cpu_cores=3.5),), gpus=(gpu,)), node_state(10, node="n2")
    )
    (found,) = await queries.outsiders(EVERYBODY, at_ns(0))
    assert (found.node, found.users[0].uid, found.gpus[0].jobs, found.gpus[0].users) == ("n1", 1001, (9,), (1002,))
    assert await queries.outsiders(ALICE, at_ns(0)) == ()
    assert await queries.outsiders(EVERYBODY, at_ns(11)) == ()
    assert await queries.outsiders(EVERYBODY, at_ns(0), "n2") == ()
    await history.hear(node_state(70))
    assert await queries.outsiders(EVERYBODY, at_ns(0)) == ()


def test_a_figure_is_a_sum_a_mean_or_the_greatest_of_a_nodes_devices() -> None:
    one = told_figures(
        node_state(
            1,
            ("memory.total_bytes", "", 100.0),
            ("memory.available_bytes", "", 30.0),
            ("network.received_bytes_per_second", "lo", 1000.0),
            ("network.received_bytes_per_second", "eth0", 5.0),
            ("network.received_bytes_per_second", "eth1", 6.0),
            ("disk.read_latency_seconds", "sda", 0.5),
            ("disk.write_latency_seconds", "sdb", 0.1),
            ("rapl.power_watts", "package-0", 90.0),
            ("rapl.power_watts", "package-0-core", 60.0),
            ("rapl.power_watts", "package-1", 80.0),
            gpus=(GpuState(uuid="a", utilisation_ratio=0.5), GpuState(uuid="b", utilisation_ratio=1.0)),
        )
    )
    told = {row.name: mean for row, mean in zip(NODE_FIGURES, one.means, strict=True) if not math.isnan(mean)}
    assert told == {
        "memory": 70.0,
        "network_received": 11.0,
        "disk_latency": 0.5,
        "power": 170.0,
        "gpu": 0.75,
    }


values = st.lists(
    st.one_of(st.just(math.nan), st.floats(0, 2.0**99, width=32)),
    min_size=len(NODE_FIGURES),
    max_size=len(NODE_FIGURES),
)


@given(values, values)
def test_a_bin_is_the_same_after_it_was_kept_and_its_mean_lies_between(one: list[float], other: list[float]) -> None:
    bins = FigureBin(1, one, one), FigureBin(2, other, other)
    both = joined(*bins)
    again = unpack(pack(both))
    assert again.count == 3
    for mean, high, *known in zip(again.means, again.highs, one, other, strict=True):
        real = [value for value in known if not math.isnan(value)]
        assert math.isnan(mean) == (not real)
        if real:
            assert min(real) * 0.999 <= mean <= max(real) * 1.001
            assert high == pytest.approx(max(real), rel=1e-6)


def test_a_row_of_before_a_figure_came_is_read_with_that_figure_unknown() -> None:
    whole = pack(FigureBin(1, [1.0] * len(NODE_FIGURES), [2.0] * len(NODE_FIGURES)))
    short = unpack(whole[:-8])
    assert short.means[:-1] == [1.0] * (len(NODE_FIGURES) - 1)
    assert math.isnan(short.means[-1])
    assert math.isnan(short.highs[-1])


def test_a_counter_that_went_mad_is_not_known() -> None:
    assert math.isnan(unpack(pack(FigureBin(1, [1e300] * len(NODE_FIGURES), [1.0] * len(NODE_FIGURES)))).means[0])
