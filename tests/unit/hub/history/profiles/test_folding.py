"""Pieces of a course, in any order and any batches, fold to the same course; a slow obvious one agrees."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.events import Point, Profile
from slurmlens.hub.history.profiles.blob import fold, pack, unpack
from slurmlens.hub.history.profiles.course import MOST_BINS, Course, as_received, course_of, piece_of, whole_of
from slurmlens.hub.history.profiles.fold import put_together, settled

S = 1_000_000_000
START_S = 1_795_420_800
NAMES = ("cpu_cores", "memory_bytes", "of_a_newer_node")

Values = dict[int, tuple[float, float, float]]
"""(low, mean, high) by the second in which a bin begins."""


@dataclass(frozen=True)
class Delta:
    """What a node tells at once: bins of `width_s` from `begin_s` on, None where nothing was measured."""

    told: int
    begin_s: int
    width_s: int
    means: tuple[float | None, ...]

    @property
    def profile(self) -> Profile:
        points = [Point(None, None, None) if mean is None else Point(mean / 2, mean, mean * 2) for mean in self.means]
        return Profile(
            start_ns=(START_S + self.begin_s) * S, width_s=float(self.width_s), columns=dict.fromkeys(NAMES, points)
        )

    @property
    def piece(self) -> bytes:
        piece = piece_of(as_received(self.profile), self.told)
        assert piece is not None
        return pack(piece)


@st.composite
def deltas_of_one_node(draw: st.DrawFn) -> list[Delta]:
    """What a node that halves its resolution now and then tells, each piece from the bin that was not full on."""
    width_s, at_s, made = 10, 0, []
    value = st.one_of(st.none(), st.just(0.0), st.floats(2.0**-60, 2.0**40, width=32))
    for told in range(draw(st.integers(1, 8))):
        if draw(st.booleans()) and width_s < 160:
            width_s *= 2
            at_s -= at_s % width_s
        means = tuple(draw(st.lists(value, min_size=1, max_size=6)))
        made.append(Delta(told, at_s, width_s, means))
        at_s += (len(means) - 1) * width_s + draw(st.sampled_from([0, 0, 0, 40 * width_s, 900 * width_s]))
    return made


def shown(blob: bytes) -> Course:
    return settled(unpack(blob))


def slowly(deltas: list[Delta]) -> tuple[int, int, list[tuple[float, float, float, float] | None]]:
    """Start and width in seconds and (low, mean, high, weight) by bin: every bin that is final, and the latest tail."""
    bins = [
        (delta.begin_s + index * delta.width_s, delta.width_s, mean)
        for delta in deltas
        for index, mean in enumerate(delta.means)
        if index < len(delta.means) - 1
    ]
    last = max(deltas, key=lambda delta: delta.told)
    tail = (last.begin_s + (len(last.means) - 1) * last.width_s, last.width_s, last.means[-1])
    bins.append(tail)
    width = max(width for _, width, _ in bins)
    first, end = min(at for at, _, _ in bins), max(at + own for at, own, _ in bins)
    while math.ceil((START_S + end) / width) - (START_S + first) // width > MOST_BINS:
        width *= 2
    begin = (START_S + first) // width * width
    found: list[tuple[float, float, float, float] | None] = [None] * math.ceil((START_S + end - begin) / width)
    for at, own, mean in bins:
        place = (START_S + at - begin) // width
        if mean is not None:
            low, middle, high, weight = found[place] or (math.inf, 0.0, -math.inf, 0.0)
            middle = (middle * weight + mean * own) / (weight + own)
            found[place] = min(low, mean / 2), middle, max(high, mean * 2), weight + own
    return begin, width, found


def check(course: Course, deltas: list[Delta]) -> None:
    begin, width, bins = slowly(deltas)
    assert (course.start_ns, course.width_ns, course.count) == (begin * S, width * S, len(bins))
    for name in NAMES:
        for index, told in enumerate(bins):
            mean = course.mean[name][index]
            if told is None:
                assert (course.low[name][index], mean, course.high[name][index]) == (math.inf, -1.0, -math.inf)
                continue
            assert course.low[name][index] == pytest.approx(told[0], rel=3e-4, abs=1e-37)
            assert mean == pytest.approx(told[1], rel=4e-3, abs=1e-37)
            assert course.high[name][index] == pytest.approx(told[2], rel=3e-4, abs=1e-37)
            assert course.weights(name)[index] == pytest.approx(told[3], rel=4e-3)


@given(deltas_of_one_node())
@settings(deadline=None)
def test_all_at_once_they_make_what_a_slow_obvious_fold_makes(deltas: list[Delta]) -> None:
    check(shown(fold([delta.piece for delta in deltas])), deltas)


@given(deltas_of_one_node(), st.data())
@settings(deadline=None, max_examples=60)
def test_in_any_order_and_any_batches_they_fold_to_the_same_course(deltas: list[Delta], data: st.DataObject) -> None:
    pieces = [delta.piece for delta in data.draw(st.permutations(deltas))]
    while len(pieces) > 1:
        size = data.draw(st.integers(2, len(pieces)))
        pieces = [*pieces[size:], fold(pieces[:size])]
    check(shown(fold(pieces)), deltas)


def of(*means: float | None, begin_s: int = 0, width_s: int = 10, told: int = 0) -> Delta:
    return Delta(told, begin_s, width_s, means)


def means(course: Course) -> list[float]:
    return list(course.mean["cpu_cores"])


def test_a_bin_that_is_told_again_replaces_what_was_told() -> None:
    assert means(shown(fold([of(1, 2).piece, of(2.5, 3, begin_s=10, told=1).piece]))) == [1, 2.5, 3]


def test_a_pause_between_two_pieces_is_a_gap() -> None:
    assert means(shown(fold([of(1, 1).piece, of(4, begin_s=30, told=1).piece]))) == [1, -1, -1, 4]


def whole(delta: Delta) -> bytes:
    course = whole_of(as_received(delta.profile), delta.told)
    assert course is not None
    return pack(course)


def test_a_summary_stands_for_its_time_and_keeps_what_was_told_before_it() -> None:
    before, during = of(1, 1, 1).piece, of(9, 9, begin_s=20, told=1).piece
    summary = whole(of(5, 6, 7, begin_s=20, told=2))
    for order in ([before, during, summary], [summary, during, before], [during, summary, before]):
        assert means(shown(fold(order))) == [1, 1, 5, 6, 7]
        assert means(shown(fold([fold(order[:2]), order[2]]))) == [1, 1, 5, 6, 7]


def test_what_comes_after_the_summary_changes_nothing() -> None:
    summary = whole(of(5, 6, 7))
    assert means(shown(fold([summary, of(1, 1, 1, told=9).piece]))) == [5, 6, 7]


def test_a_course_that_grows_keeps_its_bound_its_extremes_and_its_area() -> None:
    course = of(*(float(index) for index in range(1000)), 0.0).piece
    found = shown(course)
    assert found.count <= MOST_BINS
    assert max(found.high["cpu_cores"]) == 1998.0
    area = sum(mean * weight for mean, weight in zip(means(found), found.weights("cpu_cores"), strict=True))
    assert area == pytest.approx(sum(range(1000)) * 10, rel=1e-3)


def test_bins_that_do_not_nest_are_spread_by_their_middles() -> None:
    fine, wide = course_of(of(1, 2, 3, 4, 5, 6, width_s=10).profile), course_of(of(7, begin_s=75, width_s=25).profile)
    assert fine is not None
    assert wide is not None
    found = put_together([fine, wide])
    assert (found.width_ns, found.count) == (25 * S, 4)
    assert means(found)[-1] == 7
    assert list(found.weights("cpu_cores")) == [20, 30, 10, 25]


@pytest.mark.parametrize(
    "point",
    [Point(1, math.nan, 1), Point(1, -3, 1), Point(1, 1e39, 1), Point(1, math.inf, 1), Point(None, None, None)],
)
def test_what_is_no_measurement_is_a_gap(point: Point) -> None:
    profile = Profile(start_ns=START_S * S, width_s=10, columns={"cpu_cores": [Point(1, 2, 3), point]})
    course = course_of(profile)
    assert course is not None
    assert means(course) == [2, -1]


def test_columns_of_unequal_length_are_filled_up_with_gaps() -> None:
    columns = {"cpu_cores": [Point(1, 1, 1)] * 3, "memory_bytes": [Point(1, 1, 1)]}
    course = course_of(Profile(start_ns=START_S * S, width_s=10, columns=columns))
    assert course is not None
    assert list(course.mean["memory_bytes"]) == [1, -1, -1]


def test_two_moments_far_apart_are_bins_of_many_years() -> None:
    near, far = (
        of(1).piece,
        pack(piece_of(as_received(Profile(start_ns=0, width_s=1, columns=of(1).profile.columns)), 5)),
    )  # type: ignore[arg-type]
    assert shown(fold([near, of(1, begin_s=50, told=7).piece, far])).count <= MOST_BINS
