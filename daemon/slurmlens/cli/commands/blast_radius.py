"""`slurmlens blast-radius KIND NAME`: whom the failure of a node, switch or partition touches.

Asks the hub for the same view that the page shows and draws it. Called by `cli.main`.
"""

from __future__ import annotations

import argparse

from slurmlens.cli.ask.report import add_report_arguments, segment, show_report
from slurmlens.hub.views.neighbourhood.terminal import render_blast_radius
from slurmlens.hub.views.neighbourhood.view import BlastRadiusView

SUMMARY = "which jobs and users a failing node, switch, partition or a version of software touches"

EPILOG = """example:
  slurmlens blast-radius node n11
  slurmlens blast-radius switch s3 --at 2026-11-23T10:14
  slurmlens blast-radius software "openmpi 4.1"
"""

KINDS = ("node", "switch", "partition", "cluster", "user", "account", "software")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("kind", choices=KINDS, help="of which kind it is")
    parser.add_argument("name", metavar="NAME", help="its name")
    add_report_arguments(parser, EPILOG, "at")


def run(arguments: argparse.Namespace) -> int:
    """Show who is touched."""
    path = f"/inventory/{arguments.kind}/{segment(arguments.name)}/blast-radius"
    return show_report(arguments, "blast-radius", path, BlastRadiusView, render_blast_radius)
