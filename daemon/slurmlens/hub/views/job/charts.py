"""The small multiples of a job: which charts there are, and their series over one shared grid.

Pure. Fed with `NodeFacts` and what was given; the result is drawn by `hub.web` as SVG and by the browser. Up to
`MOST_LINES` nodes are lines; beyond that a band from the lowest to the highest node with the median, and the odd
nodes by name. Ticks and their texts are made here, so that both drawings agree. Which charts there are
stands in `views.panels`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history.facts import NodeFacts
from slurmlens.hub.progress.course import TaskCourse
from slurmlens.hub.views.job.profile_bins import (
    BinValue,
    Grid,
    bands_of,
    grid_for,
    has_values,
    on_grid,
    shown_values,
)
from slurmlens.hub.views.job.progress_chart import progress_chart
from slurmlens.hub.views.job.scale import scale_for
from slurmlens.hub.views.job.value_charts import value_charts
from slurmlens.hub.views.job.view import Chart, Charts, Series
from slurmlens.hub.views.panels import JOB_PANELS, JobPanel
from slurmlens.shown import format as fmt

MOST_LINES = 8
MOST_ODD_LINES = 4
_PENDING_SHARE = 0.06
_TAIL_SHARE = 0.015
_LIMIT_IN_PICTURE = 0.2
"""A limit is drawn where the highest value reaches this share of it; farther away it would flatten the course."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a node gave, where that is known and the same on all nodes."""

    cores: float | None
    memory_bytes: float | None


def build_charts(
    nodes: Sequence[NodeFacts],
    odd: Sequence[str],
    limits: Limits,
    span_ns: tuple[int, int],
    *,
    waited_s: float,
    has_ended: bool,
    is_live: bool,
    progress: TaskCourse | None = None,
) -> Charts:
    """All charts over `span_ns` (start of the run to its end, or to now), with a little of the waiting before it.

    `progress` is the course of the task that stands for the job, where it reported any.
    """
    start_ns, end_ns = span_ns
    grid = grid_for((node.profile for node in nodes if node.profile), start_ns, end_ns)
    ran_s = max((end_ns - start_ns) / NS_PER_S, 0.001)
    told = progress_chart(progress, grid)
    measured = (_chart(plan, nodes, odd, limits, grid, is_live) for plan in JOB_PANELS)
    charts = (*measured, *((told,) if told is not None else ()), *value_charts(progress, grid))
    return Charts(
        start_s=round(start_ns / NS_PER_S - min(waited_s, _PENDING_SHARE * ran_s), 3),
        end_s=round(end_ns / NS_PER_S + _TAIL_SHARE * ran_s, 3),
        ran_from_s=round(start_ns / NS_PER_S, 3),
        ran_until_s=round(end_ns / NS_PER_S, 3) if has_ended else None,
        width_s=grid.width_ns / NS_PER_S if grid else 0.0,
        times_s=grid.middles_s() if grid else (),
        charts=charts,
        shape=_shape(grid, charts),
    )


def _shape(grid: Grid | None, charts: Sequence[Chart]) -> str:
    bins = (grid.start_ns, grid.width_ns) if grid else ()
    lines = [
        (chart.key, chart.empty, chart.note, [(s.label, s.role, s.sign) for s in chart.series]) for chart in charts
    ]
    return f"{zlib.crc32(repr((bins, lines)).encode('utf-8', 'replace')):08x}"


