"""A course in bytes: read back within the stated precision, and nothing but a named error for damaged ones."""

from __future__ import annotations

import math
import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.errors import DecodeError, UnsupportedVersion
from slurmlens.events import Point, Profile
from slurmlens.hub.history.profiles import columns
from slurmlens.hub.history.profiles.blob import DRAWN, fold, pack, unpack
from slurmlens.hub.history.profiles.coarse import COARSE_BINS, coarsen
from slurmlens.hub.history.profiles.course import Course, as_received, course_of, piece_of
from slurmlens.hub.history.profiles.fold import settled, shown_course
from slurmlens.hub.history.profiles.parts import CoursePart
from slurmlens.metrics import METRICS
from slurmlens.wire.packed_columns import PRECISION

S = 1_000_000_000
START_NS = 1_795_420_800 * S
_NOTHING = Point(None, None, None)

_value = st.one_of(st.just(0.0), st.floats(2.0**-60, 2.0**100, width=32))
_points = st.one_of(st.just(_NOTHING), st.tuples(_value, _value, _value).map(lambda three: Point(*sorted(three))))
_profiles = st.builds(
    lambda start, width, found: Profile(start_ns=start, width_s=width, columns=found),
    st.integers(0, 2 * START_NS),
    st.sampled_from([0.1, 1.0, 10.0, 160.0]),
    st.dictionaries(st.sampled_from([*columns.NUMBERED, "newer", "naïve"]), st.lists(_points, max_size=40), max_size=5),
)


def made(profile: Profile) -> Course | None:
    return piece_of(as_received(profile), 7)


def same(one: float, other: float, within: float) -> bool:
    return one == other or (math.isfinite(one) and math.isclose(one, other, rel_tol=within, abs_tol=1e-37))


@given(_profiles)
@settings(deadline=None)
def test_what_is_packed_is_read_back_within_the_precision(profile: Profile) -> None:
    course = made(profile)
    if course is None:
        return
    back, course = settled(unpack(pack(course))), settled(course)
    assert (back.start_ns, back.width_ns, back.count) == (course.start_ns, course.width_ns, course.count)
    assert set(back.names) == set(course.names)
    for mine, theirs in ((back.low, course.low), (back.mean, course.mean), (back.high, course.high)):
        for name, values in theirs.items():
            pairs = zip(values, mine[name], strict=True)
            assert all(same(one, other, PRECISION * 1.001) for one, other in pairs)


@given(_profiles)
@settings(deadline=None)
def test_packing_again_changes_nothing(profile: Profile) -> None:
    course = made(profile)
    if course is not None:
        assert pack(unpack(pack(course))) == pack(course)


@cache
def full_course(seed: int = 1) -> bytes:
    chance = random.Random(seed)
    names = [metric.name for metric in METRICS if metric.in_profile]
    found = {name: [Point(v * 0.9, v, v * 1.1) for v in (chance.uniform(0, 64) for _ in range(360))] for name in names}
    course = course_of(Profile(start_ns=START_NS, width_s=10.0, columns=found))
    assert course is not None
    return pack(course)


@pytest.mark.parametrize("data", [full_course(), coarsen(full_course())], ids=["fine", "coarse"])
def test_a_view_reads_what_it_draws_and_that_is_what_is_there(data: bytes) -> None:
    found, whole = unpack(data, {CoursePart.MEAN: None, CoursePart.HIGH: ("pids_count",)}), unpack(data)
    assert found.mean == whole.mean
    assert found.high == {"pids_count": whole.high["pids_count"]}
    assert (found.low, found.weight) == ({}, {})


@given(st.integers(1, 4), st.integers(0, 3))
@settings(deadline=None)
def test_what_is_drawn_of_folded_pieces_is_the_same_as_of_all_that_is_known(count: int, apart: int) -> None:
    pieces = []
    for number in range(count):
        points = [Point(1 + number, 2 + number, 3 + number)] * 5
        profile = Profile(
            start_ns=START_NS + number * (4 + apart - 1) * 10 * S,
            width_s=10.0,
            columns=dict.fromkeys(("cpu_cores", "memory_bytes"), points),
        )
        piece = piece_of(as_received(profile), number)
        assert piece is not None
        pieces.append(pack(piece, lasting=False))
    drawn = shown_course([unpack(piece, DRAWN) for piece in pieces])
    whole = shown_course([unpack(piece) for piece in pieces])
    assert (drawn.start_ns, drawn.count, drawn.mean, drawn.weight) == (
        whole.start_ns,
        whole.count,
        whole.mean,
        whole.weight,
    )
    assert drawn.high == {"memory_bytes": whole.high["memory_bytes"]}


def test_every_metric_of_a_profile_has_a_number() -> None:
    assert {metric.name for metric in METRICS if metric.in_profile} <= set(columns.NUMBERED)


def test_the_numbers_of_metrics_are_never_given_again() -> None:
    assert columns.NUMBERED[:4] == ("cpu_cores", "memory_bytes", "memory_rss_bytes", "pids_count")
    assert len(set(columns.NUMBERED)) == len(columns.NUMBERED) < 255


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_bytes_that_are_no_course_are_an_error_that_says_so(data: bytes) -> None:
    with pytest.raises(DecodeError, match="stored course"):
        unpack(data)


@given(st.integers(0, 5), st.data())
@settings(deadline=None, max_examples=40)
def test_a_damaged_blob_is_an_error_whatever_is_done_with_it(seed: int, data: st.DataObject) -> None:
    blob = bytearray(coarsen(full_course(seed)) if data.draw(st.booleans()) else full_course(seed))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(blob) - 1))
        blob[at] = data.draw(st.integers(0, 255))
    cut = bytes(blob[: data.draw(st.integers(0, len(blob)))]) if data.draw(st.booleans()) else bytes(blob)
    if cut in (full_course(seed), coarsen(full_course(seed))):
        return
    for use in (unpack, coarsen, lambda damaged: fold([damaged, full_course()])):
        with pytest.raises(DecodeError, match="course"):
            use(cut)


def test_a_course_of_a_later_release_is_told_apart() -> None:
    with pytest.raises(UnsupportedVersion, match="version 2; this release reads version 1"):
        unpack(b"\x02" + full_course()[1:])


def test_what_is_kept_for_years_is_a_tenth_of_the_bytes_and_near_to_what_was() -> None:
    whole = full_course()
    kept = coarsen(whole)
    assert len(kept) < len(whole) / 4
    fine, coarse = unpack(whole), unpack(kept)
    assert coarse.count <= COARSE_BINS
    assert coarsen(kept) == kept
    scale = max(fine.high["cpu_cores"])
    assert max(coarse.high["cpu_cores"]) == pytest.approx(scale, abs=scale / 500)
    mean = sum(fine.mean["cpu_cores"]) / fine.count
    assert sum(coarse.mean["cpu_cores"]) / coarse.count == pytest.approx(mean, abs=scale / 500)


@given(_profiles)
@settings(deadline=None)
def test_coarse_values_are_within_their_stated_step_and_gaps_stay_gaps(profile: Profile) -> None:
    course = course_of(profile)
    if course is None or not course.count:
        return
    fine, coarse = unpack(pack(course)), unpack(coarsen(pack(course)))
    if fine.count != coarse.count:
        return
    for name in fine.names:
        step = max((value for value in fine.high[name] if value >= 0), default=0.0) / 507
        for one, other in zip(fine.mean[name], coarse.mean[name], strict=True):
            assert (one < 0) == (other < 0)
            assert abs(one - other) <= step + 1e-37 or one < 0
