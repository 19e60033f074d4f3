"""The flight recorder: bounded, aligned, honest about gaps, and the same mean at every resolution."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

from slurmlens.cgroup import tick
from slurmlens.cgroup.reading import field_mask, reading_of
from slurmlens.metrics import Source
from slurmlens.node.sampler.accounts import Account
from slurmlens.node.sampler.recorder import HALVED_IN_ONE_GO, LEAST_BYTES, FlightRecorder, ProfileBins

NS = 1_000_000_000
WALL = 1_795_420_800 * NS
BOOT = 1000 * NS


def bins(width_s: float = 1.0, max_points: int = 16, begin_s: float = 0.0) -> ProfileBins:
    return ProfileBins(WALL + round(begin_s * NS), BOOT + round(begin_s * NS), width_s, max_points)


def at(seconds: float) -> int:
    return BOOT + round(seconds * NS)


def means(made: ProfileBins, metric: str = "cpu_cores") -> list[float | None]:
    profile = made.profile()
    assert profile is not None
    return [point.mean for point in profile.columns[metric]]


def test_a_reading_stands_for_the_time_since_the_one_before_and_fills_the_bins_it_covers() -> None:
    made = bins()
    made.add("cpu_cores", at(0.5), at(2.5), 2.0)
    assert means(made) == [2.0, 2.0, 2.0]


def test_bins_hold_the_lowest_the_highest_and_the_mean_by_time() -> None:
    made = bins()
    made.add("cpu_cores", at(0.0), at(0.25), 4.0)
    made.add("cpu_cores", at(0.25), at(1.0), 0.0)
    profile = made.profile()
    assert profile is not None
    (point,) = profile.columns["cpu_cores"]
    assert (point.low, point.mean, point.high) == (0.0, 1.0, 4.0)


@pytest.mark.parametrize("value", [0.1, 1.234567, 8_589_934_592.0, 3.25e-9, 123_456.7, 0.0])
def test_a_value_is_told_with_the_digits_it_has(value: float) -> None:
    made = bins()
    made.add("cpu_cores", at(0.0), at(1.0), value)
    assert means(made) == [value]


def test_a_bin_that_nothing_covered_is_a_gap() -> None:
    made = bins()
    made.add("cpu_cores", at(0.0), at(1.0), 1.0)
    made.add("cpu_cores", at(3.0), at(4.0), 1.0)
    assert means(made) == [1.0, None, None, 1.0]


def test_a_metric_that_came_later_has_gaps_before() -> None:
    made = bins()
    made.add("cpu_cores", at(0.0), at(2.0), 1.0)
    made.add("memory_bytes", at(2.0), at(3.0), 5.0)
    assert means(made, "memory_bytes") == [None, None, 5.0]
    assert means(made) == [1.0, 1.0, None]


def test_bins_are_aligned_to_the_wall_clock_so_that_those_of_all_nodes_coincide() -> None:
    one, other = bins(width_s=10.0, begin_s=3.0), bins(width_s=10.0, begin_s=8.0)
    for made, begin in ((one, 3.0), (other, 8.0)):
        made.add("cpu_cores", at(begin), at(25.0), 1.0)
    first, second = one.profile(), other.profile()
    assert first is not None
    assert second is not None
    assert first.start_ns == second.start_ns == WALL


def test_a_growing_job_halves_its_resolution_and_keeps_its_mean() -> None:
    made = bins(max_points=16, begin_s=1.0)
    for second in range(1, 101):
        made.add("cpu_cores", at(second), at(second + 1), float(second % 2))
    profile = made.profile()
    assert profile is not None
    assert profile.width_s == 8.0
    assert profile.start_ns % (8 * NS) == 0
    assert 8 <= len(profile.columns["cpu_cores"]) <= 16
    assert all(math.isclose(point.mean or 0, 0.5, abs_tol=0.11) for point in profile.columns["cpu_cores"])
    assert {point.high for point in profile.columns["cpu_cores"][:-1]} == {1.0}


def test_a_course_is_not_torn_when_the_wall_clock_is_set() -> None:
    made = bins()
    made.add("cpu_cores", at(0.0), at(1.0), 1.0)
    made.add("cpu_cores", at(1.0), at(2.0), 2.0)  # whatever the wall clock says by then
    assert means(made) == [1.0, 2.0]


def test_a_delta_holds_the_bin_that_was_not_full_and_all_after_it() -> None:
    made = bins()
    made.add("cpu_cores", at(0.0), at(1.5), 1.0)
    first = made.delta()
    assert first is not None
    assert len(first.columns["cpu_cores"]) == 2
    made.add("cpu_cores", at(1.5), at(3.0), 3.0)
    second = made.delta()
    assert second is not None
    assert second.start_ns == WALL + NS
    assert [point.mean for point in second.columns["cpu_cores"]] == [2.0, 3.0]


def test_deltas_together_are_the_whole_profile() -> None:
    made = bins(max_points=16)
    told: dict[int, float | None] = {}
    for second in range(15):
        made.add("cpu_cores", at(second), at(second + 1), float(second))
        delta = made.delta()
        assert delta is not None
        for index, point in enumerate(delta.columns["cpu_cores"]):
            told[delta.start_ns + index * NS] = point.mean
    assert list(told.values()) == means(made)


def test_nothing_measured_is_no_profile() -> None:
    assert bins().profile() is None
    assert bins().delta() is None


def filled(recorder: FlightRecorder, profiles: int, seconds: int) -> None:
    for number in range(profiles):
        made = recorder.start(number, WALL, BOOT, 1.0)
        for metric in tick.COLUMN_OF:
            for second in range(seconds):
                made.add(metric, at(second), at(second + 1), 1.0)


def test_the_nodes_memory_for_profiles_is_bounded() -> None:
    recorder = FlightRecorder(360, memory_limit_bytes=150_000)
    filled(recorder, profiles=10, seconds=360)
    assert recorder.size_bytes > 150_000
    rests: list[None] = []
    assert recorder.keep_within_bound(lambda: rests.append(None)) > HALVED_IN_ONE_GO
    assert recorder.size_bytes <= 150_000
    assert rests
    for number in range(10):
        kept = recorder.profile_bins(number)
        assert kept is not None
        assert set(means(kept)) == {1.0}


def test_courses_that_cannot_become_smaller_are_left_alone() -> None:
    recorder = FlightRecorder(360, memory_limit_bytes=LEAST_BYTES)
    filled(recorder, profiles=3, seconds=200)
    recorder.keep_within_bound()
    assert recorder.size_bytes == 3 * LEAST_BYTES
    assert recorder.keep_within_bound() == 0


def test_a_course_takes_no_more_memory_than_its_bins_need() -> None:
    made = bins(max_points=10_000)
    assert made.size_bytes == 0
    for second in range(LEAST_BYTES // 16 + 1):
        made.add("cpu_cores", at(second), at(second + 1), 1.0)
    assert made.size_bytes == 2 * LEAST_BYTES
    made.halve()
    assert made.size_bytes == LEAST_BYTES


def test_a_stopped_course_is_forgotten() -> None:
    recorder = FlightRecorder(240, 1_000_000)
    made = recorder.start(1, WALL, BOOT, 1.0)
    assert recorder.start(1, WALL, BOOT, 1.0) is made
    assert recorder.stop(1) is made
    assert recorder.profile_bins(1) is None


class TestFollowing:
    """An account's readings become a profile."""

    def follow(self, made: ProfileBins, account: Account, seconds: float, gap_s: float = 25.0, **fields: int) -> None:
        account.take(reading_of(fields), at(seconds))
        made.follow(Source.CGROUP, account, field_mask(fields), at(seconds), round(gap_s * NS))

    def test_the_first_reading_of_a_newborn_has_zero_before_it(self) -> None:
        made, account = bins(), Account()
        made.begin(at(0.0))
        self.follow(made, account, 0.5, cpu_usage_ns=250_000_000)
        assert means(made) == [0.5]

    def test_the_first_reading_of_one_that_was_found_says_nothing_about_before(self) -> None:
        made, account = bins(), Account()
        self.follow(made, account, 5.0, cpu_usage_ns=10**12)
        assert made.profile() is None
        self.follow(made, account, 6.0, cpu_usage_ns=10**12 + 2 * 10**9)
        assert means(made)[-1] == 2.0

    def test_a_pause_that_is_too_long_is_a_gap_although_the_total_is_known(self) -> None:
        made, account = bins(), Account()
        made.begin(at(0.0))
        self.follow(made, account, 1.0, cpu_usage_ns=10**9)
        self.follow(made, account, 9.0, gap_s=2.5, cpu_usage_ns=5 * 10**9)
        self.follow(made, account, 10.0, gap_s=2.5, cpu_usage_ns=6 * 10**9)
        assert means(made) == [1.0] + [None] * 8 + [1.0]

    def test_fields_that_were_not_read_this_time_say_nothing(self) -> None:
        made, account = bins(), Account()
        made.begin(at(0.0))
        self.follow(made, account, 1.0, cpu_usage_ns=10**9, memory_rss_bytes=70)
        self.follow(made, account, 2.0, cpu_usage_ns=2 * 10**9)
        assert means(made, "memory_rss_bytes") == [70.0, None]


