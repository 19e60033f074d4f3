"""The figures of a run node by node, all on one grid. Pure.

Fed with the facts' profiles; the columns are those of the charts of the job's page (`views.panels`), which draw very
many nodes as a band and so do not have each node's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from slurmlens.hub.history.facts import NodeFacts
from slurmlens.hub.views.job.charts import chosen_column
from slurmlens.hub.views.job.profile_bins import Grid, grid_for, has_values, on_grid, shown_values
from slurmlens.hub.views.job_timeline.view import NodeSeries
from slurmlens.hub.views.panels import JOB_PANELS, JobPanel

MOST_VALUES = 200_000
"""Of all series together, some 2 MB of JSON: the bins of a very wide job are wider."""


def series_grid(nodes: Sequence[NodeFacts], start_ns: int, end_ns: int) -> Grid | None:
    """The grid of all series of these nodes over [start, end]; None where nothing was measured."""
    grid = grid_for((node.profile for node in nodes if node.profile), start_ns, end_ns)
    lines = len(nodes) * sum(2 if plan.down else 1 for plan in JOB_PANELS)
    while grid is not None and grid.count > 1 and grid.count * lines > MOST_VALUES:
        width_ns = 2 * grid.width_ns
        first_ns = grid.start_ns - grid.start_ns % width_ns
        grid = replace(grid, start_ns=first_ns, width_ns=width_ns, count=max(1, -(-(end_ns - first_ns) // width_ns)))
    return grid


def node_series(nodes: Sequence[NodeFacts], grid: Grid) -> Iterator[NodeSeries]:
    """Figure by figure, in each the nodes in their order; what a node did not measure is left out."""
    for plan in JOB_PANELS:
        yield from _of_column(plan, plan.up, nodes, grid)
        if plan.down:
            yield from _of_column(plan, plan.down, nodes, grid)


def _of_column(
    plan: JobPanel, columns: tuple[str, str | None], nodes: Sequence[NodeFacts], grid: Grid
) -> Iterator[NodeSeries]:
    column, is_substitute = chosen_column(columns, nodes)
    if column is None:
        return
    for node in nodes:
        if has_values(node.profile, column):
            yield NodeSeries(
                node=node.node,
                key=plan.key,
                column=column,
                unit=plan.unit,
                values=shown_values(on_grid(node.profile, column, grid, plan.part)),
                note=plan.substitute_note if is_substitute else None,
            )
