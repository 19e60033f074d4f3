"""`slurmlens cluster`: how busy the cluster is, what waits, what is broken, and a map of its nodes.

Asks the hub for the same view that the page `/cluster` shows and draws it (`hub.views.cluster.terminal`). Called by
`cli.main`.
"""

from __future__ import annotations

import argparse

from slurmlens.cli.ask.report import add_report_arguments, show_report
from slurmlens.hub.views.cluster.build import GROUPINGS
from slurmlens.hub.views.cluster.terminal import render_cluster
from slurmlens.hub.views.cluster.view import ClusterView

SUMMARY = "how busy the cluster is, what waits, what is broken"

EPILOG = """In the map a node is a height, as much of it as is allocated; d is drained, x is down.

example:
  slurmlens cluster
  slurmlens cluster --by switch
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    names = [kind.value for kind in GROUPINGS]
    parser.add_argument("--by", choices=names, default=names[0], help="group the nodes by these (default: %(default)s)")
    add_report_arguments(parser, EPILOG)


def run(arguments: argparse.Namespace) -> int:
    """Show it."""
    return show_report(arguments, "cluster", "/cluster", ClusterView, render_cluster, {"by": arguments.by})
