"""`slurmlens logs`: lines of all nodes' logs, by job, node, user, program and text; with `--follow` as they come.

Asks the hub for the lines that its page shows, under the same filters. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import sys
import time

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.ask.report import query_text
from slurmlens.cli.show.screen import sheet_for, show, show_json
from slurmlens.errors import HubError
from slurmlens.hub.views.logs.terminal import render_logs, render_row
from slurmlens.hub.views.logs.view import LogsView
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import visible

SUMMARY = "lines of all nodes' logs, by job, node, user and text"

EPILOG = f"""example:
  slurmlens logs --job 4711                 what was logged about job 4711
  slurmlens logs --node c2 --since 15m --severity warning
  slurmlens logs --grep 'oom_kill' --follow

{hub_client.EXIT_TEXT}"""

FILTERS = ("text", "job", "node", "user", "partition", "program", "kind", "severity", "since", "until")
PAGING = ("limit", "after")
FOLLOW_EVERY_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--grep", dest="text", metavar="WORDS", help='words that must all be there, "side by side", begin*'
    )
    parser.add_argument("--job", metavar="ID", help="about this job only, by its own id")
    for name in ("node", "user", "partition", "program"):
        parser.add_argument(f"--{name}", metavar="NAME", help=f"of this {name} only")
    parser.add_argument("--kind", metavar="KIND", help="of one kind that is understood, as oom_kill")
    parser.add_argument("--severity", metavar="LEVEL", help="as severe as this at least: error, warning, info, debug")
    parser.add_argument("--since", metavar="WHEN", help="15m, 6h, 2d, or a time (default: 24h)")
    parser.add_argument("--until", metavar="WHEN", help="the same")
    parser.add_argument("--limit", metavar="N", help="at most this many, the newest")
    parser.add_argument(
        "--after", metavar="PLACE", help="go on below the last line of a page before: it says the place"
    )
    parser.add_argument("--follow", action="store_true", help="go on with lines as they come, until interrupted")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    parser.add_argument("--wide", action="store_true", help="the whole width of the terminal")
    hub_client.add_hub_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the lines."""
    filters = {name: getattr(arguments, name) for name in (*FILTERS, *PAGING) if getattr(arguments, name)}
    sheet = sheet_for(wide=arguments.wide)
    try:
        address = hub_client.hub_address(arguments.hub)
        body = _fetch(address, filters)
        if arguments.json:
            show_json(body)
            return hub_client.EXIT_DONE
        view = hub_client.decode(body, LogsView)
        if view.note is not None:
            print(visible(view.note), file=sys.stderr)
        if not arguments.follow or view.rows:
            show(render_logs(view, sheet))
        if arguments.follow:
            _follow(address, filters, view, sheet)
    except HubError as error:
        print(f"slurmlens logs: {visible(str(error))}", file=sys.stderr)
        return hub_client.exit_status(error)
    except KeyboardInterrupt:
        pass
    return hub_client.EXIT_DONE


def _fetch(address: str, filters: dict[str, str]) -> bytes:
    return hub_client.fetch(address, f"/logs.json{query_text(filters)}")


def _follow(address: str, filters: dict[str, str], view: LogsView, sheet: Sheet) -> None:
    """Asks again each second, and shows what was not shown."""
    shown = {row.place for row in view.rows}
    asked = {**filters, "since": "60s"}
    for name in ("until", "after"):
        asked.pop(name, None)
    while True:
        time.sleep(FOLLOW_EVERY_S)
        rows = hub_client.decode(_fetch(address, asked), LogsView).rows
        new = [row for row in reversed(rows) if row.place not in shown]
        shown |= {row.place for row in new}
        for row in new:
            show("\n".join(render_row(row, sheet)) + "\n")
