"""`slurmlens report`: usage of a day, week, month or year, of everybody, or of one user, account or kind of jobs.

Asks the hub, which writes every form of a report; text is drawn here from the same model. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.ask.report import query_text, show_view
from slurmlens.errors import HubError
from slurmlens.hub.views.report.terminal import render_report
from slurmlens.hub.views.report.view import ReportView
from slurmlens.shown.text import visible

SUMMARY = "usage of a day, week, month or year as text, HTML, PDF, CSV or JSON"

EPILOG = f"""example:
  slurmlens report                                             this month, what you may see
  slurmlens report --period month --at 2026-11 --of account:physics
  slurmlens report --period month --type cfd-run_42             of jobs called cfd-run_1, cfd-run_2 and so on
  slurmlens report --period week --format csv > week.csv
  slurmlens report --period year --at 2026 --format pdf --out 2026.pdf

{hub_client.EXIT_TEXT}"""

PERIODS = ("day", "week", "month", "year")
FORMATS = ("text", "html", "csv", "json", "pdf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--period", choices=PERIODS, default="month", help="how long")
    parser.add_argument("--at", metavar="WHEN", help="2026-11-30, 2026-W48, 2026-11 or 2026; now where not set")
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument(
        "--of", metavar="KIND:NAME", help="account:NAME, user:NAME, partition:NAME, qos:NAME or type:NAME alone"
    )
    whose.add_argument(
        "--type", metavar="NAME", help="one kind of jobs alone, by a job's name: numbers in it do not matter"
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="how it is written")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there; to the standard output where not set")
    parser.add_argument("--wide", action="store_true", help="all rows, in the whole width of the terminal")
    hub_client.add_hub_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the report, or write it."""
    of = arguments.of if arguments.type is None else f"type:{arguments.type}"
    query = query_text({"period": arguments.period, "at": arguments.at, "of": of})
    if arguments.format == "text" and arguments.out is None:
        arguments.json = False
        return show_view(arguments, "report", f"/reports.json{query}", ReportView, render_report)
    form = "html" if arguments.format == "text" else arguments.format
    if form == "pdf" and arguments.out is None and sys.stdout.isatty():
        print("slurmlens report: PDF is not for a terminal: name a file with --out", file=sys.stderr)
        return hub_client.EXIT_USAGE
    return _write(arguments, f"/reports.{form}{query}")


def _write(arguments: argparse.Namespace, target: str) -> int:
    try:
        body = hub_client.fetch(hub_client.hub_address(arguments.hub), target)
    except HubError as error:
        print(f"slurmlens report: {visible(str(error))}", file=sys.stderr)
        return hub_client.exit_status(error)
    if arguments.out is None:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
        return hub_client.EXIT_DONE
    try:
        arguments.out.write_bytes(body)
    except OSError as error:
        print(f"slurmlens report: {arguments.out} cannot be written: {error.strerror}", file=sys.stderr)
        return hub_client.EXIT_USAGE
    return hub_client.EXIT_DONE
