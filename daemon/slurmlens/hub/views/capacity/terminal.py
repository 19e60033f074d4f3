"""A `CapacityView` for a terminal: each figure's course and forecast, then the same jobs on generations. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.hub.usage.capacity import Forecast
from slurmlens.hub.usage.charges import SIZE_CLASSES
from slurmlens.hub.usage.generations import GenerationRuns, Ratio, TypeOnGenerations
from slurmlens.hub.views.capacity.build import said
from slurmlens.hub.views.capacity.view import CapacityFigure, CapacityView
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import Sheet, sparkline
from slurmlens.shown.text import clip, pad, visible, wrap

MOST_TYPES = 8
_INDENT = "    "


def render_capacity(view: CapacityView, sheet: Sheet) -> str:
    """The page as text; ends in a newline."""
    lines = [sheet.ink.paint(f"Where cluster {visible(view.cluster)} is going", "strong")]
    for figure in view.figures:
        lines += ["", *_figure(figure, sheet)]
    if view.generations:
        lines += ["", *_generations(view, sheet)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _figure(figure: CapacityFigure, sheet: Sheet) -> Iterator[str]:
    name = figure.name.capitalize() if figure.mount is None else f"{visible(figure.mount)}: in use"
    yield f"  {name}"
    for line in wrap(visible(figure.sentence), sheet.columns - len(_INDENT)):
        yield f"{_INDENT}{line}"
    columns = sheet.columns - len(_INDENT)
    days = figure.days[-columns:]
    if days:
        most = max(max(day.value for day in days), 1e-6)
        full = 1.0 if figure.unit == "share" else most
        yield f"{_INDENT}{sparkline([day.value / full for day in days], len(days))}"
        yield f"{_INDENT}{fmt.count(len(days), 'day')}, at most {said(most, figure.unit)}"
    if figure.forecast is not None:
        yield from _forecast(figure.forecast, figure.unit)


def _forecast(forecast: Forecast, unit: str) -> Iterator[str]:
    for point in forecast.band:
        low, middle, high = (said(value, unit) for value in (point.low, point.middle, point.high))
        yield f"{_INDENT}in {point.days_ahead:>3} days {middle:>9}   80 % of days {low} to {high}"


def _generations(view: CapacityView, sheet: Sheet) -> Iterator[str]:
    """The reference, with the most runs, comes first; what could be chance stands in brackets."""
    shown = view.generations if sheet.full else view.generations[:MOST_TYPES]
    yield "  The same jobs on generations of nodes (in brackets: it may be chance)"
    for one in shown:
        yield f"{_INDENT}{clip(visible(one.job_type), sheet.columns - 24)}, {SIZE_CLASSES[one.size_class][1]}"
        yield from _runs(one, sheet)
    if len(shown) < len(view.generations):
        yield f"{_INDENT}{len(view.generations) - len(shown)} more kinds: --wide"


def _runs(of: TypeOnGenerations, sheet: Sheet) -> Iterator[str]:
    name_columns = max(12, sheet.columns - 58)
    for one in of.generations:
        name = pad(clip(visible(one.generation), name_columns), name_columns)
        yield f"{_INDENT}  {name} {fmt.count(one.runs, 'run'):>9} {_times(one)}"


def _times(one: GenerationRuns) -> str:
    cpu = fmt.UNKNOWN if one.median_cpu_s is None else fmt.duration(one.median_cpu_s)
    elapsed = f"{fmt.duration(one.median_elapsed_s):>9} {_against(one.elapsed):>7}"
    return f"{elapsed}   CPU {cpu:>9} {_against(one.cpu):>7}"


def _against(ratio: Ratio | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio.middle:.2f} ×" if ratio.is_sure else f"({ratio.middle:.2f})"
