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

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import add, mul
from typing import TypeAlias

from slurmlens.clock import NS_PER_S
from slurmlens.events import Profile
from slurmlens.wire.packed_columns import GAP_HIGH, GAP_LOW, GAP_MEAN, Bins, measured_of
from slurmlens.wire.received import PackedBins, ReceivedBins

MOST_BINS = 360
MOST_COLUMNS = 48
"""More kinds of metric than any node sends; what is beyond them in a piece is left out."""
LONGEST_NAME_CHARS = 64
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
    reckoned: dict[str, float | None] = field(init=False, compare=False, repr=False, default_factory=dict)
    """What was reckoned of it by those to whom it is shown, who never change it; a changed copy begins without."""

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


def piece_of(received: ReceivedBins | PackedBins, told_ns: int) -> Course | None:
    """What a running job's node sent since it last did: all bins but the last are final. None where that is nothing."""
    course = _course_of(received, told_ns)
    return None if course is None else _with_tail(course)


def whole_of(received: ReceivedBins | PackedBins, told_ns: int) -> Course | None:
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


def _course_of(received: ReceivedBins | PackedBins, told_ns: int) -> Course | None:
    """Columns of unequal lengths are filled up with gaps; numbers that are no measurement become gaps."""
    if isinstance(received, PackedBins):
        columns: Mapping[str, Bins] = {name: bins for name, bins in received.columns.items() if is_kept(name)}
        return _course(received.start_ns, received.width_s, received.bins, columns, told_ns)
    plain = {name: bins[:_MOST_POINTS] for name, bins in received.columns.items() if bins and is_kept(name)}
    count = max(map(len, plain.values()), default=0)
    plain = {name: plain[name] for name in list(plain)[:MOST_COLUMNS]}
    return _course(received.start_ns, received.width_s, count, measured_of(plain, count), told_ns)


def _course(start_ns: int, width_s: float, count: int, columns: Mapping[str, Bins], told_ns: int) -> Course | None:
    course = head_of(start_ns, width_s, count if columns else 0, told_ns)
    if course is not None:
        for name in list(columns)[:MOST_COLUMNS]:
            put_bins(course, name, columns[name])
    return course


def head_of(start_ns: int, width_s: float, count: int, told_ns: int) -> Course | None:
    """A course of these bins without columns; None where there can be none of them."""
    width_ns = round(width_s * NS_PER_S) if 0 < width_s < 1e9 else 0
    if width_ns <= 0 or not count or not 0 <= start_ns < _LATEST_NS:
        return None
    return Course(start_ns=start_ns - start_ns % width_ns, width_ns=width_ns, count=count, told_ns=told_ns)


def is_kept(name: str) -> bool:
    """Whether a column of this name is: it is a metric's, and these are short."""
    return len(name) <= LONGEST_NAME_CHARS


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
