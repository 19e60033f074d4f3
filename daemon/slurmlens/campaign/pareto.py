"""The Pareto front: the feasible points that no other one beats in every objective.

Pure; asked by the reports and the status view of campaigns with several objectives.
"""

from __future__ import annotations

from slurmlens.campaign.fold import PointState, State


def front(state: State) -> list[PointState]:
    """The points of the front, ordered by the first objective; equal points appear once."""
    feasible = [point for point in state.points if point.feasible and point.asked.same_as is None]
    ordered = sorted(feasible, key=lambda point: (minimised(state, point), point.number))
    kept: list[PointState] = []
    for point in ordered:
        if not any(_beats(minimised(state, other), minimised(state, point)) for other in kept):
            kept.append(point)
    return kept


def minimised(state: State, point: PointState) -> tuple[float, ...]:
    """All objectives of a told point, smaller is better."""
    assert point.told is not None
    values = point.told.values
    return tuple(one.minimised(values[one.name]) for one in state.campaign.objectives)


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Nowhere worse; an equal one beats as well, so that of equals the first stays."""
    return all(a <= b for a, b in zip(one, other, strict=True))
