"""The values that a job tells beside its progress (`residual=1e-5`), each as one of its charts.

Pure. Fed with the course of the task that stands for the job; part of `charts`. A value is drawn as it was told last
before the middle of a bin; before the first there is a gap. Values that are all positive and reach over three decades
or more are drawn by their logarithm, as whoever watches a residual would.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.progress.course import TaskCourse
from slurmlens.hub.views.job.profile_bins import Grid
from slurmlens.hub.views.job.view import Chart, Scale, Series
from slurmlens.shown import format as fmt

MOST_CHARTS = 8
_DECADES_FOR_LOG = 3.0
_INTERVALS = 3
_LEAST_REACH = 1e-290
"""Below it a third of it is no number any more."""


def value_charts(course: TaskCourse | None, grid: Grid | None) -> tuple[Chart, ...]:
    """A chart a name, by name; none where no value was told."""
    if course is None or grid is None:
        return ()
    names = sorted({name for sample in course.samples for name in sample.values})[:MOST_CHARTS]
    middles_ns = [round(middle * NS_PER_S) for middle in grid.middles_s()]
    return tuple(_chart(number, name, course, middles_ns) for number, name in enumerate(names))


def _chart(number: int, name: str, course: TaskCourse, middles_ns: Sequence[int]) -> Chart:
    told = [(sample.time_ns, sample.values[name]) for sample in course.samples if name in sample.values]
    times = [time_ns for time_ns, _ in told]
    values = [told[at - 1][1] if (at := bisect_right(times, middle)) else None for middle in middles_ns]
    is_log = _is_log([value for _, value in told])
    drawn = tuple(None if value is None else _drawn(value, is_log) for value in values)
    return Chart(
        key=f"value{number}",
        title=name,
        unit="log10" if is_log else "value",
        series=(Series(label=name, role="line", values=drawn),),
        scale=_scale([_drawn(value, is_log) for _, value in told], is_log),
        note=f"told by the job, {told[-1][1]:.4g} at last" + (", by powers of ten" if is_log else ""),
    )


def _is_log(values: Sequence[float]) -> bool:
    return min(values) > 0 and math.log10(max(values) / min(values)) >= _DECADES_FOR_LOG


def _drawn(value: float, is_log: bool) -> float:
    return float(f"{math.log10(value) if is_log else value:.6g}")


def _scale(drawn: Sequence[float], is_log: bool) -> Scale:
    """From a round number below the lowest to one above the highest, with at most five ticks."""
    low, high = min(drawn), max(drawn)
    reach = max(high - low, abs(high) * 1e-6) or 1.0
    reach = reach if reach > _LEAST_REACH else 1.0
    power = 10.0 ** math.floor(math.log10(reach / _INTERVALS))
    step = next(factor * power for factor in (1, 2, 5, 10) if reach / _INTERVALS <= factor * power * (1 + 1e-9))
    step = max(1.0, math.ceil(step)) if is_log else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [index * step for index in range(first, max(last, first + 1) + 1)]
    texts = tuple(f"1e{round(tick)}" if is_log else _text(tick) for tick in ticks)
    return Scale(low=ticks[0], high=ticks[-1], ticks=tuple(ticks), texts=texts)


def _text(value: float) -> str:
    return "0" if value == 0 else f"{value:.3g}" if value < 0 or value < 0.01 or value >= 1e5 else fmt.digits(value)
