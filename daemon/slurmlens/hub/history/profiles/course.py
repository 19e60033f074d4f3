"""A sighting's course: at most `MOST_BINS` bins of every metric, each with its lowest, mean and highest value.

Owns the type and its laws. Values are `array('f')`, column by column, so that minima, maxima and sums are loops in C.
No metric is negative, hence a gap is (inf, -1, -inf): `min` and `max` pass over it, and it sorts before every value;
NaN would spoil all three. A bin's weight is the time in seconds that its mean stands for: it makes means of means
right, and folding commute.

A node sends the last bin of a piece before that bin is full, and sends it again in the next piece. That bin is kept
apart (`tail`): the tail of the piece that was made last counts, the others are forgotten. All other bins are sent once,
but for the wider bin that repeats narrower ones when the node halves its resolution: there the repeated stretch counts
twice in the mean.

Fed with `ReceivedBins`; `fold`, `blob` and `bands` work on it.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import add, mul
from typing import NamedTuple, TypeAlias

from slurmlens.clock import NS_PER_S
from slurmlens.events import Profile
from slurmlens.wire.received import Bin, ReceivedBins

MOST_BINS = 360
MOST_COLUMNS = 48
"""More kinds of metric than any node sends; what is beyond them in a piece is left out."""
GAP_LOW, GAP_MEAN, GAP_HIGH = math.inf, -1.0, -math.inf
_GREATEST = 3e38
"""A little below the greatest float32: what is reported above it is no measurement."""
_MOST_POINTS = 100_000
_LATEST_NS = 2**62

Columns: TypeAlias = "dict[str, array[float]]"
"""Values of one part by the metric's name, all of one length."""


@dataclass(slots=True, kw_only=True)
class Course:
    """Bin i covers [start + i*width, start + (i+1)*width); `start_ns` is a multiple of `width_ns`.

    Parts that were not asked for when it was read are empty. An empty `weight` says that every measured bin weighs its
    whole width. `told_ns` orders the pieces of one sighting (the node's boottime). `whole_from_ns`: a summary holds
    everything from here on, and what other pieces hold of that time does not count.
    """

    start_ns: int
    width_ns: int
    count: int
    low: Columns = field(default_factory=dict)
    mean: Columns = field(default_factory=dict)
    high: Columns = field(default_factory=dict)
    weight: Columns = field(default_factory=dict)
    tail: Course | None = None
    told_ns: int = 0
    whole_from_ns: int | None = None

    @property
    def width_s(self) -> float:
        return self.width_ns / NS_PER_S

    @property
    def end_ns(self) -> int:
        return self.start_ns + self.count * self.width_ns

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics in it, in the order in which they are stored."""
        return tuple(self.mean or self.high or self.low)

    def weights(self, name: str) -> array[float]:
        """Seconds that each bin of a metric stands for, 0 in a gap."""
        if self.weight:
            return self.weight[name]
        width_s, means = self.width_s, self.mean[name]
        if means and min(means) >= 0:
            return array("f", [width_s]) * len(means)
        return array("f", [width_s if value >= 0 else 0.0 for value in means])


class _Bins(NamedTuple):
    low: array[float]
    mean: array[float]
    high: array[float]


def piece_of(received: ReceivedBins, told_ns: int) -> Course | None:
    """What a running job's node sent since it last did: all bins but the last are final. None where that is nothing."""
    course = _course_of(received, told_ns)
    return None if course is None else _with_tail(course)


def whole_of(received: ReceivedBins, told_ns: int) -> Course | None:
    """The course of a summary: all of it is final, and nothing that other pieces hold of the same time counts."""
    course = _course_of(received, told_ns)
    return None if course is None else replace(bounded(course), whole_from_ns=course.start_ns)


def course_of(profile: Profile | None) -> Course | None:
    """A received profile as a course, as it is; None where it is empty."""
    return None if profile is None else _course_of(as_received(profile), 0)


def as_received(profile: Profile) -> ReceivedBins:
    """A profile with plain tuples for its points."""
    columns = {name: [(p.low, p.mean, p.high) for p in points] for name, points in profile.columns.items()}
    return ReceivedBins(profile.start_ns, profile.width_s, columns)


def _course_of(received: ReceivedBins, told_ns: int) -> Course | None:
    """Columns of unequal lengths are filled up with gaps; numbers that are no measurement become gaps."""
    width_ns = round(received.width_s * NS_PER_S) if 0 < received.width_s < 1e9 else 0
    columns = {name: bins[:_MOST_POINTS] for name, bins in received.columns.items() if bins and len(name) <= 64}
    count = max(map(len, columns.values()), default=0)
    if width_ns <= 0 or not count or not 0 <= received.start_ns < _LATEST_NS:
        return None
    start_ns = received.start_ns - received.start_ns % width_ns
    course = Course(start_ns=start_ns, width_ns=width_ns, count=count, told_ns=told_ns)
    names = list(columns)[:MOST_COLUMNS]
    measured = _all_measured([columns[name] for name in names], count)
    for place, name in enumerate(names):
        if measured is None:
            put_bins(course, name, _bins(columns[name], count))
        else:
            own = slice(place * count, (place + 1) * count)
            put_bins(course, name, _Bins(measured.low[own], measured.mean[own], measured.high[own]))
    return course


