"""A node's totals in a run from all its sightings: pure.

A daemon that is restarted in mid-run begins a second sighting of the same run. Its counters are the cgroup's own and go
on, so the latest totals win; what is measured as growth while somebody watched (pressure of the whole node) is summed.
Their courses are put together by `profiles.fold`. Used by `node_facts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from slurmlens.events import Figure, FigureSource, StepTotals, Totals

_Figures = TypeVar("_Figures", Totals, StepTotals)
_PEAKS = frozenset({"memory_peak_bytes", "pids_peak"})
_COUNTED = frozenset({"samples"})
_EARLIEST = frozenset({"started_ns"})
_Value = Figure | int | str | tuple[object, ...]


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


def _merge_values(name: str, values: Sequence[_Value | None]) -> _Value | None:
    known = [value for value in values if value not in (None, ())]
    if not known:
        return values[-1]
    last = known[-1]
    if isinstance(last, str | tuple):
        return last
    if not isinstance(last, Figure):
        counts = [value for value in known if isinstance(value, int)]
        return min(counts) if name in _EARLIEST else max(counts)
    figures = [value for value in known if isinstance(value, Figure)]
    if last.source is FigureSource.NODE:
        return _replace(last, sum(figure.value for figure in figures), len(values) == 1 and last.complete)
    value = max(figure.value for figure in figures) if name in _PEAKS else last.value
    return _replace(last, value, last.complete and values[-1] is last)


def _replace(figure: Figure, value: float, complete: bool) -> Figure:
    return Figure(value=value, source=figure.source, complete=complete)