@given(
    st.lists(st.tuples(st.floats(0.01, 30.0), st.floats(0.0, 64.0)), min_size=1, max_size=200),
    st.floats(0.0, 20.0),
    st.sampled_from([16, 33, 240]),
)
def test_the_integral_is_kept_at_every_resolution(
    pieces: list[tuple[float, float]], begin_s: float, max_points: int
) -> None:
    made = bins(width_s=0.5, max_points=max_points, begin_s=begin_s)
    at_ns, integral = at(begin_s), 0.0
    for seconds, value in pieces:
        made.add("cpu_cores", at_ns, at_ns + round(seconds * NS), value)
        at_ns += round(seconds * NS)
        integral += seconds * value
    profile = made.profile()
    assert profile is not None
    points = profile.columns["cpu_cores"]
    assert len(points) <= max_points
    covered_s = (at_ns - at(begin_s)) / NS
    inner = sum((point.mean or 0.0) for point in points[1:-1]) * profile.width_s
    ends = (points[0].mean or 0.0, points[-1].mean or 0.0)
    assert inner <= integral + 1e-3 * (1 + integral)
    assert inner + sum(ends) * profile.width_s >= integral - 1e-3 * (1 + integral)
    assert len(points) * profile.width_s >= covered_s - 1e-6


@pytest.mark.parametrize("seconds", [0.000001, 0.02, 3600.0])
def test_any_length_of_reading_fits(seconds: float) -> None:
    made = bins(width_s=0.25, max_points=16)
    made.add("cpu_cores", at(0.0), at(seconds), 1.0)
    assert set(means(made)) == {1.0}
