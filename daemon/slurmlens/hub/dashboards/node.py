"""The board of one node: what the jobs in its slots use, stacked, and what the whole node does."""

from __future__ import annotations

from slurmlens.hub.dashboards import targets
from slurmlens.hub.dashboards.curves import JOB_CURVES, NODE_CURVES, context_switches, drawn
from slurmlens.hub.dashboards.inputs import BoardNode
from slurmlens.hub.dashboards.model import Board, BoardKind, BoardRow, page_of
from slurmlens.hub.dashboards.targets import NamedSeries


def node_board(cluster: str, node: BoardNode) -> Board:
    """One node's board; curves of jobs are named by slot."""
    name = targets.any_of([node.name])

    def of_slots(metrics: tuple[str, ...]) -> tuple[NamedSeries, ...]:
        return (targets.by_level(targets.slot_series(cluster, name, targets.ANY, *metrics), targets.SLOT_LEVEL),)

    def of_node(metrics: tuple[str, ...]) -> tuple[NamedSeries, ...]:
        return (targets.by_level(targets.node_series(cluster, name, *metrics), targets.NODE_LEVEL),)

    return Board(
        kind=BoardKind.NODE,
        cluster=cluster,
        name=node.name,
        title=f"Node {node.name}",
        rows=(
            BoardRow(title="Jobs by slot", panels=drawn(JOB_CURVES, of_slots, is_stacked=True)),
            BoardRow(title="The whole node", panels=(*drawn(NODE_CURVES, of_node), context_switches(name))),
        ),
        page=page_of("nodes", node.name),
    )
