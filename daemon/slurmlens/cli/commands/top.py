"""`slurmlens top`: running jobs, how far each is and when it is done, kept up to date in the terminal.

Asks the hub every few seconds for the list of running jobs and draws it (`hub.views.jobs.top`); where standard output
is no terminal, once and as plain text. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
import urllib.parse

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.show.screen import sheet_for, show
from slurmlens.errors import HubError
from slurmlens.hub.views.jobs.top import render_top
from slurmlens.hub.views.jobs.view import JobsView
from slurmlens.shown.text import visible

SUMMARY = "running jobs, how far each is and when it is done, kept up to date"

EPILOG = f"""Jobs that stand still or will not make their time limit come first. Control-C ends it.

example:
  slurmlens top --user alice
  slurmlens top --once | head

{hub_client.EXIT_TEXT}"""

FILTERS = ("user", "account", "partition", "node")
LEAST_INTERVAL_S = 1.0
_ALTERNATE, _BACK = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_LINES_OF_FRAME = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    for name in FILTERS:
        parser.add_argument(f"--{name}", metavar="NAME", help=f"of this {name} only")
    parser.add_argument("--interval", type=float, default=3.0, metavar="SECONDS", help="between two looks (default: 3)")
    parser.add_argument("--once", action="store_true", help="show it once, as text")
    hub_client.add_hub_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the table until somebody ends it."""
    try:
        address = hub_client.hub_address(arguments.hub)
        if arguments.once or not sys.stdout.isatty():
            show(render_top(_look(address, arguments), sheet_for(wide=False)))
            return hub_client.EXIT_DONE
        return _keep_showing(address, arguments)
    except HubError as error:
        print(f"slurmlens top: {visible(str(error))}", file=sys.stderr)
        return hub_client.exit_status(error)


def _look(address: str, arguments: argparse.Namespace) -> JobsView:
    filters = {name: getattr(arguments, name) for name in FILTERS if getattr(arguments, name)}
    query = urllib.parse.urlencode({"state": "running", **filters})
    return hub_client.decode(hub_client.fetch(address, f"/jobs.json?{query}"), JobsView)


def _keep_showing(address: str, arguments: argparse.Namespace) -> int:
    """On the terminal's other screen, so that what stood there is back afterwards."""
    text = frame(render_top(_look(address, arguments), sheet_for(wide=True), _rows()))
    show(_ALTERNATE)
    try:
        while True:
            show(text)
            time.sleep(max(LEAST_INTERVAL_S, arguments.interval))
            try:
                text = frame(render_top(_look(address, arguments), sheet_for(wide=True), _rows()))
            except HubError as error:
                text = frame(f"{visible(str(error))}\nThis is tried again.\n")
    except KeyboardInterrupt:
        return hub_client.EXIT_DONE
    finally:
        show(_BACK)


def _rows() -> int:
    return shutil.get_terminal_size((80, 24)).lines - _LINES_OF_FRAME


def frame(text: str) -> str:
    """A text drawn over the one before without a flicker: each line, and all below it, is cleared as it is written."""
    return _HOME + "".join(f"{line}{_CLEAR_LINE}\r\n" for line in text.splitlines()) + _CLEAR_BELOW
