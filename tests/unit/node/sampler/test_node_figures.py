"""The node's own series, from procfs as recorded and from whatever else may stand there."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from slurmlens.cgroup.reading import reading_of
from slurmlens.clock import NS_PER_S
from slurmlens.node.sampler import node_figures
from slurmlens.node.sampler.node_figures import GAUGES, RATES, NodeFigures

NS = 1_000_000_000
TICK = 1_795_420_800 * NS

STAT = "cpu  {user} 0 500 90000 100 10 20 5 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\nbtime 1\n"
MEMORY = "MemTotal:  1000 kB\nMemFree:  100 kB\nMemAvailable:  400 kB\nSwapTotal:  50 kB\nSwapFree:  20 kB\n"
NETWORK = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier
    lo: 999999 1 0 0 0 0 0 0 999999 1 0 0 0 0 0 0
  eth0: {received} 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0
   ib0:1000 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    write(tmp_path, user=1000, received=5000)
    return tmp_path


def write(proc: Path, *, user: int, received: int) -> None:
    (proc / "loadavg").write_text("1.25 0.50 0.10 2/300 4711\n")
    (proc / "stat").write_text(STAT.format(user=user))
    (proc / "meminfo").write_text(MEMORY)
    (proc / "net/dev").write_text(NETWORK.format(received=received))


def told(payload: bytes) -> dict[str, float]:
    lines = [line.split() for line in payload.decode().splitlines()]
    return {path.removeprefix("slurm.demo.nodes.n0.node."): float(value) for path, value, _ in lines}


def test_gauges_come_at_once_and_rates_with_the_second_interval(proc: Path) -> None:
    figures = NodeFigures(proc, "demo", "n0", 10.0)
    pressure = reading_of({"pressure_cpu_some_us": 1_000_000})
    first = told(figures.lines(pressure, TICK).payload)
    assert first == {
        "load_1min_count": 1.25,
        "memory_total_bytes": 1_024_000,
        "memory_available_bytes": 409_600,
        "memory_used_bytes": 614_400,
        "swap_used_bytes": 30_720,
    }
    write(proc, user=3000, received=15_000)
    pressure = reading_of({"pressure_cpu_some_us": 6_000_000})
    second = told(figures.lines(pressure, TICK + 10 * NS).payload)
    assert second["cpu_user_cores"] == 2.0
    assert second["cpu_busy_cores"] == 2.0
    assert second["network_received_bytes_per_second"] == 1000.0
    assert second["pressure_cpu_some_ratio"] == 0.5
    assert set(second) <= {*GAUGES, *RATES}


def test_a_missing_or_odd_file_costs_its_own_figures_alone(proc: Path) -> None:
    (proc / "meminfo").unlink()
    (proc / "stat").write_text("no cpu here\n")
    (proc / "net/dev").write_bytes(b"eth0: \xff\xfe\n")
    assert told(NodeFigures(proc, "demo", "n0", 10.0).lines(None, TICK).payload) == {"load_1min_count": 1.25}


def test_they_are_due_every_ten_seconds_however_short_the_interval(proc: Path) -> None:
    figures = NodeFigures(proc, "demo", "n0", 1.0)
    due = []
    for second in range(31):
        if figures.is_due(TICK + second * NS):
            due.append(second)
            figures.lines(None, TICK + second * NS)
    assert due == [0, 10, 20, 30]


@pytest.mark.parametrize(
    "parse", [node_figures.parse_load, node_figures.parse_memory, node_figures.parse_cpu, node_figures.parse_network]
)
@given(text=st.text())
def test_a_parser_answers_or_says_that_the_text_is_not_the_kernels(parse, text: str) -> None:  # type: ignore[no-untyped-def]
    try:
        figures = parse(text.splitlines())
    except (ValueError, LookupError, StopIteration):
        return
    assert all(isinstance(value, (int, float)) for value in figures.values())


def test_another_interval_holds_for_the_nodes_own_points(tmp_path: Path) -> None:
    figures = NodeFigures(tmp_path, "demo", "n0", 10.0)
    figures.lines(None, 600 * NS_PER_S)
    assert figures.is_due(610 * NS_PER_S)
    figures.retime(60.0)
    assert not figures.is_due(610 * NS_PER_S)
    assert figures.is_due(660 * NS_PER_S)
