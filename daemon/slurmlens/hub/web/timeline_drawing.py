"""The time line band and the x axis that all charts share, as positions for the templates.

Pure. The waiting before the start is cut off where it is long (the charts leave it a few percent), so the band says
how long it was instead of drawing it to scale. Ticks stand on round times of the day in UTC; the browser writes them
anew in the reader's zone.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from dataclasses import dataclass

from slurmlens.clock import NS_PER_S
from slurmlens.hub.views.job.view import Band, Charts, JobView, Mark
from slurmlens.hub.web.drawing import PLOT_WIDTH, position
from slurmlens.shown import format as fmt

MOST_TICKS = 8
MOST_STEP_ROWS = 4
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A bar of the band; `text` is what hovering shows. `row` 0 is the job, steps stand below."""

    kind: str
    x: float
    width: float
    text: str
    row: int


@dataclass(frozen=True, slots=True)
class Flag:
    """A mark of the band."""

    x: float
    mark: Mark


@dataclass(frozen=True, slots=True)
class AxisTick:
    """A time under the charts: percent from the left."""

    percent: float
    time_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The band, its marks and the axis below the charts."""

    stretches: tuple[Stretch, ...]
    flags: tuple[Flag, ...]
    ticks: tuple[AxisTick, ...]
    rows: int
    start_x: float
    end_x: float | None


def draw_timeline(view: JobView) -> Timeline | None:
    """None where the job never started: then there is nothing to draw to scale."""
    if view.charts is None or view.times.started_ns is None:
        return None
    charts = view.charts
    stretches = tuple(_stretches(view.bands, charts))
    ended_ns = view.times.ended_ns
    return Timeline(
        stretches=stretches,
        flags=tuple(Flag(position(mark.time_ns / NS_PER_S, charts), mark) for mark in view.marks),
        ticks=axis_ticks(charts.start_s, charts.end_s),
        rows=1 + max((stretch.row for stretch in stretches), default=0),
        start_x=position(view.times.started_ns / NS_PER_S, charts),
        end_x=None if ended_ns is None else position(ended_ns / NS_PER_S, charts),
    )


def axis_alone(charts: Charts) -> Timeline:
    """The axis of charts that no run is drawn above, as a node's."""
    ticks = axis_ticks(charts.start_s, charts.end_s)
    return Timeline(stretches=(), flags=(), ticks=ticks, rows=0, start_x=0.0, end_x=None)


def _stretches(bands: tuple[Band, ...], charts: Charts) -> Iterator[Stretch]:
    rows: list[float] = []
    for band in bands:
        x = position(band.start_ns / NS_PER_S, charts)
        end = position(band.end_ns / NS_PER_S, charts)
        lasted = fmt.duration((band.end_ns - band.start_ns) / NS_PER_S)
        yield Stretch(
            kind=band.kind.split(" ")[0],
            x=x,
            width=max(1.5, round(end - x, 1)),
            text=f"{band.kind}: {lasted}",
            row=0 if band.kind in ("pending", "running") else _free_row(rows, x, end),
        )


def _free_row(rows: list[float], x: float, end: float) -> int:
    """The first row below the job's in which a step does not overlap its predecessor; the last takes what is left."""
    for index, taken_until in enumerate(rows):
        if x >= taken_until:
            rows[index] = end
            return index + 1
    if len(rows) < MOST_STEP_ROWS:
        rows.append(end)
    return len(rows)


def axis_ticks(start_s: float, end_s: float) -> tuple[AxisTick, ...]:
    """Round times of the day, at most `MOST_TICKS`."""
    span_s = end_s - start_s
    if span_s <= 0:
        return ()
    step_s = next((step for step in _STEPS_S if span_s / step <= MOST_TICKS), _STEPS_S[-1])
    pattern = "%H:%M:%S" if step_s < 60 else "%H:%M" if step_s < 86_400 else "%m-%d"
    first = math.ceil(start_s / step_s) * step_s
    times = [first + index * step_s for index in range(int((end_s - first) // step_s) + 1)]
    return tuple(
        AxisTick(
            percent=round((time_s - start_s) / span_s * 100, 2),
            time_s=time_s,
            text=datetime.datetime.fromtimestamp(time_s, datetime.UTC).strftime(pattern),
        )
        for time_s in times
    )


def bar_width(ratio: float | None, whole: int = PLOT_WIDTH) -> float:
    """How long the filled part of a bar is; never beyond its end."""
    return 0.0 if ratio is None else round(min(1.0, max(0.0, ratio)) * whole, 1)
