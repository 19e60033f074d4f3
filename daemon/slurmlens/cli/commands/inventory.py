"""`slurmlens inventory KIND NAME`: what stands around an entity, in what it differs from another, and software.

Asks the hub for the same views that the pages show and draws them. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import sys

from slurmlens.cli.ask.hub import EXIT_USAGE
from slurmlens.cli.ask.report import add_report_arguments, segment, show_report
from slurmlens.hub.views.neighbourhood.terminal import render_difference, render_neighbourhood
from slurmlens.hub.views.neighbourhood.view import DifferenceView, NeighbourhoodView
from slurmlens.hub.views.software.terminal import render_library, render_node_software, render_software
from slurmlens.hub.views.software.view import LibraryView, NodeSoftwareView, SoftwareView

SUMMARY = "what stands around a node, user or job, now or then, and in what two nodes differ"

EPILOG = """example:
  slurmlens inventory node n11 --depth 2       partitions, switches, jobs, and what is around these
  slurmlens inventory job 4711 --at 10:14
  slurmlens inventory node n11 --with n12      in what they differ
  slurmlens inventory node n11 --then 3d       what changed in three days, packages among it
  slurmlens inventory node n11 --software      what is installed there
  slurmlens inventory software openmpi --at 3d which version of it which nodes had then
  slurmlens inventory software                 which nodes are not as the others of their partition
"""

KINDS = (
    "cluster",
    "partition",
    "node",
    "user",
    "group",
    "account",
    "qos",
    "switch",
    "port",
    "service",
    "campaign",
    "software",
    "job",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=f"of which kind it is: {', '.join(KINDS)}")
    parser.add_argument("name", nargs="?", metavar="NAME", help="its name; of software: all of it where not set")
    parser.add_argument("--depth", metavar="N", help="how many relations far (default: 2)")
    parser.add_argument("--with", dest="other", metavar="NAME", help="show in what it differs from this one")
    parser.add_argument("--software", action="store_true", help="of a node: what is installed there")
    add_report_arguments(parser, EPILOG, "at", "then")


def run(arguments: argparse.Namespace) -> int:
    """Show the neighbourhood, the difference, or software."""
    if arguments.kind == "software":
        return _software(arguments)
    if arguments.name is None:
        print(f"slurmlens inventory: which {arguments.kind}? Its name is missing", file=sys.stderr)
        return EXIT_USAGE
    if arguments.software:
        path = f"/nodes/{segment(arguments.name)}/software"
        return show_report(arguments, "inventory", path, NodeSoftwareView, render_node_software)
    path = f"/inventory/{arguments.kind}/{segment(arguments.name)}"
    if arguments.other or arguments.moment_then:
        query = {"with": arguments.other}
        return show_report(arguments, "inventory", f"{path}/difference", DifferenceView, render_difference, query)
    query = {"depth": arguments.depth}
    return show_report(arguments, "inventory", path, NeighbourhoodView, render_neighbourhood, query)


def _software(arguments: argparse.Namespace) -> int:
    if arguments.name is None:
        return show_report(arguments, "inventory", "/software", SoftwareView, render_software)
    path = f"/software/{segment(arguments.name)}"
    return show_report(arguments, "inventory", path, LibraryView, render_library)
