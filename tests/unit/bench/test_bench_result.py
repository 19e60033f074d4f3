"""The arithmetic of the table: medians of pairs, percentiles, bars, and no figure where the reference scatters more."""

from __future__ import annotations

import pytest
from bench.p24_noise import judge
from bench.result import Goal, Pairs, Row, interleave, percentile
from hypothesis import given
from hypothesis import strategies as st

ROW = Row("P0", "this / that", Goal(1.3), Goal(1.1), "that")


def test_the_ratio_is_the_median_of_the_pairs_so_drift_of_the_machine_cancels() -> None:
    assert Pairs(ours=(2.0, 20.0, 200.0), reference=(1.0, 10.0, 100.0)).ratio == 2.0


def test_who_runs_first_changes_from_pair_to_pair() -> None:
    order: list[str] = []

    def run(name: str) -> float:
        order.append(name)
        return 1.0

    interleave(lambda: run("a"), lambda: run("b"), 3)
    assert order == ["a", "b", "b", "a", "a", "b"]


@pytest.mark.parametrize(
    ("value", "verdict"), [(1.0, "aim met"), (1.1, "aim met"), (1.2, "must met"), (1.31, "missed")]
)
def test_a_figure_is_judged_by_the_better_bar_it_meets(value: float, verdict: str) -> None:
    assert ROW.measured(value).verdict == verdict


def test_a_share_is_met_from_below() -> None:
    row = Row("P0", "delivered", Goal(100, "100 %", at_least=True), Goal(100, "100 %", at_least=True), "written", " %")
    assert row.measured(99.9).verdict == "missed"
    assert row.measured(100).verdict == "aim met"


def test_what_was_not_measured_has_no_figure_and_no_verdict() -> None:
    result = ROW.no_figure("not measured: needs a moon")
    assert (result.figure, result.verdict, result.note) == ("–", "–", "not measured: needs a moon")


def test_noise_smaller_than_the_scatter_of_the_reference_gives_no_figure() -> None:
    result = judge(ROW, Pairs(ours=(101.0, 102.0, 103.0), reference=(95.0, 100.0, 105.0)))
    assert result.value is None
    assert "runs without the daemon differ by 10.0%, their median with it by +2.0%" in result.note


def test_noise_larger_than_the_scatter_of_the_reference_is_a_figure() -> None:
    assert judge(ROW, Pairs(ours=(120.0, 121.0, 119.0), reference=(99.0, 100.0, 101.0))).value == pytest.approx(1.2)


def test_a_machine_whose_own_runs_differ_widely_gives_no_figure_however_large() -> None:
    assert judge(ROW, Pairs(ours=(180.0, 190.0, 200.0), reference=(90.0, 100.0, 115.0))).value is None


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile(range(1, 1001), 0.99) == 990
    assert percentile([3.0], 0.999) == 3.0


@given(st.lists(st.floats(allow_nan=False), min_size=1), st.floats(min_value=0, max_value=1))
def test_at_least_its_share_of_values_lies_at_or_below_a_percentile(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= min(len(values), int(share * len(values)))
