"""The nodes of a `ClusterView` as CSV: one line a node and group. Pure."""

from __future__ import annotations

from slurmlens.hub.views.cluster.view import ClusterView
from slurmlens.shown import format as fmt
from slurmlens.shown.csv import csv_table

HEADER = ("group", "node", "state", "since", "allocated_ratio", "jobs", "reason")


def cluster_csv(view: ClusterView) -> str:
    """The map as a table."""
    return csv_table(
        HEADER,
        (
            (group.name, node.name, node.word, fmt.iso(node.since_ns), node.allocated, node.jobs, node.reason)
            for group in view.groups
            for node in group.nodes
        ),
    )
