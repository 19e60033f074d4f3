"""Software as CSV: pure. A row a package, a version with its nodes, or a node that differs."""

from __future__ import annotations

from slurmlens.hub.views.software.view import LibraryView, NodeSoftwareView, SoftwareView
from slurmlens.shown.csv import csv_table


def node_software_csv(view: NodeSoftwareView) -> str:
    """Every package of a node."""
    rows = ((one.source, line.name, line.version, line.place) for one in view.sources for line in one.packages)
    return csv_table(("source", "name", "version", "place"), rows)


def library_csv(view: LibraryView) -> str:
    """Every version of a library."""
    rows = ((view.name, one.version, one.source, one.place, " ".join(one.nodes)) for one in view.versions)
    return csv_table(("name", "version", "source", "place", "nodes"), rows)


def software_csv(view: SoftwareView) -> str:
    """Every node that differs from its partition."""
    rows = (
        (one.node, one.group, one.source, one.name, " ".join(one.has), " ".join(one.usual), round(one.share, 4))
        for one in view.drift
    )
    return csv_table(("node", "partition", "source", "name", "has", "usual", "share"), rows)
