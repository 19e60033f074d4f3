"""Which running jobs are ended: those whose course cannot become the best, and not the late winner."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.campaign import record
from slurmlens.campaign.early_stop import LEAST_VALUES, EarlyStop, ObjectiveCourse, extrapolate
from slurmlens.campaign.fold import Attempt
from slurmlens.campaign.settings import EarlyStopSettings


def decay(end: float, amplitude: float, tau: float, steps: int) -> list[float]:
    return [end + amplitude * math.exp(-step / tau) for step in range(1, steps + 1)]


def attempt(point: int) -> Attempt:
    intent = record.Intent(at_s=0, point=point, attempt=1, nodes=2, limit_s=600)
    return Attempt(intent, running=record.AttemptRunning(at_s=0, point=point, attempt=1, started_s=0))


@given(
    end=st.floats(-5, 5),
    amplitude=st.floats(0.1, 10),
    tau=st.floats(3, 30),
    seen=st.integers(LEAST_VALUES, 60),
)
def test_a_geometric_decay_is_extrapolated_to_within_its_band(
    end: float, amplitude: float, tau: float, seen: int
) -> None:
    course = decay(end, amplitude, tau, 60)
    value, band = extrapolate(course[:seen], 60)
    assert abs(value - course[-1]) <= band + 1e-6 * amplitude


def test_noise_widens_the_band() -> None:
    source = random.Random(1)
    smooth = decay(1.0, 1.0, 10, 30)
    noisy = [value + source.gauss(0, 0.05) for value in smooth]
    assert extrapolate(noisy, 60).band > 4 * extrapolate(smooth, 60).band


def judged(rule: str, course: list[float], best: float, *, looks: int = 1, after: float = 0.2) -> list[bool]:
    early = EarlyStop(EarlyStopSettings(rule=rule, looks=looks, after=after), 60)
    one = attempt(1)
    return [
        one.id in early.judge([one], {one.id: ObjectiveCourse(course[:seen], float(seen))}, best)
        for seen in range(1, len(course))
    ]


def test_a_run_that_heads_for_less_than_the_best_goes_on_to_its_end() -> None:
    assert not any(judged("bound", decay(0.9, 5.0, 15, 60), best=1.0))


def test_a_run_that_cannot_win_is_ended_after_the_share_that_was_set() -> None:
    verdicts = judged("bound", decay(2.0, 5.0, 5, 60), best=1.0)
    assert not any(verdicts[:11])
    assert any(verdicts[:30])


def test_several_looks_must_agree() -> None:
    once, twice = (judged("bound", decay(2.0, 5.0, 5, 60), 1.0, looks=looks).index(True) for looks in (1, 2))
    assert twice == once + 1


def test_what_is_saved_is_told_by_the_runs_own_rate() -> None:
    early = EarlyStop(EarlyStopSettings(looks=1), 60)
    one = attempt(1)
    lost = early.judge([one], {one.id: ObjectiveCourse(decay(2.0, 5.0, 5, 30), 100.0)}, 1.0)[one.id]
    assert (lost.saved_low_s, lost.saved_high_s) == (pytest.approx(200.0), pytest.approx(200.0))  # 2 nodes, 100 s to go


def test_median_needs_finished_peers() -> None:
    early = EarlyStop(EarlyStopSettings(rule="median", looks=1), 60)
    bad, course = attempt(9), ObjectiveCourse(decay(3.0, 1.0, 5, 30), 30.0)
    assert early.judge([bad], {bad.id: course}, 0.0) == {}
    for point in range(1, 6):
        early.ended((point, 1), ObjectiveCourse(decay(1.0, 1.0, 5, 60), 60.0), whole=True)
    assert "median" in early.judge([bad], {bad.id: course}, 0.0)[bad.id].reason


def test_asha_lets_the_best_third_go_on() -> None:
    early = EarlyStop(EarlyStopSettings(rule="asha", looks=1), 60)
    runs = [attempt(point) for point in range(1, 7)]
    courses = {run.id: ObjectiveCourse([float(run.id[0])] * 10, 10.0) for run in runs}
    early.judge(runs, courses, 0.0)
    assert {point for point, _ in early.judge(runs, courses, 0.0)} == {3, 4, 5, 6}


def test_no_rule_ends_nothing() -> None:
    assert not any(judged("none", decay(9.0, 1.0, 5, 60), best=0.0))
