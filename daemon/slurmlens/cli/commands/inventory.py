"""`slurmlens inventory KIND NAME`: what stands around an entity, or in what it differs from another or from itself.

Asks the hub for the same views that the pages show and draws them. Called by `cli.main`.
"""

from __future__ import annotations

import argparse

from slurmlens.cli.ask.report import add_report_arguments, segment, show_report
from slurmlens.hub.views.neighbourhood.terminal import render_difference, render_neighbourhood
from slurmlens.hub.views.neighbourhood.view import DifferenceView, NeighbourhoodView

SUMMARY = "what stands around a node, user or job, now or then, and in what two nodes differ"

EPILOG = """example:
  slurmlens inventory node n11 --depth 2       partitions, switches, jobs, and what is around these
  slurmlens inventory job 4711 --at 10:14
  slurmlens inventory node n11 --with n12      in what they differ
  slurmlens inventory node n11 --then 3d       what changed in three days
"""

KINDS = ("cluster", "partition", "node", "user", "group", "account", "qos", "switch", "campaign", "job")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("kind", choices=KINDS, help="of which kind it is")
    parser.add_argument("name", metavar="NAME", help="its name")
    parser.add_argument("--depth", metavar="N", help="how many relations far (default: 2)")
    parser.add_argument("--with", dest="other", metavar="NAME", help="show in what it differs from this one")
    add_report_arguments(parser, EPILOG, "at", "then")


def run(arguments: argparse.Namespace) -> int:
    """Show the neighbourhood, or the difference."""
    path = f"/inventory/{arguments.kind}/{segment(arguments.name)}"
    if arguments.other or arguments.moment_then:
        query = {"with": arguments.other}
        return show_report(arguments, "inventory", f"{path}/difference", DifferenceView, render_difference, query)
    query = {"depth": arguments.depth}
    return show_report(arguments, "inventory", path, NeighbourhoodView, render_neighbourhood, query)
