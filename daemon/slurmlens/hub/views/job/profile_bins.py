"""Courses as numbers: areas, averages, and many nodes' bins brought onto one grid.

Pure. Fed with `Course`s (each node's recorder halves its resolution on its own, so widths and starts differ); feeds
`usage`, `charts`, `oddities` and the sparklines. All work on whole columns: a course has thousands of values, a wide
job a thousand courses. A value below zero is a gap, and stays one; `shown_values` makes it the None that people read.
"""

from __future__ import annotations

import enum
import itertools
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import add, mul
from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history.profiles.course import Course

MOST_COLUMNS = 400
"""More than a course has bins: a grid that must be wider than its courses costs a join of each of their columns."""
GAP = -1.0


class BinValue(enum.Enum):
    """Which value of a bin: the mean of a rate, or the highest of a gauge whose peak matters."""

    MEAN = "mean"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Grid:
    """Bins of one width that all nodes of a job share; bin i covers [start + i*width, start + (i+1)*width)."""

    start_ns: int
    width_ns: int
    count: int

    def middles_s(self) -> tuple[float, ...]:
        """The middle of each bin, seconds since the epoch."""
        first = self.start_ns + self.width_ns / 2
        return tuple(round((first + index * self.width_ns) / NS_PER_S, 3) for index in range(self.count))


class Bands(NamedTuple):
    """For each bin the lowest, the median and the highest of many nodes; a gap where no node has a value."""

    low: list[float]
    median: list[float]
    high: list[float]


