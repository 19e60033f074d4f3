"""`slurmlens me`: one's own jobs: what runs, what waits and why, what failed and what to do about it.

Asks the hub for the same view that the page `/me` shows and draws it (`hub.views.home.terminal`). Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import getpass

from slurmlens.cli.ask.report import add_report_arguments, show_report
from slurmlens.hub.views.home.terminal import render_home
from slurmlens.hub.views.home.view import HomeView

SUMMARY = "one's own jobs: what runs, waits, failed, and what to do"

EPILOG = """example:
  slurmlens me
  slurmlens me --user alice      for who may see her jobs
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("--user", metavar="NAME", help="somebody else's (default: who runs this)")
    add_report_arguments(parser, EPILOG)


def run(arguments: argparse.Namespace) -> int:
    """Show them."""
    return show_report(arguments, "me", "/me", HomeView, render_home, {"user": arguments.user or getpass.getuser()})
