"""A profile as numbers: areas, averages, and many nodes' bins brought onto one grid.

Pure. Fed with `Profile`s (each node's recorder halves its resolution on its own, so widths and starts differ); feeds
`usage`, `charts`, `oddities` and the sparklines. A bin in which nothing was measured is None and stays None: a gap is
a gap.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from slurmlens.clock import NS_PER_S
from slurmlens.events import Point, Profile

MOST_COLUMNS = 360


class Part(enum.Enum):
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


def grid_for(profiles: Iterable[Profile], start_ns: int, end_ns: int) -> Grid | None:
    """The finest grid over [start, end] that no profile is coarser than, with at most `MOST_COLUMNS` bins."""
    width_ns = max((round(profile.width_s * NS_PER_S) for profile in profiles), default=0)
    if width_ns <= 0:
        return None
    while (end_ns - start_ns) / width_ns > MOST_COLUMNS - 1:
        width_ns *= 2
    first_ns = start_ns - start_ns % width_ns
    return Grid(first_ns, width_ns, max(1, -(-(end_ns - first_ns) // width_ns)))


def on_grid(profile: Profile | None, column: str, grid: Grid, part: Part = Part.MEAN) -> list[float | None]:
    """One column of a profile, brought onto the grid; bins that no bin of the profile falls into are None."""
    if profile is not None and round(profile.width_s * NS_PER_S) == grid.width_ns:
        return _shifted(profile, column, grid, part)
    bins: list[list[float]] = [[] for _ in range(grid.count)]
    for offset_ns, value in _timed(profile, column, part):
        index = (offset_ns - grid.start_ns) // grid.width_ns
        if 0 <= index < grid.count:
            bins[index].append(value)
    if part is Part.HIGH:
        return [max(found) if found else None for found in bins]
    return [sum(found) / len(found) if found else None for found in bins]


def _shifted(profile: Profile, column: str, grid: Grid, part: Part) -> list[float | None]:
    """`on_grid` for bins of the grid's own width, which is the usual case: nothing to merge, an index apart."""
    values: list[float | None] = [None] * grid.count
    first = (profile.start_ns + grid.width_ns // 2 - grid.start_ns) // grid.width_ns
    for index, point in enumerate(profile.columns.get(column, ()), first):
        if 0 <= index < grid.count:
            values[index] = point.mean if part is Part.MEAN else point.high
    return values


def _timed(profile: Profile | None, column: str, part: Part) -> Iterable[tuple[int, float]]:
    if profile is None:
        return
    width_ns = round(profile.width_s * NS_PER_S)
    middle_ns = profile.start_ns + width_ns // 2
    for index, point in enumerate(profile.columns.get(column, ())):
        value = point.mean if part is Part.MEAN else point.high
        if value is not None:
            yield middle_ns + index * width_ns, value


def shrink(values: Sequence[float | None], columns: int) -> tuple[float | None, ...]:
    """A course at no more than `columns` points, each the mean of what was measured in its stretch."""
    if len(values) <= columns:
        return tuple(values)
    edges = [round(index * len(values) / columns) for index in range(columns + 1)]
    return tuple(_mean(values[low:high]) for low, high in itertools.pairwise(edges))


def integral(profile: Profile | None, column: str) -> float | None:
    """Area under a rate: what was used while somebody watched. None where nothing was measured."""
    means = [value for _, value in _timed(profile, column, Part.MEAN)]
    return sum(means) * profile.width_s if profile and means else None


def average(profile: Profile | None, column: str) -> float | None:
    """Mean over the bins in which something was measured."""
    return _mean([value for _, value in _timed(profile, column, Part.MEAN)])


def highest(profile: Profile | None, column: str) -> float | None:
    """The highest value seen."""
    return max((value for _, value in _timed(profile, column, Part.HIGH)), default=None)


def has_values(profile: Profile | None, column: str) -> bool:
    """Whether anything was measured of this metric."""
    points: Sequence[Point] = profile.columns.get(column, ()) if profile else ()
    return any(point.mean is not None for point in points)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
