"""A node's state boiled down to how its resources are: each formula, and what is not told stays not told."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.events import GpuState, NodeReading
from slurmlens.hub.node_states.facts import NodeStateTold
from slurmlens.hub.node_states.resources import FullFileSystem, UseFigures, figures_of
from slurmlens.node_metrics import NODE_METRICS


def told(*readings: tuple[str, str, float], gpus: tuple[GpuState, ...] = ()) -> UseFigures:
    made = tuple(NodeReading(name, of, value) for name, of, value in readings)
    return figures_of(NodeStateTold(told_ns=1, interval_s=60.0, readings=made, gpus=gpus))


def test_traffic_is_the_fuller_direction_of_each_link_whose_speed_is_known() -> None:
    figures = told(
        ("network.received_bytes_per_second", "eth0", 1e8),
        ("network.sent_bytes_per_second", "eth0", 2e8),
        ("network.link_bits_per_second", "eth0", 1e10),
        ("infiniband.received_bytes_per_second", "mlx5_0/1", 1e9),
        ("infiniband.link_bits_per_second", "mlx5_0/1", 1e10),
        ("network.received_bytes_per_second", "veth9", 5e9),
    )
    assert (figures.traffic_bits_per_second, figures.link_bits_per_second) == (9.6e9, 2e10)
    assert figures.link_ratio == 0.8


def test_memory_in_use_is_what_could_not_be_had() -> None:
    figures = told(("memory.total_bytes", "", 100.0), ("memory.available_bytes", "", 25.0))
    assert (figures.memory_used_bytes, figures.memory_bytes) == (75.0, 100.0)


def test_the_fullest_file_system_counts_inodes_as_well_as_bytes() -> None:
    figures = told(
        ("filesystem.used_ratio", "/", 0.4),
        ("filesystem.files_used_ratio", "/", 0.99),
        ("filesystem.used_ratio", "/home", 0.5),
        ("filesystem.hangs_count", "/home", 1.0),
        ("filesystem.read_only_count", "/software", 1.0),
    )
    assert figures.fullest == FullFileSystem("/", 0.99)
    assert (figures.full_file_systems, figures.broken_file_systems) == (1, 1)


def test_gpus_that_say_nothing_are_counted_and_instances_are_not() -> None:
    whole = GpuState(uuid="a", utilisation_ratio=0.5, memory_used_bytes=3, memory_total_bytes=4, throttles=("heat",))
    figures = told(gpus=(whole, GpuState(uuid="b", problem="gone"), GpuState(uuid="c", part_of="a")))
    assert (figures.gpus, figures.busy_gpus, figures.gpu_memory_ratio) == (2, 0.5, 0.75)
    assert (figures.throttled_gpus, figures.broken_gpus) == (1, 1)


def test_of_what_nobody_told_nothing_is_known() -> None:
    assert told() == UseFigures(interval_s=60.0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([metric.full_name for metric in NODE_METRICS]),
            st.sampled_from(("", "a", "/")),
            st.floats(min_value=0, max_value=1e15),
        ),
        max_size=40,
    )
)
def test_figures_of_any_readings_are_written_and_read_back(readings: list[tuple[str, str, float]]) -> None:
    figures = told(*readings)
    assert msgspec.json.decode(msgspec.json.encode(figures), type=UseFigures) == figures
