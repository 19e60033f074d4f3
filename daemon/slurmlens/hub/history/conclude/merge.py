"""A node's part in a run from all its sightings: pure.

A daemon that is restarted in mid-run begins a second sighting of the same run. Its counters are the cgroup's own and go
on, so the latest totals win; what is measured as growth while somebody watched (pressure of the whole node) is summed;
profiles are put one after another, with a gap where nobody watched. Fed by `queries`, feeds `facts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.events import Figure, FigureSource, Point, Profile, StepTotals, Totals

_NO_POINT = Point(None, None, None)
MAX_BINS = 20_000
"""No profile grows beyond this, whatever widths and times the pieces claim."""

_Figures = TypeVar("_Figures", Totals, StepTotals)
_PEAKS = frozenset({"memory_peak_bytes", "pids_peak"})
_COUNTED = frozenset({"samples"})


def merge_totals(in_order: Sequence[Totals]) -> Totals | None:
    """Totals of one node from its sightings, oldest first. What only an earlier one knows is marked incomplete."""
    if not in_order:
        return None
    merged = _merge_figures(in_order)
    steps: dict[str, list[StepTotals]] = {}
    for totals in in_order:
        for step in totals.steps:
            steps.setdefault(step.step, []).append(step)
    return msgspec.structs.replace(merged, steps=tuple(_merge_figures(own) for own in steps.values()))


def _merge_figures(in_order: Sequence[_Figures]) -> _Figures:
    latest = in_order[-1]
    changes: dict[str, object] = {}
    for name in latest.__struct_fields__:
        values = [getattr(one, name) for one in in_order]
        if name in ("step", "steps"):
            continue
        changes[name] = sum(values) if name in _COUNTED else _merge_values(name, values)
    return msgspec.structs.replace(latest, **changes)


def _merge_values(name: str, values: Sequence[Figure | int | None]) -> Figure | int | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    last = known[-1]
    if not isinstance(last, Figure):
        return max(value for value in known if isinstance(value, int))
    figures = [value for value in known if isinstance(value, Figure)]
    if last.source is FigureSource.NODE:
        return _replace(last, sum(figure.value for figure in figures), len(values) == 1 and last.complete)
    value = max(figure.value for figure in figures) if name in _PEAKS else last.value
    return _replace(last, value, last.complete and values[-1] is last)


def _replace(figure: Figure, value: float, complete: bool) -> Figure:
    return Figure(value=value, source=figure.source, complete=complete)


def merge_profiles(in_order: Iterable[Profile]) -> Profile | None:
    """One profile from pieces, oldest first, in bins of the widest piece's width; where they overlap the later wins."""
    pieces = [piece for piece in in_order if piece.columns and piece.width_s > 0]
    if not pieces:
        return None
    if len(pieces) == 1:
        return pieces[0]
    width_ns = max(round(piece.width_s * NS_PER_S) for piece in pieces)
    first = min(piece.start_ns for piece in pieces) // width_ns
    end_ns = max(_end_ns(piece) for piece in pieces)
    bins = -(-end_ns // width_ns) - first
    while bins > MAX_BINS:
        width_ns *= 2
        first = min(piece.start_ns for piece in pieces) // width_ns
        bins = -(-end_ns // width_ns) - first
    columns: dict[str, list[Point]] = {}
    for name in dict.fromkeys(name for piece in pieces for name in piece.columns):
        columns[name] = _column(name, pieces, first, bins, width_ns)
    return Profile(start_ns=first * width_ns, width_s=width_ns / NS_PER_S, columns=columns)


def _end_ns(piece: Profile) -> int:
    length = max(len(column) for column in piece.columns.values())
    return piece.start_ns + round(length * piece.width_s * NS_PER_S)


def _column(name: str, pieces: Sequence[Profile], first: int, bins: int, width_ns: int) -> list[Point]:
    """One metric's bins: narrower points that fall into one bin are joined, a bin told again replaces what was told."""
    parts: list[dict[tuple[int, int], Point]] = [{} for _ in range(bins)]
    for piece in pieces:
        own_ns = round(piece.width_s * NS_PER_S)
        for index, point in enumerate(piece.columns.get(name, ())):
            if point.mean is None:
                continue
            begin_ns = piece.start_ns + index * own_ns
            into = parts[(begin_ns + own_ns // 2) // width_ns - first]
            if own_ns >= width_ns:
                into.clear()
            into[own_ns, begin_ns // own_ns] = point
    return [_joined(list(own.values())) for own in parts]


def _joined(points: Sequence[Point]) -> Point:
    if len(points) < 2:
        return points[0] if points else _NO_POINT
    means = [point.mean for point in points if point.mean is not None]
    lows = [point.low for point in points if point.low is not None]
    highs = [point.high for point in points if point.high is not None]
    return Point(min(lows, default=None), sum(means) / len(means), max(highs, default=None))
