"""What is kept of a task's progress is bounded, in order, and of the loop that it is in."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.hub.progress.course import (
    MOST_SAMPLES,
    ProgressSample,
    begun,
    decode_course,
    encode_course,
    grown,
)

_samples = st.lists(
    st.builds(
        ProgressSample,
        st.integers(0, 10**6),
        st.floats(0, 1e6, allow_nan=False),
        st.none() | st.floats(1e-3, 1e6, allow_nan=False),
    ),
    min_size=1,
    max_size=400,
)


@given(_samples)
def test_samples_stay_in_order_and_bounded_whatever_comes(told: list[ProgressSample]) -> None:
    course = begun(told[0])
    for sample in told[1:]:
        course = grown(course, sample)
    kept = course.samples
    assert 0 < len(kept) <= MOST_SAMPLES
    assert all(a.time_ns < b.time_ns and a.done <= b.done for a, b in itertools.pairwise(kept))
    assert decode_course(encode_course(course)) == course


@pytest.mark.thorough
@given(_samples, st.data())
def test_what_comes_twice_or_too_late_changes_nothing(told: list[ProgressSample], data: st.DataObject) -> None:
    course = begun(told[0])
    for sample in told[1:]:
        course = grown(course, sample)
        assert grown(course, sample) == course
    assert grown(course, data.draw(st.sampled_from(course.samples))) == course


def test_a_task_that_begins_again_begins_a_new_course_and_is_counted() -> None:
    course = begun(ProgressSample(0, 1, 10))
    for second in range(1, 8):
        course = grown(course, ProgressSample(second, second, 10))
    course = grown(course, ProgressSample(100, 4, 10))
    assert (course.samples, course.restarts) == ((ProgressSample(100, 4, 10),), 1)


def test_the_recent_past_stays_fine_and_the_begin_is_kept() -> None:
    course = begun(ProgressSample(0, 0, 10_000))
    for second in range(1, 5000):
        course = grown(course, ProgressSample(second, second, 10_000))
    assert course.samples[0].time_ns == 0
    assert [sample.time_ns for sample in course.samples[-50:]] == list(range(4950, 5000))


def test_of_standing_still_the_first_and_the_last_word_are_kept() -> None:
    course = begun(ProgressSample(0, 3, 10))
    for second in range(1, 1000):
        course = grown(course, ProgressSample(second, 3, 10))
    assert [sample.time_ns for sample in course.samples] == [0, 999]
