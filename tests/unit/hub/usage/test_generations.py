"""The same kind of job on several generations of nodes: what is compared, how sure, and that only like meets like."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.hub.usage.generations import (
    LEAST_RUNS,
    NO_FEATURES,
    TypedRun,
    compared,
    generations,
    ratio,
)

OF = {"a1": "old", "a2": "old", "b1": "new"}
TIMES = st.lists(st.floats(1, 1e6), min_size=LEAST_RUNS, max_size=30)


def runs(node: str, times: list[float], job_type: str = "cfd", size_class: int = 0) -> list[TypedRun]:
    return [TypedRun(job_type, size_class, time_s, time_s * 4, (node,)) for time_s in times]


def test_a_generation_that_is_half_again_as_fast_is_told_with_its_interval() -> None:
    rng = random.Random(1)
    old = [rng.gauss(300, 10) for _ in range(60)]
    new = [rng.gauss(200, 10) for _ in range(40)]
    (found,) = compared([*runs("a1", old), *runs("b1", new)], OF)
    first, second = found.generations
    assert (first.generation, first.runs, first.elapsed) == ("old", 60, None)
    assert (second.generation, second.runs) == ("new", 40)
    assert second.elapsed is not None
    assert second.elapsed.middle == pytest.approx(2 / 3, rel=0.05)
    assert second.elapsed.is_sure
    assert second.cpu == second.elapsed


def test_runs_of_two_generations_at_once_and_on_unknown_nodes_count_nowhere() -> None:
    mixed = [TypedRun("cfd", 0, 1.0, None, ("a1", "b1"))] * 50
    unknown = [TypedRun("cfd", 0, 1.0, None, ("gone",)), TypedRun("cfd", 0, 1.0, None, ())] * 50
    assert compared([*mixed, *unknown, *runs("a1", [1.0] * 9)], OF) == []


def test_kinds_and_sizes_of_jobs_are_not_mixed_and_few_runs_are_no_comparison() -> None:
    few = [1.0] * (LEAST_RUNS - 1)
    assert compared([*runs("a1", [1.0] * 9), *runs("b1", few)], OF) == []
    assert compared([*runs("a1", [1.0] * 9), *runs("b1", [1.0] * 9, "other")], OF) == []
    assert compared([*runs("a1", [1.0] * 9), *runs("b1", [1.0] * 9, size_class=1)], OF) == []


def test_cpu_time_that_nobody_measured_is_not_compared() -> None:
    unmeasured = [run._replace(cpu_s=None) for run in runs("b1", [2.0] * 9)]
    (found,) = compared([*runs("a1", [1.0] * 10), *unmeasured], OF)
    assert found.generations[1].median_cpu_s is None
    assert found.generations[1].cpu is None
    assert found.generations[1].elapsed is not None


def test_nodes_of_equal_features_are_a_generation_or_those_of_the_features_that_are_named() -> None:
    features = {"n1": ("rome", "rack1"), "n2": ("rack2", "rome"), "n3": ()}
    assert generations(features) == {"n1": "rack1, rome", "n2": "rack2, rome", "n3": NO_FEATURES}
    assert generations(features, ("rome", "milan")) == {"n1": "rome", "n2": "rome", "n3": NO_FEATURES}


@settings(max_examples=20)
@given(TIMES, TIMES)
def test_an_interval_holds_its_ratio_and_equal_runs_give_equal_figures(some: list[float], base: list[float]) -> None:
    found = ratio(some, base)
    assert found is not None
    assert found.low <= found.middle <= found.high
    assert found == ratio(some[::-1], base[::-1])


@settings(max_examples=20)
@given(TIMES, TIMES, st.sampled_from([0.5, 2.0, 4.0]))
def test_runs_that_all_take_so_many_times_as_long_have_a_ratio_so_many_times_as_large(
    some: list[float], base: list[float], times: float
) -> None:
    before, after = ratio(some, base), ratio([one * times for one in some], base)
    assert before is not None
    assert after is not None
    assert (after.middle, after.low, after.high) == pytest.approx(
        (before.middle * times, before.low * times, before.high * times)
    )


@settings(max_examples=20)
@given(TIMES)
def test_the_same_runs_on_both_are_no_difference(times: list[float]) -> None:
    found = ratio(times, times)
    assert found is not None
    assert found.middle == 1
    assert not found.is_sure
