"""Courses that are read again: the same as long as nobody told more, within bounds, whatever is damaged."""

from __future__ import annotations

from array import array

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history.profiles.blob import DRAWN, pack, unpack
from slurmlens.hub.history.profiles.course import Course
from slurmlens.hub.history.profiles.fold import shown_course
from slurmlens.hub.history.read.course_memory import CourseMemory
from slurmlens.hub.views.job.profile_bins import average, integral

COUNT = 20
BYTES_OF_ONE = 4 * COUNT
"""What is kept of the means; nothing else of `blob` is drawn."""


def blob(level: float, begin_s: int = 0, told_s: int = 1) -> bytes:
    values = {"cpu_cores": array("f", [level] * COUNT)}
    made = Course(start_ns=begin_s * NS_PER_S, width_ns=NS_PER_S, count=COUNT, mean=values, told_ns=told_s * NS_PER_S)
    return pack(made)


def test_a_sighting_of_which_nothing_new_was_told_has_the_course_of_before() -> None:
    memory = CourseMemory()
    course = memory.course(1, [blob(2.0)])
    assert course is not None
    assert memory.course(1, [blob(2.0)]) is course
    assert course == shown_course([unpack(blob(2.0), DRAWN)])


def test_what_was_told_since_is_in_it_and_in_every_figure() -> None:
    memory = CourseMemory()
    before = memory.course(1, [blob(2.0)])
    assert integral(before, "cpu_cores") == 2.0 * COUNT
    after = memory.course(1, [blob(2.0), blob(4.0, COUNT, told_s=2)])
    assert integral(after, "cpu_cores") == 6.0 * COUNT
    assert average(after, "cpu_cores") == 3.0
    assert integral(before, "cpu_cores") == 2.0 * COUNT


def test_one_sightings_course_is_never_anothers() -> None:
    memory = CourseMemory()
    first, second = memory.course(1, [blob(2.0)]), memory.course(2, [blob(3.0)])
    assert (average(first, "cpu_cores"), average(second, "cpu_cores")) == (2.0, 3.0)


def test_beyond_the_bound_what_was_asked_for_longest_ago_is_let_go() -> None:
    memory = CourseMemory(most_bytes=2 * BYTES_OF_ONE)
    first, second = memory.course(1, [blob(1.0)]), memory.course(2, [blob(2.0)])
    assert memory.course(1, [blob(1.0)]) is first
    memory.course(3, [blob(3.0)])
    assert memory.course(1, [blob(1.0)]) is first
    assert memory.course(2, [blob(2.0)]) is not second


def test_a_sighting_that_grew_counts_once_against_the_bound() -> None:
    memory = CourseMemory(most_bytes=2 * BYTES_OF_ONE)
    kept = memory.course(1, [blob(1.0)])
    for told_s in range(2, 12):
        memory.course(2, [blob(2.0, told_s=told_s)])
    assert memory.course(1, [blob(1.0)]) is kept


def test_a_damaged_blob_is_left_out_and_the_rest_is_there() -> None:
    memory = CourseMemory()
    damaged = blob(9.0)[:-1] + b"\0"
    assert average(memory.course(1, [damaged, blob(2.0)]), "cpu_cores") == 2.0
    assert memory.course(2, [damaged]) is None
    assert memory.course(2, [b""]) is None
