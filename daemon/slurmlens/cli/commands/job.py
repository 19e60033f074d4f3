"""`slurmlens job ID`: what happened to a job, in the terminal.

Asks the hub for the same view that the page shows and draws it (`hub.views.job.terminal`). Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import re
import sys
import urllib.parse

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.show.screen import sheet_for, show, show_json
from slurmlens.errors import DecodeError, HubError
from slurmlens.hub.views.job.terminal import render_job
from slurmlens.hub.views.job.view import JobView
from slurmlens.hub.views.job_timeline.terminal import render_timeline
from slurmlens.hub.views.job_timeline.view import JobTimelineView
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import visible
from slurmlens.slurm.job_ids import parse_job_reference

SUMMARY = "what one job did: outcome, cause, times, CPU, memory, nodes, events"

EPILOG = f"""example:
  slurmlens job 4711              the latest run of job 4711
  slurmlens job 4711 --run 1      its first run, before it was requeued
  slurmlens job 4711 --timeline   what happened to it and to its nodes, in the order of time
  slurmlens job 4711 --json | jq .cpu

{hub_client.EXIT_TEXT}"""

_ID = re.compile(r"[1-9]\d{0,9}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "job_id", type=_job_id, metavar="ID", help="the job's id, as squeue shows it: 4711, 4700_11, 4711+1"
    )
    parser.add_argument("--run", type=_number, metavar="N", help="which run, counted from 1 (default: the latest)")
    parser.add_argument(
        "--timeline", action="store_true", help="what happened when: the job, its nodes, its log lines, on one clock"
    )
    parser.add_argument(
        "--margin", type=_seconds, metavar="SECONDS", help="with --timeline: so long before the start and after the end"
    )
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    parser.add_argument("--wide", action="store_true", help="the whole width of the terminal, all nodes, all events")
    hub_client.add_hub_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the report; the exit status says whether there was one."""
    try:
        address = hub_client.hub_address(arguments.hub)
        path = f"/jobs/{urllib.parse.quote(arguments.job_id, safe='+')}" + (
            f"/{arguments.run}" if arguments.run else ""
        )
        body = hub_client.fetch(address, _data_of(path, arguments))
        if arguments.json:
            show_json(body)
            return hub_client.EXIT_DONE
        text = _text_of(body, arguments, sheet_for(wide=arguments.wide, url=address + path))
    except HubError as error:
        print(f"slurmlens job: {visible(str(error))}", file=sys.stderr)
        return hub_client.exit_status(error)
    show(text)
    return hub_client.EXIT_DONE


def _text_of(body: bytes, arguments: argparse.Namespace, sheet: Sheet) -> str:
    if arguments.timeline:
        return render_timeline(hub_client.decode(body, JobTimelineView), sheet)
    return render_job(hub_client.decode(body, JobView), sheet)


def _data_of(path: str, arguments: argparse.Namespace) -> str:
    if not arguments.timeline:
        return f"{path}.json"
    return f"{path}/timeline.json" + ("" if arguments.margin is None else f"?margin_s={arguments.margin}")


def _job_id(text: str) -> str:
    try:
        parse_job_reference(text)
    except DecodeError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text.strip()


def _number(text: str) -> int:
    if not _ID.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number that Slurm would give")
    return int(text)


def _seconds(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return int(text)