def _chart(
    plan: JobPanel, nodes: Sequence[NodeFacts], odd: Sequence[str], limits: Limits, grid: Grid | None, live: bool
) -> Chart:
    up, substituted = chosen_column(plan.up, nodes)
    if grid is None or up is None:
        return Chart(key=plan.key, title=plan.title, unit=plan.unit, empty=True, note=_why_empty(plan, nodes, live))
    series = _series(nodes, odd, up, plan.part, grid, 1)
    if plan.down:
        down, _ = chosen_column(plan.down, nodes)
        series += _series(nodes, odd, down or plan.down[0], plan.part, grid, -1)
    limit, label = _limit(plan, limits)
    highest = _highest(series, 1)
    shown_limit = limit if limit and highest >= _LIMIT_IN_PICTURE * limit else None
    scale = scale_for(plan.unit, max(highest, shown_limit or 0.0), _highest(series, -1) if plan.down else None)
    return Chart(
        key=plan.key,
        title=plan.title,
        unit=plan.unit,
        series=series,
        limit=limit,
        limit_label=label,
        limit_shown=shown_limit is not None,
        scale=scale,
        note=plan.substitute_note if substituted else None,
    )


def chosen_column(columns: tuple[str, str | None], nodes: Sequence[NodeFacts]) -> tuple[str | None, bool]:
    """The job's own column where any node measured it, else its substitute (True), else nothing."""
    own, substitute = columns
    if any(has_values(node.profile, own) for node in nodes):
        return own, False
    if substitute and any(has_values(node.profile, substitute) for node in nodes):
        return substitute, True
    return None, False


def _why_empty(plan: JobPanel, nodes: Sequence[NodeFacts], live: bool) -> str:
    """Why there is nothing to draw; where nothing at all was measured, that, and no guess about the machine."""
    if not any(has_values(node.profile, name) for node in nodes if node.profile for name in node.profile.names):
        if live:
            return "waiting for the first samples"
        if any(node.samples for node in nodes):
            return "the nodes sent totals, but no course"
        return "no samples: the job's cgroup was never read"
    if any(getattr(node.totals, name) for node in nodes if node.totals for name in plan.totals):
        return "only the total is known: no course of it was measured"
    return plan.why_empty


def _limit(plan: JobPanel, limits: Limits) -> tuple[float | None, str | None]:
    if plan.key == "cpu" and limits.cores:
        return limits.cores, f"{fmt.cores(limits.cores)} allocated"
    if plan.key == "memory" and limits.memory_bytes:
        return limits.memory_bytes, f"limit {fmt.memory(limits.memory_bytes)}"
    return None, None


def _series(
    nodes: Sequence[NodeFacts], odd: Sequence[str], column: str, part: BinValue, grid: Grid, sign: int
) -> tuple[Series, ...]:
    courses = {node.node: on_grid(node.profile, column, grid, part) for node in nodes}
    if len(nodes) <= MOST_LINES:
        return tuple(
            Series(label=name, role="odd" if name in odd else "line", values=shown_values(values), sign=sign)
            for name, values in courses.items()
        )
    return (*_band(list(courses.values()), sign), *_odd_lines(courses, odd, sign))


def _band(courses: Sequence[Sequence[float]], sign: int) -> tuple[Series, ...]:
    low, middle, high = bands_of(courses)
    made = (("lowest node", "low", low), ("median node", "median", middle), ("highest node", "high", high))
    return tuple(Series(label=label, role=role, values=shown_values(values), sign=sign) for label, role, values in made)


def _odd_lines(courses: Mapping[str, Sequence[float]], odd: Sequence[str], sign: int) -> tuple[Series, ...]:
    named = [name for name in odd if name in courses][:MOST_ODD_LINES]
    return tuple(Series(label=name, role="odd", values=shown_values(courses[name]), sign=sign) for name in named)


def _highest(series: Sequence[Series], sign: int) -> float:
    return max(
        (value for part in series if part.sign == sign for value in part.values if value is not None), default=0.0
    )


def limits_of(cores: Mapping[str, int], memory_bytes: Sequence[float | None]) -> Limits:
    """Limits that hold on every node: where nodes were given unlike shares there is no one line to draw."""
    core_counts, sizes = set(cores.values()), set(memory_bytes)
    return Limits(
        cores=float(core_counts.pop()) if len(core_counts) == 1 else None,
        memory_bytes=sizes.pop() if len(sizes) == 1 else None,
    )
