"""Names and numbers of series: one component stays one, nothing that is no number leaves."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.metrics import METRICS
from slurmlens.wire import carbon

LINE = re.compile(rb"[A-Za-z0-9_.-]+ (?P<value>\S+) (?P<time>[0-9]+)\n")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("n0", "n0"),
        ("gpu-node_17", "gpu-node_17"),
        ("first_last", "first_last"),
        ("first.last", "first--2elast"),
        ("a-b.c", "a-b--2ec"),
        ("a-.b", "a--2d--2eb"),
        ("a--b", "a--2d--2db"),
        ("eth0.100", "eth0--2e100"),
        ("", "--empty"),
        ("a b", "a--20b"),
        ("../etc", "--2e--2e--2fetc"),
        ("*", "--2a"),
        ("knöten", "kn--c3--b6ten"),
    ],
)
def test_a_name_becomes_one_component(name: str, expected: str) -> None:
    assert carbon.component(name) == expected


@given(st.text())
def test_every_name_becomes_one_harmless_component(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,100}", carbon.component(name))


_names = st.text(max_size=40) | st.text(alphabet="ab_-.2e/ ö*", max_size=8) | st.text(alphabet="a.-", max_size=120)


@given(st.lists(_names, unique=True, max_size=30))
def test_two_names_never_share_a_series(names: list[str]) -> None:
    assert len({carbon.component(name) for name in names}) == len(names)


@given(st.from_regex(r"[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*", fullmatch=True).filter(lambda name: len(name) <= 100))
def test_a_plain_name_is_called_as_in_2015(name: str) -> None:
    assert carbon.component(name) == name


def test_a_name_that_is_too_long_keeps_its_beginning_and_its_own_series() -> None:
    long = carbon.component("x" * 300)
    assert (len(long), long[:60]) == (100, "x" * 60)
    assert long != carbon.component("x" * 301)


def test_the_dots_of_a_hosts_name_become_underscores() -> None:
    assert carbon.host_component("n0.cluster.example.org") == "n0_cluster_example_org"
    assert carbon.host_component("a_b.c") == "a_b--2ec"
    assert carbon.host_component("n_1") == "n_1"


def test_series_stand_where_dashboards_look_for_them() -> None:
    assert carbon.slot_prefix("demo", "n0.example", 3) == "slurm.demo.nodes.n0_example.slots.3."
    assert carbon.node_prefix("demo", "n0") == "slurm.demo.nodes.n0.node."


def test_the_lines_of_a_tick_are_carbons_plaintext() -> None:
    block = carbon.SeriesBlock(carbon.slot_prefix("demo", "n0", 0), ["cpu_cores", "memory_bytes", "pids_count"])
    assert block.encode([1.0 / 3, 137438953472.0, 5], 1795347260) == (
        b"slurm.demo.nodes.n0.slots.0.cpu_cores 0.333333 1795347260\n"
        b"slurm.demo.nodes.n0.slots.0.memory_bytes 137438953472 1795347260\n"
        b"slurm.demo.nodes.n0.slots.0.pids_count 5 1795347260\n"
    )


@pytest.mark.parametrize("absent", [None, math.nan, math.inf, -math.inf])
def test_what_is_unavailable_makes_no_line(absent: float | None) -> None:
    block = carbon.SeriesBlock("p.", ["cpu_cores", "memory_bytes"])
    assert block.encode([absent, 1.0], 7) == b"p.memory_bytes 1 7\n"
    assert block.encode([absent, absent], 7) == b""


def test_a_block_without_series_is_no_line() -> None:
    assert carbon.SeriesBlock("p.", []).encode([], 7) == b""


def test_joined_blocks_say_what_they_say_alone() -> None:
    one, other = carbon.SeriesBlock("p.", ["cpu_cores", "memory_bytes"]), carbon.SeriesBlock("q.", ["pids_count"])
    joined = carbon.SeriesBlock.joined([one, carbon.SeriesBlock("r.", []), other])
    assert joined.names == ("cpu_cores", "memory_bytes", "pids_count")
    assert joined.encode([1.0, 2.0, 3.0], 7) == one.encode([1.0, 2.0], 7) + other.encode([3.0], 7)
    assert carbon.SeriesBlock.joined([]).encode([], 7) == b""


def test_too_few_values_are_a_defect_of_the_caller() -> None:
    with pytest.raises(ValueError, match="1 values for 2 series"):
        carbon.SeriesBlock("p.", ["a", "b"]).encode([1.0], 7)


_VALUES = (
    st.none()
    | st.sampled_from([math.nan, math.inf, -math.inf])
    | st.floats(min_value=-1e300, max_value=1e300)
    | st.integers(min_value=0, max_value=2**50)
)


@given(
    values=st.lists(_VALUES, min_size=len(METRICS), max_size=len(METRICS)),
    time_s=st.integers(min_value=0, max_value=2**33),
)
def test_any_values_make_lines_that_carbon_reads(values: list[float | None], time_s: int) -> None:
    block = carbon.SeriesBlock("slurm.c.nodes.n.slots.0.", [metric.name for metric in METRICS])
    lines = block.encode(values, time_s).splitlines(keepends=True)
    expected = [value for value in values if value is not None and math.isfinite(value)]
    assert len(lines) == len(expected)
    for line, value in zip(lines, expected, strict=True):
        match = LINE.fullmatch(line)
        assert match is not None
        assert float(match["value"]) == pytest.approx(value, rel=1e-5)
        assert int(match["time"]) == time_s
