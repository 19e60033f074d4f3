"""Server-made SVG of a job's charts: what a browser without scripts shows, and everybody's first paint.

Pure: `Charts` in, strings of path data and positions out; the templates write the elements, so that escaping stays in
one place. Plots stretch with the page (`preserveAspectRatio="none"`, strokes that do not scale), therefore no text
stands inside them. The same geometry is used by `web/src/charts.js`: `PLOT_WIDTH` units across, `PADDING` above and
below.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from slurmlens.hub.views.job.view import Chart, Charts, Scale, Series

PLOT_WIDTH = 1000
PADDING = 7
HEIGHTS: dict[str, int] = {"cpu": 128, "memory": 128, "io": 128}
SMALL_HEIGHT = 72
MOST_COLOURS = 8


@dataclass(frozen=True, slots=True)
class Line:
    """One path: `role` and `colour` become its classes; a filled band is a closed path."""

    label: str
    role: str
    colour: int
    path: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick of the vertical axis: pixels from the top, and its text."""

    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One chart, ready for its template."""

    chart: Chart
    height: int
    lines: tuple[Line, ...]
    ticks: tuple[Tick, ...]
    legend: tuple[Line, ...]
    limit_y: float | None

    @property
    def summary(self) -> str:
        """What somebody who cannot see the picture hears."""
        names = ", ".join(line.label for line in self.legend)
        return f"{self.chart.title} over time, in {self.chart.unit}: {names}"


def draw(charts: Charts) -> tuple[Plot, ...]:
    """All charts in their order; an empty one has no lines."""
    return tuple(_plot(chart, charts) for chart in charts.charts)


def position(time_s: float, charts: Charts) -> float:
    """Where a moment stands on the shared x axis, 0 to `PLOT_WIDTH`, not beyond either end."""
    span_s = charts.end_s - charts.start_s
    share = (time_s - charts.start_s) / span_s if span_s > 0 else 0.0
    return round(min(1.0, max(0.0, share)) * PLOT_WIDTH, 1)


def _plot(chart: Chart, charts: Charts) -> Plot:
    height = HEIGHTS.get(chart.key, SMALL_HEIGHT)
    scale = chart.scale
    if chart.empty or scale is None:
        return Plot(chart, height, (), (), (), None)
    colours = colours_of(chart.series)
    return Plot(
        chart=chart,
        height=height,
        lines=tuple(_lines(chart.series, colours, charts, scale, height)),
        ticks=tuple(Tick(y_of(tick, scale, height), text) for tick, text in zip(scale.ticks, scale.texts, strict=True)),
        legend=tuple(_legend(chart.series, colours)),
        limit_y=y_of(chart.limit, scale, height) if chart.limit_shown and chart.limit is not None else None,
    )


def colours_of(series: Sequence[Series]) -> dict[str, int]:
    """A colour for every label that is drawn as a line, the same above and below the axis."""
    labels = dict.fromkeys(part.label for part in series if part.role not in ("low", "high"))
    return {label: index % MOST_COLOURS for index, label in enumerate(labels)}


def y_of(value: float, scale: Scale, height: int) -> float:
    """Pixels from the top of the plot."""
    inside = height - 2 * PADDING
    return round(PADDING + inside * (1 - (value - scale.low) / (scale.high - scale.low)), 1)


def _lines(
    series: Sequence[Series], colours: dict[str, int], charts: Charts, scale: Scale, height: int
) -> Iterator[Line]:
    xs = [position(time_s, charts) for time_s in charts.times_s]
    for sign in (1, -1):
        parts = {part.role: part for part in series if part.sign == sign}
        if "low" in parts and "high" in parts:
            low, high = (_ys(parts[role], scale, height) for role in ("low", "high"))
            yield Line("all nodes", "band", 0, "".join(_areas(xs, low, high)))
    for part in sorted(series, key=lambda part: part.role == "odd"):
        if part.role not in ("low", "high"):
            path = "".join(_strokes(xs, _ys(part, scale, height)))
            yield Line(part.label, part.role, colours[part.label], path)


def _legend(series: Sequence[Series], colours: dict[str, int]) -> Iterator[Line]:
    seen: set[str] = set()
    for part in series:
        if part.role in ("low", "high"):
            continue
        if part.label not in seen:
            seen.add(part.label)
            yield Line(part.label, part.role, colours[part.label], "")


def _ys(part: Series, scale: Scale, height: int) -> list[float | None]:
    return [None if value is None else y_of(value * part.sign, scale, height) for value in part.values]


def _stretches(xs: Sequence[float], ys: Sequence[float | None]) -> Iterator[list[tuple[float, float]]]:
    """Runs of neighbouring points; where nothing was measured a run ends: a gap is a gap."""
    run: list[tuple[float, float]] = []
    for x, y in zip(xs, ys, strict=True):
        if y is not None:
            run.append((x, y))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _strokes(xs: Sequence[float], ys: Sequence[float | None]) -> Iterator[str]:
    for run in _stretches(xs, ys):
        yield _relative(run)
        if len(run) == 1:
            yield "h0"  # a lone point: with round caps a line of no length is a dot


def _relative(run: Sequence[tuple[float, float]]) -> str:
    """Path data in steps of a tenth from point to point: a third of the bytes of absolute numbers."""
    last_x, last_y = (round(part * 10) for part in run[0])
    path = [f"M{_tenth(last_x)} {_tenth(last_y)}"]
    for x, y in run[1:]:
        at_x, at_y = round(x * 10), round(y * 10)
        path.append(f"l{_tenth(at_x - last_x)} {_tenth(at_y - last_y)}")
        last_x, last_y = at_x, at_y
    return "".join(path)


@lru_cache(maxsize=4096)
def _tenth(tenths: int) -> str:
    return str(tenths // 10) if tenths % 10 == 0 else f"{tenths / 10}"


def _areas(xs: Sequence[float], low: Sequence[float | None], high: Sequence[float | None]) -> Iterator[str]:
    pairs = [None if a is None or b is None else (a, b) for a, b in zip(low, high, strict=True)]
    tops = [None if pair is None else pair[1] for pair in pairs]
    bottoms = [None if pair is None else pair[0] for pair in pairs]
    for top, bottom in zip(_stretches(xs, tops), _stretches(xs, bottoms), strict=True):
        yield _relative([*top, *reversed(bottom)]) + "z"


def spark_path(course: Sequence[float | None], width: int, height: int) -> str:
    """A course of shares as one stroke in a box of `width` × `height`, one unit of air above and below."""
    if not course:
        return ""
    step = width / max(1, len(course) - 1)
    xs = [round(index * step, 1) for index in range(len(course))]
    inside = height - 2
    ys = [None if share is None else round(1 + inside * (1 - min(1.0, max(0.0, share))), 1) for share in course]
    return "".join(_strokes(xs, ys))
