"""`slurmlens cluster`: how busy the cluster is, what waits, what is broken, and a map of its nodes.

Asks the hub for the same view that the page `/cluster` shows and draws it (`hub.views.cluster.terminal`). Called by
`cli.main`.
"""

from __future__ import annotations

import argparse

from slurmlens.cli.ask.report import add_report_arguments, show_report
from slurmlens.hub.views.cluster.build import ALLOCATED, FIGURES, GROUPINGS
from slurmlens.hub.views.cluster.terminal import render_cluster
from slurmlens.hub.views.cluster.view import ClusterView

SUMMARY = "how busy the cluster is, what waits, what is broken"

EPILOG = """In the map a node is a height: how much of it is allocated, or what --figure says; d is drained, x down.

example:
  slurmlens cluster
  slurmlens cluster --by switch --figure memory
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    names = [kind.value for kind in GROUPINGS]
    parser.add_argument("--by", choices=names, default=names[0], help="group the nodes by these (default: %(default)s)")
    parser.add_argument(
        "--figure", choices=list(FIGURES), default=ALLOCATED, help="draw this of each node (default: %(default)s)"
    )
    parser.add_argument("--partition", help="of this partition's nodes and jobs alone")
    add_report_arguments(parser, EPILOG)


def run(arguments: argparse.Namespace) -> int:
    """Show it."""
    asked = {"by": arguments.by, "figure": arguments.figure}
    if arguments.partition:
        asked["partition"] = arguments.partition
    return show_report(arguments, "cluster", "/cluster", ClusterView, render_cluster, asked)
