"""`slurmlens partition NAME`: what a partition is, which nodes it has, and its jobs.

Asks the hub for the same view that the page shows and draws it (`hub.views.entity.terminal`). Called by `cli.main`.
"""

from __future__ import annotations

import argparse

from slurmlens.cli.ask.report import add_report_arguments, segment, show_report
from slurmlens.hub.views.entity.terminal import render_entities, render_entity
from slurmlens.hub.views.entity.view import EntitiesView, EntityView

SUMMARY = "what a partition is, which nodes it has or had, and its jobs"

EPILOG = """example:
  slurmlens partition                 all of them
  slurmlens partition gpu
  slurmlens partition gpu --at 2h     as it was two hours ago
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the partition's name; all of them where not set")
    add_report_arguments(parser, EPILOG, "at", "since")


def run(arguments: argparse.Namespace) -> int:
    """Show the partition, or all of them."""
    if arguments.name is None:
        return show_report(arguments, "partition", "/partitions", EntitiesView, render_entities)
    return show_report(arguments, "partition", f"/partitions/{segment(arguments.name)}", EntityView, render_entity)
