"""Rate, finish and stall of one task, from the course of its progress; pure.

How the finish is estimated. The work done is cut into at most `MOST_BLOCKS` blocks of equal work; each has a pace
(seconds a unit). A pace far above the others (a pause, a node that was suspended) or below (items that were cached) is
drawn in to what the others allow, by their median and its deviation (MAD). The mean of these paces, recent blocks
weighing more, times what remains is the estimate. Its interval is Student's for the mean of the blocks still to come
(90 %), widened by how much the second half of the work was slower or faster than the first. While a task says nothing
for longer than usual its finish moves on with the clock.

Invariants: nothing is concluded from fewer than two samples that differ in `done`; low <= finish <= high, and none is
in the past; the unit of the work and the origin of time do not matter.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.hub.progress.course import ProgressSample, TaskCourse

MOST_BLOCKS = 10
RECENT_WEIGHT = 0.85
"""The weight of a block against the next one."""

MOST_WORK_FACTOR = 2.0
"""A block of more work than so many usual ones (a jump ahead) weighs no more than these."""

MAD_TO_SIGMA = 1.4826
OUTLIER_SIGMAS = 4.0
LEAST_SPREAD = 0.25
"""Paces within this share of the median are never outliers, however even the others are."""

RECENT_INTERVALS = 24
STALL_FACTOR = 5.0
LEAST_STALL_S = 30.0
"""Reports come every few seconds at most; nothing is called a stall before this."""

SILENT_FACTOR = 2.0
_STUDENT_90 = (6.31, 2.92, 2.35, 2.13, 2.02, 1.94, 1.89, 1.86, 1.83)
"""Quantiles of Student's t for a two-sided interval of 90 %, by degrees of freedom from 1."""

FIRST_GUESS_SPREAD = 0.5
"""Share of the remaining time by which an estimate from a single block may be wrong."""


class TaskEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a course. Rates are units a second; None where nothing can be said.

    `usual_interval_s`: between two steps, as far as reports show it. `stalled_since_ns`: it has not moved since then,
    and that is `STALL_FACTOR` times longer than usual.
    """

    done: float
    total: float | None = None
    told_ns: int
    rate_now: float | None = None
    rate_mean: float | None = None
    finish_ns: int | None = None
    finish_low_ns: int | None = None
    finish_high_ns: int | None = None
    usual_interval_s: float | None = None
    stalled_since_ns: int | None = None
    restarts: int = 0

    @property
    def ratio(self) -> float | None:
        """Share of the whole that is done."""
        return None if self.total is None else min(1.0, self.done / self.total)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.total is not None and self.done >= self.total


class _WorkPace(NamedTuple):
    """Seconds a unit: the estimate, how far a block may be from it, the drift of late, and from how many blocks."""

    mean: float
    spread: float
    drift: float
    blocks: int
    work: float


def estimate(course: TaskCourse, now_ns: int, known_until_ns: int | None = None) -> TaskEstimate:
    """What the course says at `now_ns`; `known_until_ns` is when its node was last heard of (None: never; no stall)."""
    steps = _steps(course.samples)
    last, moved_ns = course.last, steps[-1].time_ns
    usual_s = _usual_interval_s(steps)
    told = TaskEstimate(
        done=last.done,
        total=last.total,
        told_ns=last.time_ns,
        usual_interval_s=usual_s,
        restarts=course.restarts,
    )
    if len(steps) < 2:
        return told
    pace = _pace(steps)
    stalled = not told.is_done and _is_stalled(steps, max(last.time_ns, min(now_ns, known_until_ns or 0)))
    finish = None if last.total is None else _finish(pace, last, moved_ns, usual_s, now_ns)
    return msgspec.structs.replace(
        told,
        rate_now=0.0 if stalled else _rate_now(steps),
        rate_mean=(steps[-1].done - steps[0].done) / _seconds(steps[0], steps[-1]),
        finish_ns=finish and finish[0],
        finish_low_ns=finish and finish[1],
        finish_high_ns=finish and finish[2],
        stalled_since_ns=moved_ns if stalled else None,
    )


def _steps(samples: Sequence[ProgressSample]) -> list[ProgressSample]:
    """The samples at which something was done, and the first."""
    steps = [samples[0]]
    for sample in samples[1:]:
        if sample.done > steps[-1].done:
            steps.append(sample)
    return steps


def _seconds(first: ProgressSample, second: ProgressSample) -> float:
    return max((second.time_ns - first.time_ns) / NS_PER_S, 1e-9)


def _intervals(steps: Sequence[ProgressSample]) -> list[float]:
    recent = steps[-RECENT_INTERVALS - 1 :]
    return sorted(_seconds(first, second) for first, second in itertools.pairwise(recent))


def _usual_interval_s(steps: Sequence[ProgressSample]) -> float | None:
    intervals = _intervals(steps)
    return intervals[len(intervals) // 2] if intervals else None


def _is_stalled(steps: Sequence[ProgressSample], seen_until_ns: int) -> bool:
    """The slowest tenth of the steps counts as usual, too: a checkpoint every so many steps is no stall."""
    intervals = _intervals(steps)
    slow_s = intervals[math.ceil(0.9 * len(intervals)) - 1]
    return (seen_until_ns - steps[-1].time_ns) / NS_PER_S > max(LEAST_STALL_S, STALL_FACTOR * slow_s)


def _rate_now(steps: Sequence[ProgressSample]) -> float:
    """Over the last few steps, by the median of their rates."""
    recent = steps[-6:]
    rates = sorted((b.done - a.done) / _seconds(a, b) for a, b in itertools.pairwise(recent))
    middle = len(rates) // 2
    return rates[middle] if len(rates) % 2 else (rates[middle - 1] + rates[middle]) / 2


def _pace(steps: Sequence[ProgressSample]) -> _WorkPace:
    blocks = _blocks(steps)
    paces = _drawn_in([_seconds(a, b) / (b.done - a.done) for a, b in blocks])
    works = [b.done - a.done for a, b in blocks]
    most = MOST_WORK_FACTOR * _median(works)
    works = [min(work, most) for work in works]
    weights = [work * RECENT_WEIGHT ** (len(paces) - 1 - index) for index, work in enumerate(works)]
    mean = _weighted(paces, weights)
    variance = _weighted([(pace - mean) ** 2 for pace in paces], weights)
    count = len(paces)
    spread = math.sqrt(variance * count / max(1, count - 1))
    half = count // 2
    drift = abs(_weighted(paces[half:], works[half:]) - _weighted(paces[:half], works[:half])) / 2 if half else 0.0
    return _WorkPace(mean, spread, drift, count, sum(works) / count)


def _blocks(steps: Sequence[ProgressSample]) -> list[tuple[ProgressSample, ProgressSample]]:
    """Stretches of about equal work, each from one step to another."""
    whole = steps[-1].done - steps[0].done
    wanted = min(MOST_BLOCKS, len(steps) - 1)
    blocks: list[tuple[ProgressSample, ProgressSample]] = []
    begin = steps[0]
    for step in steps[1:]:
        if step.done - steps[0].done >= whole * (len(blocks) + 1) / wanted:
            blocks.append((begin, step))
            begin = step
    if begin is not steps[-1]:
        blocks.append((begin, steps[-1]))
    return blocks


def _drawn_in(paces: Sequence[float]) -> list[float]:
    middle = _median(paces)
    deviation = MAD_TO_SIGMA * _median([abs(pace - middle) for pace in paces])
    reach = max(OUTLIER_SIGMAS * deviation, LEAST_SPREAD * middle)
    return [min(max(pace, middle - reach), middle + reach) for pace in paces] if len(paces) > 2 else list(paces)


def _median(values: Sequence[float]) -> float:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _weighted(values: Sequence[float], weights: Sequence[float]) -> float:
    return math.fsum(value * weight for value, weight in zip(values, weights, strict=True)) / math.fsum(weights)


def _finish(
    pace: _WorkPace, last: ProgressSample, moved_ns: int, usual_s: float | None, now_ns: int
) -> tuple[int, int, int]:
    """Estimate, low and high."""
    left = max(0.0, (last.total or 0.0) - last.done)
    if left == 0:
        return moved_ns, moved_ns, moved_ns
    if pace.blocks == 1:
        half_s = FIRST_GUESS_SPREAD * left * pace.mean
    else:
        ahead = left / pace.work
        quantile = _STUDENT_90[min(pace.blocks - 1, len(_STUDENT_90)) - 1]
        half_s = left * (quantile * pace.spread * math.sqrt(1 / pace.blocks + 1 / ahead) + pace.drift)
    half_s += (usual_s or 0.0) / 2
    from_ns = max(moved_ns, now_ns - round(SILENT_FACTOR * (usual_s or 0.0) * NS_PER_S))
    middle_ns = max(now_ns, from_ns + _ns(left * pace.mean))
    half_ns = _ns(half_s)
    return middle_ns, max(now_ns, middle_ns - half_ns), middle_ns + half_ns


FARTHEST_S = 1e9
"""Some thirty years: what would take longer is told as taking that."""


def _ns(seconds: float) -> int:
    return round(min(seconds, FARTHEST_S) * NS_PER_S)
