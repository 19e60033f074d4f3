"""`slurmlens notify`: what one wishes to be told of one's own jobs while they run, and where.

Asks the hub, which is told who asks by MUNGE or by its Unix socket. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import sys
import urllib.parse

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.show.screen import show, show_json
from slurmlens.errors import HubError
from slurmlens.hub.notices.facts import UNLESS_NAMED, NoticeChannel, NoticeKind, WishesView
from slurmlens.shown.text import visible

SUMMARY = "be told when a job stands still, will not make its limit, failed, or ended"

ADDRESS = "/api/v1/me/notices"
_KINDS = ", ".join(kind.value for kind in NoticeKind)
_DEFAULT = ", ".join(kind.value for kind in NoticeKind if kind in UNLESS_NAMED)
EPILOG = f"""A digest is a mail a day: what ended, what failed and why, what it cost. `ended` tells each
job's whole report when it is over; tasks of arrays are left to the digest.
All else is told once a job, by each way that is set. Without options: what is set.

example:
  slurmlens notify --mail alice@example.org
  slurmlens notify --webhook https://chat.example.org/hooks/x --on stalled,limit
  slurmlens notify --mail alice@example.org --on failed,digest
  slurmlens notify --mail alice@example.org --on ended,digest
  slurmlens notify --no-mail

{hub_client.EXIT_TEXT}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    for channel in NoticeChannel:
        parser.add_argument(f"--{channel.value}", metavar="ADDRESS", help=f"by {channel.value}, to this address")
        parser.add_argument(f"--no-{channel.value}", action="store_true", help=f"nothing more by {channel.value}")
    parser.add_argument(
        "--on", metavar="KIND,KIND", default="", help=f"of these only, of {_KINDS} (default: {_DEFAULT})"
    )
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    hub_client.add_hub_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Change what is asked for, and show what is set then."""
    try:
        address = hub_client.hub_address(arguments.hub)
        for channel in NoticeChannel:
            wanted = getattr(arguments, channel.value)
            if wanted or getattr(arguments, f"no_{channel.value}"):
                asked = {"channel": channel.value, "address": wanted or "", "kinds": arguments.on}
                hub_client.fetch(address, f"{ADDRESS}?{urllib.parse.urlencode(asked)}", method="POST")
        body = hub_client.fetch(address, ADDRESS)
        view = hub_client.decode(body, WishesView)
    except HubError as error:
        print(f"slurmlens notify: {visible(str(error))}", file=sys.stderr)
        return hub_client.exit_status(error)
    if arguments.json:
        show_json(body)
    else:
        show(_text(view))
    return hub_client.EXIT_DONE


def _text(view: WishesView) -> str:
    lines = [
        f"{wish.channel.value} to {visible(wish.address)}: {', '.join(sorted(kind.value for kind in wish.kinds))}"
        for wish in view.wishes
    ]
    ways = ", ".join(channel.value for channel in view.channels) or "none"
    return "\n".join(lines or [f"{visible(view.user)} is told nothing. Ways that this hub has: {ways}."]) + "\n"
