"""A campaign's charts as SVG: the trace of the best, parallel coordinates, the Pareto front.

Pure: view in, markup out; nothing is loaded from elsewhere and nothing needs a script. Colours are Okabe and Ito's;
what matters is never told by colour alone (the best is also wider, the front also has rings).
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from slurmlens.campaign.view import CampaignView, PointView

WIDTH, HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 18, 34


def trace(view: CampaignView) -> str:
    """The best objective over the number of points; empty before there is one."""
    if not view.trace:
        return ""
    last = len(view.points)
    steps = [(number, value) for number, value in view.trace]
    low, high = _range([value for _, value in steps])
    path, previous = "", None
    for number, value in [*steps, (last, steps[-1][1])]:
        x, y = _x(number, 1, max(2, last)), _y(value, low, high)
        path += f"M{x:.1f} {y:.1f}" if previous is None else f"H{x:.1f}V{y:.1f}"
        previous = value
    dots = "".join(
        f'<circle class="dot" cx="{_x(n, 1, max(2, last)):.1f}" cy="{_y(v, low, high):.1f}" r="3">'
        f"<title>#{n}: {v:.6g}</title></circle>"
        for n, v in steps
    )
    axis = _axis(f"{high:.5g}", f"{low:.5g}", "1", str(last), "points")
    return _svg("The best so far over the points", f'{axis}<path class="line" d="{path}"/>{dots}')


def parallel(view: CampaignView) -> str:
    """A line a feasible point through all parameters and objectives; the best one stands out."""
    names = list(dict.fromkeys(name for one in view.points for name in one.parameters))
    figures = [text.split(" ", 1)[1] for text in view.objectives]
    shown = [one for one in view.points if one.feasible]
    if not shown or not names:
        return ""
    axes = [*names, *figures]
    scales = [_scale([_cell(one, name) for one in shown]) for name in axes]
    places = [_LEFT + place * (WIDTH - 2 * _LEFT) / max(1, len(axes) - 1) for place in range(len(axes))]
    lines = "".join(
        _thread(one, axes, scales, places, view) for one in sorted(shown, key=lambda one: one.point == view.best)
    )
    ticks = "".join(
        f'<path class="axis" d="M{x:.1f} {_TOP}V{HEIGHT - _BOTTOM}"/>'
        f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{html.escape(name)}</text>'
        f'<text class="small" x="{x + 3:.1f}" y="{_TOP + 4}">{html.escape(scale[1])}</text>'
        f'<text class="small" x="{x + 3:.1f}" y="{HEIGHT - _BOTTOM - 2}">{html.escape(scale[0])}</text>'
        for x, name, scale in zip(places, axes, scales, strict=True)
    )
    return _svg("Every feasible point, its parameters and figures", lines + ticks)


def pareto(view: CampaignView) -> str:
    """The first two objectives of all feasible points; the front ringed and joined. Empty for one objective."""
    if len(view.objectives) < 2:
        return ""
    first, second = (text.split(" ", 1)[1] for text in view.objectives[:2])
    shown = [one for one in view.points if one.feasible]
    if not shown:
        return ""
    xs, ys = _range([one.values[first] for one in shown]), _range([one.values[second] for one in shown])

    def place(one: PointView) -> tuple[float, float]:
        return _x(one.values[first], *xs), _y(one.values[second], *ys)

    dots = "".join(
        f'<circle class="{"ring" if one.point in view.front else "faint"}" cx="{place(one)[0]:.1f}"'
        f' cy="{place(one)[1]:.1f}" r="{4 if one.point in view.front else 2}"><title>#{one.point}</title></circle>'
        for one in shown
    )
    joined = sorted((one for one in shown if one.point in view.front), key=lambda one: one.values[first])
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in map(place, joined))
    axis = _axis(f"{ys[1]:.4g}", f"{ys[0]:.4g}", f"{xs[0]:.4g}", f"{xs[1]:.4g}", first)
    return _svg(f"{second} over {first}, the front ringed", f'{axis}<path class="line" d="{path}"/>{dots}')


def _thread(
    one: PointView, axes: Sequence[str], scales: Sequence[tuple[str, str, dict[object, float]]],
    places: Sequence[float], view: CampaignView,
) -> str:  # fmt: skip
    span = HEIGHT - _TOP - _BOTTOM
    corners = [
        f"{x:.1f} {_TOP + span * (1 - scale[2][value]):.1f}"
        for name, scale, x in zip(axes, scales, places, strict=True)
        if (value := _cell(one, name)) is not None
    ]
    kind = "best" if one.point == view.best or one.point in view.front else "faint"
    return f'<path class="{kind}" d="M{"L".join(corners)}"><title>#{one.point}</title></path>'


def _cell(one: PointView, name: str) -> object:
    return one.parameters.get(name, one.values.get(name))


def _scale(cells: Sequence[object]) -> tuple[str, str, dict[object, float]]:
    """Lowest and highest as text, and where each value stands between 0 and 1; texts stand in their own order."""
    known = [cell for cell in cells if cell is not None]
    numbers = [float(cell) for cell in known if isinstance(cell, int | float)]
    if len(numbers) == len(known) and numbers:
        low, high = _range(numbers)
        return f"{min(numbers):.4g}", f"{max(numbers):.4g}", {c: (float(c) - low) / (high - low) for c in known}  # type: ignore[arg-type]
    texts = sorted({str(cell) for cell in known})
    where = {cell: texts.index(str(cell)) / max(1, len(texts) - 1) for cell in known}
    return (texts[0], texts[-1], where) if texts else ("", "", {})


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - abs(low or 1) * 0.05, high + abs(high or 1) * 0.05)


def _x(value: float, low: float, high: float) -> float:
    return _LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)


def _y(value: float, low: float, high: float) -> float:
    return HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)


def _axis(top: str, bottom: str, left: str, right: str, name: str) -> str:
    base = HEIGHT - _BOTTOM
    return (
        f'<path class="axis" d="M{_LEFT} {_TOP}V{base}H{WIDTH - _RIGHT}"/>'
        f'<text x="{_LEFT - 6}" y="{_TOP + 8}" text-anchor="end">{top}</text>'
        f'<text x="{_LEFT - 6}" y="{base}" text-anchor="end">{bottom}</text>'
        f'<text x="{_LEFT}" y="{HEIGHT - 8}">{left}</text>'
        f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{right} {html.escape(name)}</text>'
    )


def _svg(title: str, body: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">'
        f"<title>{html.escape(title)}</title>{body}</svg>"
    )
