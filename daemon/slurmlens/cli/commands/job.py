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
from slurmlens.shown.text import visible
from slurmlens.slurm.job_ids import parse_job_reference

SUMMARY = "what one job did: outcome, cause, times, CPU, memory, nodes, events"

EPILOG = f"""example:
  slurmlens job 4711              the latest run of job 4711
  slurmlens job 4711 --run 1      its first run, before it was requeued
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
        body = hub_client.fetch(address, f"{path}.json")
        if arguments.json:
            show_json(body)
            return hub_client.EXIT_DONE
        view = hub_client.decode(body, JobView)
    except HubError as error:
        print(f"slurmlens job: {visible(str(error))}", file=sys.stderr)
        return hub_client.exit_status(error)
    show(render_job(view, sheet_for(wide=arguments.wide, url=address + path)))
    return hub_client.EXIT_DONE


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
