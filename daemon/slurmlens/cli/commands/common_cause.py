"""`slurmlens common-cause`: what the runs that failed have in common, against those that succeeded.

Asks the hub for the same view that the page shows and draws it. Called by `cli.main`.
"""

from __future__ import annotations

import argparse

from slurmlens.cli.ask.report import add_report_arguments, show_report
from slurmlens.hub.views.common_cause.terminal import render_common_cause
from slurmlens.hub.views.common_cause.view import CommonCauseView

SUMMARY = "which node, switch, user, partition or version explains the failures of a window"

EPILOG = """example:
  slurmlens common-cause                      of the last day
  slurmlens common-cause --from 2h
  slurmlens common-cause --from 2026-11-23 --to 2026-11-24 --json | jq .causes[0].cause
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_report_arguments(parser, EPILOG, "from", "to")


def run(arguments: argparse.Namespace) -> int:
    """Show the causes, best first."""
    return show_report(arguments, "common-cause", "/common-cause", CommonCauseView, render_common_cause)