def _all_measured(columns: Collection[Sequence[Bin]], count: int) -> _Bins | None:
    """The bins of all columns one after another; None where one is shorter, or a number is no measurement."""
    flat = list(chain.from_iterable(chain.from_iterable(columns)))
    if len(flat) != 3 * count * len(columns):
        return None
    values = array("f")
    try:
        values.frombytes(struct.pack(f"{len(flat)}f", *flat))  # twice as fast as array("f", flat)
    except (struct.error, OverflowError):  # a None, or more than a float32 holds
        return None
    bins = _thirds(values)
    is_plain = min(bins.low) >= 0 <= min(bins.mean) and max(bins.high) <= _GREATEST and math.isfinite(sum(bins.mean))
    return bins if is_plain else None


def _bins(received: Sequence[Bin], count: int) -> _Bins:
    bins = _thirds(array("f", [number for one in received for number in _measured(*one)]))
    missing = count - len(received)
    if missing:
        for part, gap in zip(bins, (GAP_LOW, GAP_MEAN, GAP_HIGH), strict=True):
            part.extend([gap] * missing)
    return bins


def _thirds(values: array[float]) -> _Bins:
    return _Bins(values[0::3], values[1::3], values[2::3])


def _measured(low: float | None, mean: float | None, high: float | None) -> tuple[float, float, float]:
    """A bin whose mean is a measurement; a missing or impossible extreme is taken from the mean."""
    if mean is None or not 0 <= mean <= _GREATEST:
        return GAP_LOW, GAP_MEAN, GAP_HIGH
    low = low if low is not None and 0 <= low <= mean else mean
    high = high if high is not None and mean <= high <= _GREATEST else mean
    return low, mean, high


def put_bins(course: Course, name: str, bins: Sequence[array[float]]) -> None:
    """Set one metric's lowest, mean and highest values."""
    course.low[name], course.mean[name], course.high[name] = bins


def _with_tail(course: Course) -> Course:
    last = course.count - 1
    return replace(bounded(sliced(course, 0, last)), tail=sliced(course, last, course.count))


def sliced(course: Course, first: int, end: int) -> Course:
    """Bins `first` to `end` (not with it), without a tail."""

    def cut(part: Columns) -> Columns:
        return {name: values[first:end] for name, values in part.items()}

    return replace(
        course,
        start_ns=course.start_ns + first * course.width_ns,
        count=max(0, min(end, course.count) - first),
        low=cut(course.low),
        mean=cut(course.mean),
        high=cut(course.high),
        weight=cut(course.weight),
        tail=None,
    )


def bounded(course: Course) -> Course:
    """Halved until it has at most `MOST_BINS` bins."""
    while course.count > MOST_BINS:
        course = halved(course)
    return course


def widened(course: Course, times: int) -> Course:
    """On bins `times` as wide, a power of two."""
    if times < 2:
        return course
    return halved(course) if times == 2 else _grouped(course, times)


def _grouped(course: Course, times: int) -> Course:
    """What halving again and again comes to, in one go: each wide bin from a slice of narrow ones."""
    width_ns = times * course.width_ns
    before = course.start_ns % width_ns // course.width_ns
    begins = range(-before, course.count, times)
    slices = [slice(max(0, begin), min(begin + times, course.count)) for begin in begins]
    made = replace(
        course,
        start_ns=course.start_ns - before * course.width_ns,
        width_ns=width_ns,
        count=len(slices),
        low={name: array("f", [min(values[group]) for group in slices]) for name, values in course.low.items()},
        high={name: array("f", [max(values[group]) for group in slices]) for name, values in course.high.items()},
        mean={},
        weight={},
    )
    for name, means in course.mean.items():
        weights = course.weights(name)
        sums = [sum(weights[group]) for group in slices]
        areas = [sum(map(mul, means[group], weights[group])) for group in slices]
        made.weight[name] = array("f", sums)
        made.mean[name] = array("f", [area / own if own else GAP_MEAN for area, own in zip(areas, sums, strict=True)])
    return made


def halved(course: Course) -> Course:
    """Two neighbours become one, on bins of twice the width; the parts that are not there stay away."""
    width_ns = 2 * course.width_ns
    before = course.start_ns % width_ns // course.width_ns
    after = (before + course.count) % 2
    made = replace(
        course,
        start_ns=course.start_ns - before * course.width_ns,
        width_ns=width_ns,
        count=(before + course.count + after) // 2,
        low={name: _pairs(values, GAP_LOW, before, after, min) for name, values in course.low.items()},
        high={name: _pairs(values, GAP_HIGH, before, after, max) for name, values in course.high.items()},
        mean={},
        weight={},
    )
    for name, means in course.mean.items():
        weights = course.weights(name)
        made.weight[name] = _pairs(weights, 0.0, before, after, add)
        made.mean[name] = _mean_pairs(_padded(means, GAP_MEAN, before, after), _padded(weights, 0.0, before, after))
    return made


def _padded(values: array[float], gap: float, before: int, after: int) -> array[float]:
    if not before and not after:
        return values
    return array("f", [gap] * before) + values + array("f", [gap] * after)


def _pairs(
    values: array[float], gap: float, before: int, after: int, join: Callable[[float, float], float]
) -> array[float]:
    padded = _padded(values, gap, before, after)
    return array("f", map(join, padded[0::2], padded[1::2]))


def _mean_pairs(means: array[float], weights: array[float]) -> array[float]:
    pairs = zip(means[0::2], weights[0::2], means[1::2], weights[1::2], strict=True)
    return array("f", [(a * u + b * v) / (u + v) if u + v else GAP_MEAN for a, u, b, v in pairs])


def measured(courses: Iterable[Course], name: str) -> bool:
    """Whether anything was measured of a metric in any of them."""
    return any(max(course.mean[name], default=GAP_MEAN) >= 0 for course in courses if name in course.mean)