def grid_for(courses: Iterable[Course], start_ns: int, end_ns: int) -> Grid | None:
    """The finest grid over [start, end] that no course is coarser than, with at most `MOST_COLUMNS` bins."""
    width_ns = max((course.width_ns for course in courses), default=0)
    if width_ns <= 0:
        return None
    while (end_ns - start_ns) / width_ns > MOST_COLUMNS - 1:
        width_ns *= 2
    first_ns = start_ns - start_ns % width_ns
    return Grid(first_ns, width_ns, max(1, -(-(end_ns - first_ns) // width_ns)))


def on_grid(course: Course | None, column: str, grid: Grid, part: BinValue = BinValue.MEAN) -> array[float]:
    """One column of a course, brought onto the grid; bins that no bin of the course falls into are gaps."""
    values = _values(course, column, part)
    if course is None or values is None:
        return array("f", [GAP]) * grid.count
    start_ns, width_ns = course.start_ns, course.width_ns
    while width_ns < grid.width_ns and grid.width_ns % (2 * width_ns) == 0:
        values, start_ns, width_ns = _halved(values, start_ns, width_ns, part)
    if width_ns != grid.width_ns:
        return _spread(values, start_ns, width_ns, grid, part)
    return _placed(values, (start_ns - grid.start_ns) // width_ns, grid.count)


def _values(course: Course | None, column: str, part: BinValue) -> array[float] | None:
    if course is None:
        return None
    return (course.mean if part is BinValue.MEAN else course.high).get(column)


def _placed(values: array[float], first: int, count: int) -> array[float]:
    """Values from bin `first` on, cut or filled up with gaps to `count` bins."""
    inside = values[max(0, -first) : max(0, count - first)]
    before = min(count, max(0, first))
    after = count - before - len(inside)
    gaps = array("f", [GAP])
    return gaps * before + inside + gaps * after if before or after else inside


def _halved(values: array[float], start_ns: int, width_ns: int, part: BinValue) -> tuple[array[float], int, int]:
    """Two neighbours as one; beside a gap, and beyond both ends, the other counts alone."""
    before = start_ns % (2 * width_ns) // width_ns
    first = values[:before]
    rest = values[before:]
    last = rest[len(rest) - len(rest) % 2 :]
    pairs = rest[: len(rest) - len(last)]
    return first + _joined(pairs, part) + last, start_ns - before * width_ns, 2 * width_ns


def _joined(pairs: array[float], part: BinValue) -> array[float]:
    """Where there is no gap, which is almost everywhere, by loops in C: a wide job has millions of bins."""
    firsts, seconds = pairs[0::2], pairs[1::2]
    if part is BinValue.HIGH:
        return array("f", map(max, firsts, seconds))
    if min(pairs, default=0.0) >= 0:
        return array("f", map(mul, map(add, firsts, seconds), itertools.repeat(0.5)))
    both = zip(firsts, seconds, strict=True)
    return array("f", [(a + b) / 2 if a >= 0 <= b else max(a, b) for a, b in both])


def _spread(values: array[float], start_ns: int, width_ns: int, grid: Grid, part: BinValue) -> array[float]:
    """Bins that the grid's are no multiple of: each goes where its middle lies."""
    bins: list[list[float]] = [[] for _ in range(grid.count)]
    middle_ns = start_ns + width_ns // 2 - grid.start_ns
    for index, value in enumerate(values):
        place = (middle_ns + index * width_ns) // grid.width_ns
        if value >= 0 and 0 <= place < grid.count:
            bins[place].append(value)
    join = max if part is BinValue.HIGH else _mean
    return array("f", [join(found) if found else GAP for found in bins])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def bands_of(courses: Sequence[Sequence[float]]) -> Bands:
    """The bands of courses on one grid. Sorting puts gaps first; what is behind them are the values."""
    low, middle, high = [], [], []
    for values in map(sorted, zip(*courses, strict=True)):
        gaps = bisect_left(values, 0.0) if values[0] < 0 else 0
        known = len(values) - gaps
        if not known:
            low.append(GAP)
            middle.append(GAP)
            high.append(GAP)
            continue
        half = gaps + known // 2
        low.append(values[gaps])
        middle.append(values[half] if known % 2 else (values[half - 1] + values[half]) / 2)
        high.append(values[-1])
    return Bands(low, middle, high)


def shown_values(values: Iterable[float]) -> tuple[float | None, ...]:
    """Four significant digits (half the bytes of a page, and finer than any screen), and None for a gap."""
    return tuple([float(f"{value:.4g}") if value >= 0 else None for value in values])


def shrink(values: Sequence[float], columns: int) -> list[float]:
    """A course at no more than `columns` points, each the mean of what was measured in its stretch."""
    if len(values) <= columns:
        return list(values)
    edges = [round(index * len(values) / columns) for index in range(columns + 1)]
    return [_mean_known(values[low:high]) for low, high in itertools.pairwise(edges)]


def shrink_shown(values: Sequence[float | None], columns: int) -> tuple[float | None, ...]:
    """`shrink` for a course as people read it, None for a gap."""
    shrunk = shrink([GAP if value is None else value for value in values], columns)
    return tuple(value if value >= 0 else None for value in shrunk)


def _mean_known(values: Sequence[float]) -> float:
    if min(values) >= 0:
        return sum(values) / len(values)
    known = [value for value in values if value >= 0]
    return _mean(known) if known else GAP


def integral(course: Course | None, column: str) -> float | None:
    """Area under a rate: what was used while somebody watched. None where nothing was measured."""
    return _reckoned(course, f"integral {column}", lambda of: _integral(of, column))


def _integral(course: Course, column: str) -> float | None:
    means = _measured(course, column)
    if means is None:
        return None
    width_s = course.width_s
    if not course.weight and min(means) >= 0:
        return sum(means) * width_s
    weights: Iterable[float] = course.weights(column)  # a gap weighs nothing
    if max(weights) > width_s:  # a bin that pieces report twice weighs no more than its width
        weights = map(min, weights, itertools.repeat(width_s))
    return float(sum(map(mul, means, weights)))


def average(course: Course | None, column: str) -> float | None:
    """Mean over the bins in which something was measured."""
    return _reckoned(course, f"average {column}", lambda of: _average(of, column))


def _average(course: Course, column: str) -> float | None:
    means = _measured(course, column)
    return None if means is None else _mean_known(means)


def _reckoned(course: Course | None, what: str, reckon: Callable[[Course], float | None]) -> float | None:
    """A figure of a course, reckoned once: who watches a job is shown the same courses again and again."""
    if course is None:
        return None
    if what not in course.reckoned:
        course.reckoned[what] = reckon(course)
    return course.reckoned[what]


def highest(course: Course | None, column: str) -> float | None:
    """The highest value seen."""
    found = max(_values(course, column, BinValue.HIGH) or (), default=GAP)
    return found if found >= 0 else None


def has_values(course: Course | None, column: str) -> bool:
    """Whether anything was measured of this metric."""
    return _measured(course, column) is not None


def _measured(course: Course | None, column: str) -> array[float] | None:
    means = _values(course, column, BinValue.MEAN)
    return means if means and max(means) >= 0 else None
