"""The course of one task's progress, at a bounded number of samples; pure.

Owns what is kept of a task from report to report. Invariants: samples are in the order of time, `done` never falls from
one to the next (a task that begins again begins a new course, and is counted), their number is bounded: of the older
half every second one goes, so that the recent past stays fine; a report that is not newer than the last changes
nothing. Fed by `keeping`, which writes it as JSON; read by `estimate`.
"""

from __future__ import annotations

import msgspec

MOST_SAMPLES = 128
MOST_VALUES = 8
"""Of a task's named values those that have a course; all of them are shown as they are now."""


class ProgressSample(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a task told at one time (its node's clock); `total` is None where it does not know.

    `values` are those that it named beside it, `MOST_VALUES` of them; a course of an earlier release has none.
    """

    time_ns: int
    done: float
    total: float | None = None
    values: dict[str, float] = {}


class TaskCourse(msgspec.Struct, frozen=True, array_like=True):
    """Samples of the current loop, and how often the task began one anew."""

    samples: tuple[ProgressSample, ...]
    restarts: int = 0

    @property
    def last(self) -> ProgressSample:
        """The latest word."""
        return self.samples[-1]


def begun(sample: ProgressSample) -> TaskCourse:
    """The course of a task that was never heard of before."""
    return TaskCourse((sample,))


def grown(course: TaskCourse, sample: ProgressSample) -> TaskCourse:
    """The course with one more sample; the same where that is not newer."""
    last = course.last
    if sample.time_ns <= last.time_ns:
        return course
    if sample.done < last.done:
        return TaskCourse((sample,), course.restarts + 1)
    samples = course.samples
    if len(samples) > 1 and samples[-2].done == last.done == sample.done and last.values == sample.values:
        samples = samples[:-1]  # it stands still: the first and the last word of that are enough
    samples = (*samples, sample)
    return TaskCourse(samples if len(samples) <= MOST_SAMPLES else _thinned(samples), course.restarts)


def _thinned(samples: tuple[ProgressSample, ...]) -> tuple[ProgressSample, ...]:
    half = len(samples) // 2
    return (*samples[:half:2], *samples[half:])


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(TaskCourse)


def encode_course(course: TaskCourse) -> bytes:
    """The course as it is kept."""
    return _encoder.encode(course)


def decode_course(kept: bytes) -> TaskCourse:
    """The course that was kept."""
    return _decoder.decode(kept)
