"""`slurmlens jobs`: running, waiting and finished jobs, those that need somebody standing out.

Asks the hub for the list that its page shows, under the same filters. Called by `cli.main`.
"""

from __future__ import annotations

import argparse

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.ask.report import query_text, show_view
from slurmlens.hub.views.jobs.terminal import render_jobs
from slurmlens.hub.views.jobs.view import JobsView

SUMMARY = "running, waiting and finished jobs"

EPILOG = f"""example:
  slurmlens jobs --state failed --user alice
  slurmlens jobs --node c2 --limit 20

{hub_client.EXIT_TEXT}"""

FILTERS = ("state", "user", "account", "partition", "node", "limit", "after")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--state", metavar="STATE", help="pending, running, finished, failed, or one of Slurm's states")
    for name in ("user", "account", "partition", "node"):
        parser.add_argument(f"--{name}", metavar="NAME", help=f"of this {name} only")
    parser.add_argument("--limit", metavar="N", help="at most this many, the newest")
    parser.add_argument("--after", metavar="PLACE", help="go on where a list before ended: it says the place")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    parser.add_argument("--wide", action="store_true", help="the whole width of the terminal")
    hub_client.add_hub_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the list."""
    query = query_text({key: getattr(arguments, key) for key in FILTERS})
    return show_view(arguments, "jobs", f"/jobs.json{query}", JobsView, render_jobs)
