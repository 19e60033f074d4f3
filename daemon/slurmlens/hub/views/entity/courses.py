"""A node's figures over time as the small multiples that jobs have: the same charts, the same drawing. Pure.

Fed with what `hub.node_states` keeps, of one node. Figures that this node never told have no chart. Which charts
there are stands in `views.panels`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.node_states.facts import NodeCourse
from slurmlens.hub.node_states.figures import BIN_S
from slurmlens.hub.views.job.scale import scale_for
from slurmlens.hub.views.job.view import Chart, Charts, Series
from slurmlens.hub.views.panels import NODE_PANELS, NodePanel

MOST_POINTS = 336
"""Across a page; more bins are joined, by their mean and their greatest value."""


MIRRORED = {"io": "read above, written below", "files": "read above, written below"}
_RECEIVED = "received above, sent below"


def build_courses(course: NodeCourse | None, since_ns: int, at_ns: int) -> Charts | None:
    """All charts over the window; None where the node told nothing in it."""
    if course is None or not course.begins_s:
        return None
    joins = -(-len(course.begins_s) // MOST_POINTS)
    begins_s = course.begins_s[::joins]
    charts = tuple(_chart(plan, course, joins) for plan in NODE_PANELS if plan.up in course.means)
    if not charts:
        return None
    end_s = at_ns / NS_PER_S
    first_s = max(since_ns / NS_PER_S, begins_s[0])
    width_s = float(BIN_S * joins)
    return Charts(
        start_s=first_s,
        end_s=end_s,
        ran_from_s=first_s,
        ran_until_s=None,
        width_s=width_s,
        times_s=tuple((begin_s + min(begin_s + width_s, end_s)) / 2 for begin_s in begins_s),
        charts=charts,
    )


def _chart(plan: NodePanel, course: NodeCourse, joins: int) -> Chart:
    series = list(_series(plan, course, joins))
    highest = {sign: _highest(series, sign) for sign in (1, -1)}
    note = MIRRORED.get(plan.key, _RECEIVED) if plan.down else None
    return Chart(
        key=plan.key,
        title=plan.title,
        unit=plan.unit,
        series=tuple(series),
        scale=scale_for(plan.unit, highest[1], highest[-1] if plan.down else None),
        note=note if plan.key != "io" else None,
    )


def _series(plan: NodePanel, course: NodeCourse, joins: int) -> Iterator[Series]:
    label = "mean" if plan.shows_high else plan.title
    yield Series(label=label, role="line", values=_joined(course.means[plan.up], joins, _mean))
    if plan.shows_high:
        yield Series(label="greatest", role="line", values=_joined(course.highs[plan.up], joins, max))
    if plan.down in course.means:
        yield Series(label=label, role="line", values=_joined(course.means[plan.down], joins, _mean), sign=-1)


def _joined(values: Sequence[float | None], joins: int, by: object) -> tuple[float | None, ...]:
    """Every `joins` values as one; None where none of them is known."""
    found = []
    for place in range(0, len(values), joins):
        known = [value for value in values[place : place + joins] if value is not None]
        found.append(float(f"{by(known):.4g}") if known else None)  # type: ignore[operator]  # max, or a mean
    return tuple(found)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _highest(series: Sequence[Series], sign: int) -> float:
    return max((value for one in series if one.sign == sign for value in one.values if value is not None), default=0.0)
