"""The board of one partition: the sum over its nodes, and which of them stand out.

A node counts in each partition that it is in, with all its jobs: carbon's series know slots, not partitions.
"""

from __future__ import annotations

from collections.abc import Sequence

from slurmlens.hub.dashboards import targets
from slurmlens.hub.dashboards.curves import SUMMED_JOB_CURVES, SUMMED_NODE_CURVES, drawn, figure
from slurmlens.hub.dashboards.model import Board, BoardKind, BoardRow, Cell, Panel, Shape, board_uid, page_of
from slurmlens.hub.dashboards.targets import NamedSeries

SHOWN_NODES = 20
_EVERY_JOB = "All jobs on the partition's nodes, those of other partitions that share a node among them."


def partition_board(cluster: str, partition: str, nodes: Sequence[str]) -> Board:
    """One partition's board; a partition without nodes has an empty list and nothing to draw."""
    return Board(
        kind=BoardKind.PARTITION,
        cluster=cluster,
        name=partition,
        title=f"Partition {partition}",
        rows=(*(_curves(cluster, targets.any_of(nodes)) if nodes else ()), _nodes(cluster, nodes)),
        page=page_of("partitions", partition),
    )


def _curves(cluster: str, node: str) -> tuple[BoardRow, ...]:
    def of_jobs(metrics: tuple[str, ...]) -> tuple[NamedSeries, ...]:
        return (targets.total(targets.slot_series(cluster, node, targets.ANY, *metrics), "jobs"),)

    def of_nodes(metrics: tuple[str, ...]) -> tuple[NamedSeries, ...]:
        return (targets.total(targets.node_series(cluster, node, *metrics), "nodes"),)

    busy = targets.slot_series(cluster, node, targets.ANY, "cpu_cores")
    memory = targets.node_series(cluster, node, "memory_used_bytes")
    most_memory = targets.by_level(targets.highest(memory, SHOWN_NODES), targets.NODE_LEVEL).up
    return (
        BoardRow(
            title="Jobs, summed over the nodes",
            panels=(
                figure("Cores busy", "cores", targets.total(busy, "cores"), _EVERY_JOB),
                *drawn(SUMMED_JOB_CURVES, of_jobs),
            ),
        ),
        BoardRow(title="Nodes, summed", panels=drawn(SUMMED_NODE_CURVES, of_nodes)),
        BoardRow(
            title=f"The {SHOWN_NODES} nodes with the most",
            panels=(
                Panel(
                    title="CPU of jobs",
                    unit="cores",
                    targets=(targets.highest(targets.total_by_node(busy), SHOWN_NODES),),
                    note=_EVERY_JOB,
                ),
                Panel(title="Memory in use", unit="bytes", shape=Shape.TABLE, targets=(most_memory,)),
            ),
        ),
    )


def _nodes(cluster: str, nodes: Sequence[str]) -> BoardRow:
    cells = tuple((Cell(text=name, board=board_uid(BoardKind.NODE, cluster, name)),) for name in sorted(nodes))
    return BoardRow(
        title="Nodes",
        panels=(Panel(title="Nodes of the partition", shape=Shape.LIST, columns=("Node",), cells=cells),),
    )
