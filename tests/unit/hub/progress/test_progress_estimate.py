"""Rate, finish, verdict and stall follow from the course, are robust against what jobs do, and never nonsense."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.hub.progress.course import ProgressSample, TaskCourse, begun, grown
from slurmlens.hub.progress.estimate import LEAST_STALL_S, STALL_FACTOR, TaskEstimate, estimate
from slurmlens.hub.progress.facts import JobProgressFacts, LimitVerdict, TaskFacts, job_estimate, verdict_of

BEGIN_S = 1_800_000_000.0


def ns(seconds: float) -> int:
    return round((BEGIN_S + seconds) * NS_PER_S)


def course_of(points: list[tuple[float, float]], total: float | None = 1000.0) -> TaskCourse:
    """(seconds, done) of each report."""
    course = begun(ProgressSample(ns(points[0][0]), points[0][1], total))
    for seconds, done in points[1:]:
        course = grown(course, ProgressSample(ns(seconds), done, total))
    return course


def steady(until_s: float, rate: float, every_s: float = 5.0) -> list[tuple[float, float]]:
    return [(second * every_s, second * every_s * rate) for second in range(round(until_s / every_s) + 1)]


def judge(course: TaskCourse, now_s: float | None = None, known_s: float | None = None) -> TaskEstimate:
    now_ns = course.last.time_ns if now_s is None else ns(now_s)
    return estimate(course, now_ns, now_ns if known_s is None else ns(known_s))


def left_s(told: TaskEstimate, which: str = "finish_ns") -> float:
    value = getattr(told, which)
    assert value is not None
    return float(value - told.told_ns) / NS_PER_S


@given(rate=st.floats(0.01, 1e4), share=st.floats(0.05, 0.95), every_s=st.floats(1, 60))
def test_a_constant_rate_gives_the_true_finish(rate: float, share: float, every_s: float) -> None:
    reports = 40
    total = rate * every_s * reports / share
    told = judge(course_of(steady(reports * every_s, rate, every_s), total))
    assert told.rate_now == pytest.approx(rate, rel=1e-3)
    assert told.rate_mean == pytest.approx(rate, rel=1e-3)
    true_s = (total - rate * every_s * reports) / rate
    assert left_s(told) == pytest.approx(true_s, rel=0.01, abs=0.01)
    assert left_s(told, "finish_low_ns") <= true_s + 0.01
    assert left_s(told, "finish_high_ns") >= true_s - 0.01
    assert left_s(told, "finish_high_ns") - left_s(told, "finish_low_ns") <= 0.05 * true_s + every_s * 1.1


@given(pause_s=st.floats(30, 1e5), at=st.integers(3, 36))
def test_one_pause_of_any_length_does_not_spoil_the_estimate(pause_s: float, at: int) -> None:
    points = [(second + (pause_s if second >= at * 5 else 0.0), done) for second, done in steady(200, 2.0)]
    told = judge(course_of(points))
    assert told.rate_now == pytest.approx(2.0, rel=0.1)
    assert left_s(told) == pytest.approx(300, rel=0.1)


@given(jump=st.floats(10, 400), at=st.integers(3, 36))
def test_one_jump_ahead_does_not_spoil_the_estimate(jump: float, at: int) -> None:
    points = [(second, done + (jump if second >= at * 5 else 0.0)) for second, done in steady(200, 1.0)]
    told = judge(course_of(points))
    assert left_s(told) == pytest.approx(1000 - 200 - jump, rel=0.12)


@given(from_done=st.floats(1, 190))
def test_after_a_restart_from_a_checkpoint_only_the_new_course_counts(from_done: float) -> None:
    points = steady(200, 1.0)
    points += [(260 + second, from_done + second * 3) for second in range(0, 100, 5)]
    told = judge(course_of(points))
    assert told.restarts == 1
    assert told.rate_mean == pytest.approx(3.0, rel=1e-6)
    assert left_s(told) == pytest.approx((1000 - from_done - 285) / 3, rel=0.01, abs=0.1)


@given(total=st.floats(500, 1e6), more=st.floats(1.01, 10))
def test_a_total_that_grew_puts_the_finish_off(total: float, more: float) -> None:
    points = steady(200, 2.0)
    before = judge(course_of(points, total))
    course = course_of(points, total)
    after = judge(grown(course, ProgressSample(course.last.time_ns + NS_PER_S, course.last.done, total * more)))
    assert after.finish_ns is not None
    assert before.finish_ns is not None
    assert after.finish_ns > before.finish_ns


@given(scale=st.floats(1e-3, 1e3), st_seed=st.integers(0, 1000))
def test_the_unit_of_the_work_does_not_matter(scale: float, st_seed: int) -> None:
    chance = random.Random(st_seed)
    points, seconds = [], 0.0
    for step in range(50):
        points.append((seconds, float(step)))
        seconds += chance.uniform(2, 9)
    one = judge(course_of(points, 200.0))
    other = judge(course_of([(second, done * scale) for second, done in points], 200.0 * scale))
    for which in ("finish_ns", "finish_low_ns", "finish_high_ns"):
        assert left_s(one, which) == pytest.approx(left_s(other, which), rel=1e-4, abs=1e-3)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """90 % are promised, of work whose pace varies by a quarter; at half time the estimate is within 10 %."""
    chance, held, near, runs = random.Random(7), 0, 0, 300
    for _ in range(runs):
        times = [0.0]
        for _ in range(200):
            times.append(times[-1] + max(0.2, chance.gauss(5, 1.25)))
        course = course_of([(times[step], float(step)) for step in range(101)], 200.0)
        told = judge(course)
        true_s = times[200] - times[100]
        held += left_s(told, "finish_low_ns") <= true_s <= left_s(told, "finish_high_ns")
        near += abs(left_s(told) - true_s) <= 0.1 * (true_s + times[100])
    assert held / runs >= 0.85
    assert near / runs >= 0.97


_any_course = st.lists(
    st.tuples(st.floats(0, 1e7), st.floats(0, 1e12)), min_size=1, max_size=60, unique_by=lambda one: one[0]
).map(sorted)


@given(_any_course, st.none() | st.floats(1e-6, 1e15), st.floats(0, 1e6), st.none() | st.floats(0, 1e7))
def test_whatever_is_told_the_estimate_makes_sense(
    points: list[tuple[float, float]], total: float | None, later_s: float, known_s: float | None
) -> None:
    course = course_of(points, total)
    now_ns = course.last.time_ns + round(later_s * NS_PER_S)
    told = estimate(course, now_ns, None if known_s is None else ns(known_s))
    assert told.ratio is None or 0 <= told.ratio <= 1
    for rate in (told.rate_now, told.rate_mean):
        assert rate is None or (rate >= 0 and math.isfinite(rate))
    if told.finish_ns is not None and not told.is_done:
        assert told.finish_low_ns is not None
        assert told.finish_high_ns is not None
        assert now_ns <= told.finish_low_ns <= told.finish_ns <= told.finish_high_ns
    assert told.stalled_since_ns is None or told.stalled_since_ns <= now_ns


def test_one_report_says_where_it_is_and_nothing_more() -> None:
    told = judge(course_of([(0, 400)]))
    assert (told.ratio, told.rate_mean, told.finish_ns, told.stalled_since_ns) == (0.4, None, None, None)


def test_without_a_total_there_is_a_rate_and_no_finish() -> None:
    told = judge(course_of(steady(100, 3.0), None))
    assert told.rate_mean == pytest.approx(3.0)
    assert (told.ratio, told.finish_ns) == (None, None)


def test_what_is_done_is_done_and_does_not_stall() -> None:
    told = judge(course_of(steady(100, 10.0)), now_s=90_000)
    assert told.is_done
    assert told.finish_ns == ns(100)
    assert told.stalled_since_ns is None


@given(every_s=st.floats(5, 500))
def test_a_stall_is_told_after_so_many_times_the_usual_interval(every_s: float) -> None:
    course = course_of([(step * every_s, float(step)) for step in range(20)])
    end_s, patience_s = 19 * every_s, max(LEAST_STALL_S, STALL_FACTOR * every_s)
    assume(patience_s < 1e6)
    assert judge(course, end_s + patience_s * 0.99).stalled_since_ns is None
    stalled = judge(course, end_s + patience_s * 1.01)
    assert stalled.stalled_since_ns == pytest.approx(ns(end_s), abs=2000)
    assert stalled.rate_now == 0.0


def test_a_checkpoint_every_ten_steps_is_no_stall() -> None:
    seconds, points = 0.0, []
    for step in range(60):
        points.append((seconds, float(step)))
        seconds += 60 if step % 8 == 7 else 5
    assert judge(course_of(points), points[-1][0] + 100).stalled_since_ns is None


def test_what_nobody_could_have_seen_is_no_stall() -> None:
    """The node has been silent since: the job may well have gone on."""
    course = course_of(steady(200, 1.0))
    assert judge(course, 5000, known_s=210).stalled_since_ns is None
    assert judge(course, 5000, known_s=4000).stalled_since_ns is not None


def test_while_a_task_is_silent_its_finish_moves_on_with_the_clock() -> None:
    course = course_of(steady(200, 2.0))
    soon, late = judge(course, 205), judge(course, 800)
    assert soon.finish_ns is not None
    assert late.finish_ns is not None
    assert late.finish_ns - soon.finish_ns == pytest.approx(600 * NS_PER_S, rel=0.05)


def test_the_verdict_goes_by_the_interval() -> None:
    told = TaskEstimate(done=1, total=2, told_ns=0, finish_ns=ns(100), finish_low_ns=ns(80), finish_high_ns=ns(120))
    verdicts = [verdict_of(told, ns(limit)) for limit in (130, 110, 90, 70)]
    assert verdicts == [
        LimitVerdict.WILL_MAKE,
        LimitVerdict.LIKELY,
        LimitVerdict.UNLIKELY,
        LimitVerdict.WILL_NOT,
    ]
    assert verdict_of(told, None) is LimitVerdict.WILL_MAKE
    assert verdict_of(TaskEstimate(done=1, told_ns=0), ns(1)) is LimitVerdict.UNKNOWN


def task(step: str, rank: int, points: list[tuple[float, float]], total: float | None = 1000.0) -> TaskFacts:
    return TaskFacts(node="n0", step=step, rank=rank, course=course_of(points, total), known_until_ns=ns(1e6))


def test_the_slowest_task_of_the_step_that_speaks_stands_for_the_job() -> None:
    facts = JobProgressFacts(
        tasks=(
            task("0", 0, steady(100, 10.0)),
            task("1", 0, [(200 + second, done) for second, done in steady(100, 3.0)]),
            task("1", 1, [(200 + second, done) for second, done in steady(100, 2.0)]),
        )
    )
    told = job_estimate(facts, ns(301), None)
    assert told is not None
    assert (told.lead.step, told.lead.rank, told.tasks) == ("1", 1, 2)
    assert (told.least_ratio, told.most_ratio) == (pytest.approx(0.2), pytest.approx(0.3))
    assert job_estimate(JobProgressFacts(), ns(0), None) is None


def test_a_step_that_is_done_gives_way_to_one_that_is_not() -> None:
    facts = JobProgressFacts(tasks=(task("0", 0, steady(100, 10.0)), task("batch", 0, steady(50, 1.0))))
    told = job_estimate(facts, ns(101), None)
    assert told is not None
    assert told.lead.step == "batch"
