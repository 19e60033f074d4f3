"""`slurmlens looks`: who looked at whose job.

Asks the hub for the log that its page shows, under the same filters: auditors are told all of it, others what is their
own affair. Called by `cli.main`.
"""

from __future__ import annotations

import argparse

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.ask.report import query_text, show_view
from slurmlens.hub.views.looks.terminal import render_looks
from slurmlens.hub.views.looks.view import LooksView

SUMMARY = "who looked at whose job"

EPILOG = f"""example:
  slurmlens looks                      at your jobs; an auditor sees all
  slurmlens looks --owner alice --json

{hub_client.EXIT_TEXT}"""

FILTERS = ("who", "owner", "job_id", "before", "limit")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--who", metavar="NAME", help="looks of this user only")
    parser.add_argument("--owner", metavar="NAME", help="looks at this user's jobs only")
    parser.add_argument("--job", dest="job_id", metavar="ID", help="looks at this job only")
    parser.add_argument("--before", metavar="ID", help="those before this look, which the last answer named")
    parser.add_argument("--limit", metavar="N", help="at most this many, the newest")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    parser.add_argument("--wide", action="store_true", help="the whole width of the terminal")
    hub_client.add_hub_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the log."""
    query = query_text({key: getattr(arguments, key) for key in FILTERS})
    return show_view(arguments, "looks", f"/looks.json{query}", LooksView, render_looks)
