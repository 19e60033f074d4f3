"""`slurmlens jobs`: running, waiting and finished jobs, those that need somebody standing out.

Asks the hub for the list that its page shows, under the same filters. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import sys
import urllib.parse

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.show.screen import sheet_for, show, show_json
from slurmlens.errors import HubError
from slurmlens.hub.views.jobs.terminal import render_jobs
from slurmlens.hub.views.jobs.view import JobsView
from slurmlens.shown.text import visible

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
    filters = {name: getattr(arguments, name) for name in FILTERS if getattr(arguments, name)}
    query = f"?{urllib.parse.urlencode(filters)}" if filters else ""
    try:
        body = hub_client.fetch(hub_client.hub_address(arguments.hub), f"/jobs.json{query}")
        if arguments.json:
            show_json(body)
            return hub_client.EXIT_DONE
        view = hub_client.decode(body, JobsView)
    except HubError as error:
        print(f"slurmlens jobs: {visible(str(error))}", file=sys.stderr)
        return hub_client.exit_status(error)
    show(render_jobs(view, sheet_for(wide=arguments.wide)))
    return hub_client.EXIT_DONE
