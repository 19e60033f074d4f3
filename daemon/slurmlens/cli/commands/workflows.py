"""`slurmlens workflows`: what failed jobs, schedules and findings started. Asks the hub. Called by `cli.main`."""

from __future__ import annotations

import argparse

from slurmlens.cli.ask.report import add_report_arguments, show_report
from slurmlens.hub.views.workflow.build import render_workflows
from slurmlens.hub.views.workflow.view import WorkflowsView

SUMMARY = "workflows that failed jobs, schedules and findings started, and what came of them"

EPILOG = """example:
  slurmlens workflows
  slurmlens workflows --json | jq -r '.rows[] | select(.state == "failed").problem'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_report_arguments(parser, EPILOG)


def run(arguments: argparse.Namespace) -> int:
    """Show the list."""
    return show_report(arguments, "workflows", "/workflows", WorkflowsView, render_workflows)
