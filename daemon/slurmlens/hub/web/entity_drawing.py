"""A node's states over time and the runs below them, as positions for the template: pure.

One axis for both, a thousand units wide, from the view's begin to its moment; of a node that is younger, from the first
that is known of it. Runs that overlap stand in lanes; where
more ran at once than there are lanes, those left over are counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from slurmlens.hub.views.entity.view import EntityView, RunBand, StateView
from slurmlens.shown import format as fmt

WIDTH = 1000.0
MOST_LANES = 8
_LEAST_WIDTH = 1.5


@dataclass(frozen=True, slots=True)
class StateStretch:
    """A state's part of the band."""

    x: float
    width: float
    state: StateView
    text: str


@dataclass(frozen=True, slots=True)
class RunStretch:
    """A run's part of a lane."""

    x: float
    width: float
    lane: int
    run: RunBand
    text: str


@dataclass(frozen=True, slots=True)
class EntityDrawing:
    """The band of states, the lanes of runs, how many runs found no lane, and where the axis begins."""

    states: tuple[StateStretch, ...]
    runs: tuple[RunStretch, ...]
    lanes: int
    left_over: int
    since_ns: int


def draw_entity(view: EntityView) -> EntityDrawing:
    """Where everything stands."""
    axis = _Axis(_first_ns(view), view.at_ns)
    states = tuple(
        StateStretch(*axis.place(one.from_ns, one.to_ns), one, f"{one.word} since {fmt.iso_s(one.from_ns)}")
        for one in view.states
    )
    runs, left_over = _lanes(axis, view.runs)
    lanes = max((one.lane for one in runs), default=-1) + 1
    return EntityDrawing(states, runs, lanes, left_over, axis.since_ns)


class _Axis(NamedTuple):
    since_ns: int
    at_ns: int

    def place(self, from_ns: int, to_ns: int | None) -> tuple[float, float]:
        whole = max(1, self.at_ns - self.since_ns)
        begin = min(max(from_ns, self.since_ns), self.at_ns)
        end = self.at_ns if to_ns is None else min(max(to_ns, begin), self.at_ns)
        x = WIDTH * (begin - self.since_ns) / whole
        return round(x, 2), round(max(_LEAST_WIDTH, WIDTH * (end - begin) / whole), 2)


def _first_ns(view: EntityView) -> int:
    """Where the axis begins: a week of nothing before a node's first minute would leave that minute unseen."""
    begins_ns = [one.from_ns for one in view.states] + [one.from_ns for one in view.runs]
    first_ns = min(begins_ns, default=view.since_ns)
    return min(max(view.since_ns, first_ns), view.at_ns)


def _lanes(axis: _Axis, runs: Iterable[RunBand]) -> tuple[tuple[RunStretch, ...], int]:
    """Runs into the first lane that is free, oldest first."""
    free_from: list[float] = []
    placed: list[RunStretch] = []
    left_over = 0
    for run in sorted(runs, key=lambda one: (one.from_ns, one.job_id)):
        x, width = axis.place(run.from_ns, run.to_ns)
        lane = next((number for number, begin in enumerate(free_from) if begin <= x), len(free_from))
        if lane >= MOST_LANES:
            left_over += 1
            continue
        if lane == len(free_from):
            free_from.append(0.0)
        free_from[lane] = x + width
        who = f"{run.user or 'somebody'}, " if run.user else ""
        placed.append(RunStretch(x, width, lane, run, f"job {run.job_id}: {who}{run.state}"))
    return tuple(placed), left_over
