"""The board with variables: any job, also a short one or a task of an array, by its nodes and slot.

Owns the names of the variables, which links to the board use: `var-node` (several), `var-slot`.
"""

from __future__ import annotations

from slurmlens.hub.dashboards import targets
from slurmlens.hub.dashboards.curves import JOB_CURVES, NODE_CURVES, context_switches, drawn
from slurmlens.hub.dashboards.model import Board, BoardKind, BoardRow, Variable
from slurmlens.hub.dashboards.targets import NamedSeries

NODE = "$node"
SLOT = "$slot"


def any_job_board(cluster: str) -> Board:
    """The cluster's one board with variables."""

    def of_slot(metrics: tuple[str, ...]) -> tuple[NamedSeries, ...]:
        series = targets.slot_series(cluster, NODE, SLOT, *metrics)
        return (targets.by_level(series, targets.NODE_LEVEL, targets.SLOT_LEVEL),)

    def of_node(metrics: tuple[str, ...]) -> tuple[NamedSeries, ...]:
        return (targets.by_level(targets.node_series(cluster, NODE, *metrics), targets.NODE_LEVEL),)

    return Board(
        kind=BoardKind.ANY_JOB,
        cluster=cluster,
        title=f"{cluster}: any job by node and slot",
        rows=(
            BoardRow(title="What runs in the slot", panels=drawn(JOB_CURVES, of_slot)),
            BoardRow(title="The nodes", panels=(*drawn(NODE_CURVES, of_node), context_switches(NODE))),
        ),
        variables=(
            Variable(name="node", label="Node", query=targets.every_node(cluster), is_several=True),
            Variable(name="slot", label="Slot", query=targets.every_slot(cluster, NODE)),
        ),
        page="/jobs",
    )
