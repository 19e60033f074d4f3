"""`slurmlens login`: a link that logs a browser in once, for the user who runs it.

Asks the hub, which is told who asks by MUNGE or by its Unix socket. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import sys

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.show.screen import show, show_json
from slurmlens.errors import HubError
from slurmlens.hub.views.login import LoginLink
from slurmlens.shown.text import visible

SUMMARY = "a link that logs your browser in to the hub, once"

EPILOG = f"""example:
  slurmlens login                 prints the link; open it in a browser
  xdg-open "$(slurmlens login)"

{hub_client.EXIT_TEXT}"""

LINKS = "/api/v1/login-links"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    hub_client.add_hub_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the link on standard output, and for whom it is on standard error."""
    try:
        address = hub_client.hub_address(arguments.hub)
        body = hub_client.fetch(address, LINKS, method="POST")
        link = hub_client.decode(body, LoginLink)
    except HubError as error:
        print(f"slurmlens login: {visible(str(error))}", file=sys.stderr)
        return hub_client.exit_status(error)
    if arguments.json:
        show_json(body)
        return hub_client.EXIT_DONE
    where = link.address if address.startswith(hub_client.UNIX) else address
    print(f"Logs {visible(link.who)} in, once, within {link.good_s / 60:g} minutes:", file=sys.stderr)
    show(visible(f"{where}{link.path}") + "\n")
    return hub_client.EXIT_DONE
