"""`slurmlens capacity`: when the cluster will be full, how sure that is, and what newer nodes bring.

Asks the hub for the view that the page `/capacity` shows and draws it (`hub.views.capacity.terminal`). Called by
`cli.main`.
"""

from __future__ import annotations

import argparse

from slurmlens.cli.ask.report import add_report_arguments, show_report
from slurmlens.hub.views.capacity.terminal import render_capacity
from slurmlens.hub.views.capacity.view import CapacityView

SUMMARY = "when the cluster, its queue and its file systems will be full; the same jobs on generations of nodes"

EPILOG = """For the management and operators.

example:
  slurmlens capacity
  slurmlens capacity --json | jq '.figures[] | {name, mount, sentence}'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_report_arguments(parser, EPILOG)


def run(arguments: argparse.Namespace) -> int:
    """Show it."""
    return show_report(arguments, "capacity", "/capacity", CapacityView, render_capacity)
