"""`slurmlens usage`: who used what of the cluster in a window, and whether its promises were kept.

Asks the hub for the view that the management's page shows and draws it; `--rebuild` has the hub count everything again.
Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import sys

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.ask.report import add_report_arguments, show_report
from slurmlens.errors import HubError
from slurmlens.hub.views.management.build import TABLES
from slurmlens.hub.views.management.terminal import render_management
from slurmlens.hub.views.management.view import ManagementView
from slurmlens.shown.text import visible

SUMMARY = "who used what of the cluster: utilisation, sums that add up, service levels, habits"

EPILOG = """example:
  slurmlens usage                                  of the last seven days, by account
  slurmlens usage --by user --from 2026-11-01 --to 2026-12-01
  slurmlens usage --json | jq .utilisation[0].of_in_service
  slurmlens usage --rebuild                        an operator has the hub count everything again
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_report_arguments(parser, EPILOG, "from", "to")
    parser.add_argument("--by", choices=TABLES, default=TABLES[0], help="what the table is of")
    parser.add_argument("--rebuild", action="store_true", help="count everything again, from history and inventory")


def run(arguments: argparse.Namespace) -> int:
    """Show the table, or have it made anew."""
    if arguments.rebuild:
        return _rebuild(arguments)
    query = {"by": arguments.by}
    return show_report(arguments, "usage", "/management", ManagementView, render_management, query)


def _rebuild(arguments: argparse.Namespace) -> int:
    try:
        address = hub_client.hub_address(arguments.hub)
        body = hub_client.fetch(address, "/api/v1/usage/rebuild", method="POST")
        jobs = hub_client.decode(body, dict[str, int | str])["jobs"]
    except HubError as error:
        print(f"slurmlens usage: {visible(str(error))}", file=sys.stderr)
        return hub_client.exit_status(error)
    print(f"{jobs} jobs are being counted again; the page says how many are left.")
    return hub_client.EXIT_DONE
