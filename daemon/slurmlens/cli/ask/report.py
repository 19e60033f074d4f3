"""What all commands that show one of the hub's views share: their options, and asking, decoding and showing.

Owns nothing. A command says which address and which view; this says what happens where there is none, and writes JSON
as it came. Used by the commands that show a list or an entity.
"""

from __future__ import annotations

import argparse
import sys
import urllib.parse
from collections.abc import Callable, Mapping
from typing import TypeVar

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.ask.moments import FORMS, moment_argument
from slurmlens.cli.show.screen import sheet_for, show, show_json
from slurmlens.errors import HubError
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import visible

View = TypeVar("View")


def add_report_arguments(parser: argparse.ArgumentParser, epilog: str, *moments: str) -> None:
    """Declare what every report takes, and `--at` and its like as `moments` name them."""
    parser.epilog = f"{epilog}\n{hub_client.EXIT_TEXT}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    for name in moments:
        parser.add_argument(
            f"--{name}",
            type=moment_argument,
            metavar="TIME",
            help=f"{_MEANINGS[name]} ({FORMS})",
            dest=f"moment_{name}",
        )
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    parser.add_argument("--wide", action="store_true", help="the whole width of the terminal, and all there is")
    hub_client.add_hub_argument(parser)


_MEANINGS = {
    "at": "as it was then; now where not set",
    "since": "show what was from then on; a week where not set",
    "then": "compare with what it was then",
    "from": "begin of the window; where not set a day before its end, of usage a week",
    "to": "end of the window; now where not set",
}


def show_report(
    arguments: argparse.Namespace,
    command: str,
    path: str,
    kind: type[View],
    render: Callable[[View, Sheet], str],
    query: Mapping[str, str | None] | None = None,
) -> int:
    """Asks for `path` as JSON and shows it; returns the exit status."""
    asked = {
        name.removeprefix("moment_"): value for name, value in vars(arguments).items() if name.startswith("moment_")
    }
    asked |= query or {}
    return show_view(arguments, command, f"/api/v1{path}{query_text(asked)}", kind, render, shown_path=path)


def show_view(
    arguments: argparse.Namespace,
    command: str,
    target: str,
    kind: type[View],
    render: Callable[[View, Sheet], str],
    shown_path: str | None = None,
) -> int:
    """Asks for `target` and shows it, `--json` as it came; returns the exit status.

    `shown_path` is the page's address, where the report names it.
    """
    try:
        address = hub_client.hub_address(arguments.hub)
        body = hub_client.fetch(address, target)
        if arguments.json:
            show_json(body)
            return hub_client.EXIT_DONE
        view = hub_client.decode(body, kind)
    except HubError as error:
        print(f"slurmlens {command}: {visible(str(error))}", file=sys.stderr)
        return hub_client.exit_status(error)
    url = None if shown_path is None else address + shown_path
    show(render(view, sheet_for(wide=arguments.wide, url=url)))
    return hub_client.EXIT_DONE


def query_text(values: Mapping[str, str | None]) -> str:
    """What an address ends with to ask for these values; nothing where there are none."""
    given = {name: value for name, value in values.items() if value}
    return f"?{urllib.parse.urlencode(given)}" if given else ""


def segment(name: str) -> str:
    """A name as a part of an address."""
    return urllib.parse.quote(name, safe="")
