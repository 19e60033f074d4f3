"""`slurmlens user NAME`: who a user is to the cluster: groups, accounts, jobs.

Asks the hub for the same view that the page shows and draws it (`hub.views.entity.terminal`). Called by `cli.main`.
"""

from __future__ import annotations

import argparse

from slurmlens.cli.ask.report import add_report_arguments, segment, show_report
from slurmlens.hub.views.entity.terminal import render_entities, render_entity
from slurmlens.hub.views.entity.view import EntitiesView, EntityView

SUMMARY = "a user's groups, accounts and jobs"

EPILOG = """example:
  slurmlens user                 all of them
  slurmlens user alice
  slurmlens user alice --at 2h     as it was two hours ago
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the user's name; all of them where not set")
    add_report_arguments(parser, EPILOG, "at", "since")


def run(arguments: argparse.Namespace) -> int:
    """Show the user, or all of them."""
    if arguments.name is None:
        return show_report(arguments, "user", "/users", EntitiesView, render_entities)
    return show_report(arguments, "user", f"/users/{segment(arguments.name)}", EntityView, render_entity)
