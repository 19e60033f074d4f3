"""`slurmlens node NAME`: what a node is, in which state since when and why, and the jobs that ran on it.

Asks the hub for the same view that the page shows and draws it (`hub.views.entity.terminal`). Called by `cli.main`.
"""

from __future__ import annotations

import argparse

from slurmlens.cli.ask.report import add_report_arguments, segment, show_report
from slurmlens.hub.views.entity.terminal import render_entities, render_entity
from slurmlens.hub.views.entity.view import EntitiesView, EntityView

SUMMARY = "what a node is, its state over time and why, and the jobs that ran on it"

EPILOG = """example:
  slurmlens node                 all of them
  slurmlens node n11
  slurmlens node n11 --at 2h     as it was two hours ago
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the node's name; all of them where not set")
    add_report_arguments(parser, EPILOG, "at", "since")


def run(arguments: argparse.Namespace) -> int:
    """Show the node, or all of them."""
    if arguments.name is None:
        return show_report(arguments, "node", "/nodes", EntitiesView, render_entities)
    return show_report(arguments, "node", f"/nodes/{segment(arguments.name)}", EntityView, render_entity)
