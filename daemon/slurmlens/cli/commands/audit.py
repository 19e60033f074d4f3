"""`slurmlens audit`: our figures against accounting's, and why they differ. Asks the hub. Called by `cli.main`."""

from __future__ import annotations

import argparse
import sys

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.ask.report import add_report_arguments, query_text, show_report
from slurmlens.errors import HubError
from slurmlens.hub.views.audit.build import render_audit
from slurmlens.hub.views.audit.view import AuditView
from slurmlens.shown.text import visible

SUMMARY = "our CPU seconds, peaks, times and states against accounting's, and why they differ"

EPILOG = """example:
  slurmlens audit                      the last day that was audited
  slurmlens audit --day 2026-11-30 --make
  slurmlens audit --json | jq '.counts[] | select(.is_explained | not)'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_report_arguments(parser, EPILOG)
    parser.add_argument("--day", metavar="DAY", help="this day (UTC), as 2026-11-30")
    parser.add_argument("--make", action="store_true", help="audit it now, again where it was")


def run(arguments: argparse.Namespace) -> int:
    """Show a day."""
    query = {"day": arguments.day}
    if arguments.make:
        try:
            address = hub_client.hub_address(arguments.hub)
            hub_client.fetch(address, f"/api/v1/audit{query_text(query)}", method="POST")
        except HubError as error:
            print(f"slurmlens audit: {visible(str(error))}", file=sys.stderr)
            return hub_client.exit_status(error)
    return show_report(arguments, "audit", "/audit", AuditView, render_audit, query)
