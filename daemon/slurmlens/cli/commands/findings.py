"""`slurmlens findings`: what is wrong, and what is known to help.

Asks the hub for the same views that its pages show and draws them. Called by `cli.main`.
"""

from __future__ import annotations

import argparse

from slurmlens.cli.ask.report import add_report_arguments, segment, show_report
from slurmlens.hub.views.finding.terminal import render_finding, render_findings
from slurmlens.hub.views.finding.view import FindingsView, FindingView

SUMMARY = "what is wrong with nodes, devices and jobs, and what is known to help"

EPILOG = """example:
  slurmlens findings                          what is open, the most likely first
  slurmlens findings F-12                     one with its evidence and guide
  slurmlens findings --over --json | jq -r '.rows[].lead.sentence'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_report_arguments(parser, EPILOG)
    parser.add_argument("finding", nargs="?", metavar="F-N", help="one finding alone")
    parser.add_argument("--over", action="store_true", help="those that are over, the latest first")
    parser.add_argument("--kind", metavar="KIND", help="of this kind alone, such as failing-node or known-problem")


def run(arguments: argparse.Namespace) -> int:
    """Show the list, or one."""
    if arguments.finding:
        path = f"/findings/{segment(arguments.finding)}"
        return show_report(arguments, "findings", path, FindingView, render_finding)
    query = {"state": "over" if arguments.over else None, "kind": arguments.kind}
    return show_report(arguments, "findings", "/findings", FindingsView, render_findings, query)
