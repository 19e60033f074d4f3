"""A campaign's charts as positions: the trace of the best, parallel coordinates, the Pareto front.

Pure: view in, marks out; whoever shows them writes the elements, so that escaping stays with the page. Everything
stands in one box of `WIDTH` by `HEIGHT` units. What matters is never told by colour alone (the best is also wider, the
front also has rings); `point` of a mark is what it stands for, so that it can link to the point's job.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slurmlens.wire.campaign_view import CampaignView, PointView

WIDTH, HEIGHT = 720, 240
MOST_THREADS = 1_000
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 18, 34


@dataclass(frozen=True, slots=True)
class ChartMark:
    """One element: `tag` is path, circle or text; `role` becomes its class; `words` its text, or what is said of it."""

    tag: str
    role: str
    attributes: dict[str, str]
    words: str = ""
    point: PointView | None = None


@dataclass(frozen=True, slots=True)
class CampaignChart:
    """One chart: its heading, what somebody hears who does not see it, and what is drawn."""

    heading: str
    title: str
    marks: tuple[ChartMark, ...]


def campaign_charts(view: CampaignView) -> tuple[CampaignChart, ...]:
    """Those charts for which there is something to draw."""
    return tuple(chart for chart in (_trace(view), _pareto(view), _parallel(view)) if chart.marks)


def _trace(view: CampaignView) -> CampaignChart:
    """The best objective over the number of points; it begins with the first feasible one."""
    return CampaignChart(
        "The best so far", "The best so far over the points", tuple(_trace_marks(view)) if view.trace else ()
    )


def _trace_marks(view: CampaignView) -> Iterator[ChartMark]:
    last = max(2, len(view.points))
    low, high = _range([value for _, value in view.trace])
    yield from _axis(f"{high:.5g}", f"{low:.5g}", "1", str(len(view.points)), "points")
    path, latest = "", 1
    for number, value in [*view.trace, (last, view.trace[-1][1])]:
        latest = max(latest, number)  # points end in another order than they were asked for
        x, y = _x(latest, 1, last), _y(value, low, high)
        path += f"H{x:.1f}V{y:.1f}" if path else f"M{x:.1f} {y:.1f}"
    yield ChartMark("path", "line", {"d": path})
    latest = 1
    for number, value in view.trace:
        latest = max(latest, number)
        place = {"cx": f"{_x(latest, 1, last):.1f}", "cy": f"{_y(value, low, high):.1f}", "r": "3"}
        yield ChartMark("circle", "dot", place, f"point {number}: {value:.6g}", _point(view, number))


def _parallel(view: CampaignView) -> CampaignChart:
    """A line a feasible point through all parameters and objectives; the best one stands out and is drawn last."""
    feasible = [one for one in view.points if one.feasible]
    best = {view.best, *view.front}
    ranked = sorted(feasible, key=lambda one: one.point in best)[-MOST_THREADS:]
    title = "Every feasible point, its parameters and figures"
    if len(ranked) < len(feasible):
        title = f"The latest {len(ranked)} of {len(feasible)} feasible points, their parameters and figures"
    return CampaignChart("All feasible points", title, tuple(_parallel_marks(view, ranked)) if ranked else ())


def _parallel_marks(view: CampaignView, shown: Sequence[PointView]) -> Iterator[ChartMark]:
    names = dict.fromkeys(name for one in view.points for name in one.parameters)
    axes = [*names, *(text.split(" ", 1)[1] for text in view.objectives)]
    scales = [_Scale.of([_cell(one, name) for one in shown]) for name in axes]
    places = [_LEFT + place * (WIDTH - 2 * _LEFT) / max(1, len(axes) - 1) for place in range(len(axes))]
    best = {view.best, *view.front}
    for one in shown:
        yield _thread(one, axes, scales, places, is_best=one.point in best)
    for x, name, scale in zip(places, axes, scales, strict=True):
        yield ChartMark("path", "axis", {"d": f"M{x:.1f} {_TOP}V{HEIGHT - _BOTTOM}"})
        yield _text(name, x, HEIGHT - 8, "middle")
        yield _text(scale.highest, x + 3, _TOP + 4, role="small")
        yield _text(scale.lowest, x + 3, HEIGHT - _BOTTOM - 2, role="small")


def _thread(
    one: PointView, axes: Sequence[str], scales: Sequence[_Scale], places: Sequence[float], *, is_best: bool
) -> ChartMark:
    span = HEIGHT - _TOP - _BOTTOM
    corners = [
        f"{x:.1f} {_TOP + span * (1 - scale.share[value]):.1f}"
        for name, scale, x in zip(axes, scales, places, strict=True)
        if (value := _cell(one, name)) is not None
    ]
    role = "best" if is_best else "faint"
    return ChartMark("path", role, {"d": f"M{'L'.join(corners)}"}, f"point {one.point}", one)


def _pareto(view: CampaignView) -> CampaignChart:
    """The first two objectives of all feasible points; the front ringed and joined. Empty for one objective."""
    names = [text.split(" ", 1)[1] for text in view.objectives[:2]]
    shown = [one for one in view.points if one.feasible and all(name in one.values for name in names)]
    if len(names) < 2 or not shown:
        return CampaignChart("Pareto front", "", ())
    return CampaignChart(
        "Pareto front", f"{names[1]} over {names[0]}, the front ringed", tuple(_pareto_marks(view, shown, *names))
    )


def _pareto_marks(view: CampaignView, shown: Sequence[PointView], first: str, second: str) -> Iterator[ChartMark]:
    xs, ys = _range([one.values[first] for one in shown]), _range([one.values[second] for one in shown])
    yield from _axis(f"{ys[1]:.4g}", f"{ys[0]:.4g}", f"{xs[0]:.4g}", f"{xs[1]:.4g}", first)
    yield _text(second, _LEFT + 6, _TOP + 8)
    places = {one.point: (_x(one.values[first], *xs), _y(one.values[second], *ys)) for one in shown}
    front = set(view.front)
    joined = sorted((one for one in shown if one.point in front), key=lambda one: one.values[first])
    if joined:
        corners = "L".join(f"{places[one.point][0]:.1f} {places[one.point][1]:.1f}" for one in joined)
        yield ChartMark("path", "line", {"d": f"M{corners}"})
    for one in shown:
        x, y = places[one.point]
        is_front = one.point in front
        place = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "4" if is_front else "2"}
        words = f"point {one.point}: {one.values[first]:.6g}, {one.values[second]:.6g}"
        yield ChartMark("circle", "ring" if is_front else "faint", place, words, one)


def _point(view: CampaignView, number: int) -> PointView | None:
    return view.points[number - 1] if 0 < number <= len(view.points) else None


def _cell(one: PointView, name: str) -> float | int | str | None:
    return one.parameters.get(name, one.values.get(name))


@dataclass(frozen=True, slots=True)
class _Scale:
    """One axis: lowest and highest as text, and where each value stands between 0 and 1; words stand in order."""

    lowest: str
    highest: str
    share: dict[float | int | str, float]

    @classmethod
    def of(cls, cells: Sequence[float | int | str | None]) -> _Scale:
        known = [cell for cell in cells if cell is not None]
        numbers = [cell for cell in known if not isinstance(cell, str)]
        if numbers and len(numbers) == len(known):
            low, high = _range(numbers)
            return cls(f"{min(numbers):.4g}", f"{max(numbers):.4g}", {c: (c - low) / (high - low) for c in numbers})
        words = sorted({str(cell) for cell in known})
        order = {word: place for place, word in enumerate(words)}
        shares = {cell: order[str(cell)] / max(1, len(words) - 1) for cell in known}
        return cls(words[0], words[-1], shares) if words else cls("", "", {})


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - abs(low or 1) * 0.05, high + abs(high or 1) * 0.05)


def _x(value: float, low: float, high: float) -> float:
    return _LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)


def _y(value: float, low: float, high: float) -> float:
    return HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)


def _text(words: str, x: float, y: float, anchor: str = "start", role: str = "label") -> ChartMark:
    return ChartMark("text", role, {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}, words)


def _axis(top: str, bottom: str, left: str, right: str, name: str) -> Iterator[ChartMark]:
    base = HEIGHT - _BOTTOM
    yield ChartMark("path", "axis", {"d": f"M{_LEFT} {_TOP}V{base}H{WIDTH - _RIGHT}"})
    yield _text(top, _LEFT - 6, _TOP + 8, "end")
    yield _text(bottom, _LEFT - 6, base, "end")
    yield _text(left, _LEFT, HEIGHT - 8)
    yield _text(f"{right} {name}", WIDTH - _RIGHT, HEIGHT - 8, "end")
