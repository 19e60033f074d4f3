"""`slurmlens assess …`: the steps of an assessment, each with files in and files out, in a shell as in Galaxy.

Owns the words, the files and the questions to the hub; everything else is `assess`'s. Called by `cli.main`, and by the
tools in `galaxy/`.
"""

from __future__ import annotations

import argparse
import sys
import urllib.parse
from pathlib import Path
from typing import Any

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.ask.report import segment
from slurmlens.errors import DecodeError, HubError
from slurmlens.shown.format import iso_s
from slurmlens.shown.text import visible
from slurmlens.wire.assessment import Ticket

SUMMARY = "assess a run of a job: export, join, score, match known problems, report"

EXIT_DONE = 0
EXIT_WRONG = 2
MOST_NODES = 64
LINES_ASKED = 1_000
LAST_S = 4_102_444_800
"""The year 2100: a hub takes no date much later."""

EPILOG = """example, what the workflow in galaxy/ does:
  slurmlens assess ticket --job 4711 --run 1 --output ticket.json
  slurmlens assess export-metrics --ticket ticket.json --output metrics.json
  slurmlens assess export-events --ticket ticket.json --output events.json
  slurmlens assess export-inventory --ticket ticket.json --output inventory.json
  slurmlens assess join --ticket ticket.json --metrics metrics.json --events events.json \\
      --inventory inventory.json --output joined.json
  slurmlens assess score --joined joined.json --output scores.json
  slurmlens assess match --joined joined.json --output problems.json
  slurmlens assess report --joined joined.json --scores scores.json --problems problems.json \\
      --output summary.json --page report.html

exit status: 0 done, 1 the hub knows no such job, 2 a file or an argument is wrong, 3 no answer, 4 not allowed"""

_INPUTS = {
    "ticket": (),
    "export-metrics": ("ticket",),
    "export-events": ("ticket",),
    "export-inventory": ("ticket",),
    "join": ("ticket", "metrics", "events", "inventory"),
    "score": ("joined",),
    "match": ("joined",),
    "report": ("joined", "scores", "problems"),
}
_HELP = {
    "ticket": "write a ticket for a run, by hand",
    "export-metrics": "the run's figures, from the hub",
    "export-events": "what happened, from the hub's time line and logs",
    "export-inventory": "the nodes as they were when it began, from the hub",
    "join": "one document of ticket and exports",
    "score": "how well the run used what it was given",
    "match": "problems that are known by their signs",
    "report": "the summary, and a page",
}
_ASKS = ("ticket", "export-metrics", "export-events", "export-inventory")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    steps = parser.add_subparsers(title="steps", metavar="STEP", required=True, dest="step")
    for name, inputs in _INPUTS.items():
        step = steps.add_parser(name, help=_HELP[name], description=_HELP[name])
        for one in inputs:
            step.add_argument(f"--{one}", type=Path, metavar="FILE", required=True, help=f"the {one} file")
        step.add_argument("--output", type=Path, metavar="FILE", required=True, help="where to")
        if name == "report":
            step.add_argument("--page", type=Path, metavar="FILE", help="the report as HTML as well")
        if name == "ticket":
            step.add_argument("--job", type=int, metavar="ID", required=True, help="the job's id")
            step.add_argument("--run", type=int, metavar="N", default=1, dest="job_run", help="which run (default: 1)")
        if name in _ASKS:
            hub_client.add_hub_argument(step)


def run(arguments: argparse.Namespace) -> int:
    """Do the step."""
    steps = {
        "ticket": _ticket,
        "export-metrics": _metrics,
        "export-events": _events,
        "export-inventory": _inventory,
        "join": _join,
        "score": _score,
        "match": _match,
        "report": _report,
    }
    try:
        steps[arguments.step](arguments)
    except HubError as error:
        print(f"slurmlens assess: {visible(str(error))}", file=sys.stderr)
        return hub_client.exit_status(error)
    except (DecodeError, OSError) as error:
        print(f"slurmlens assess: {visible(str(error))}", file=sys.stderr)
        return EXIT_WRONG
    return EXIT_DONE


def _ticket(arguments: argparse.Namespace) -> None:
    from slurmlens.hub.views.job.view import JobView
    from slurmlens.wire.assessment import Ticket

    answer = _ask(arguments, f"/jobs/{arguments.job}/{arguments.job_run}.json")
    view = hub_client.decode(answer, JobView)
    begin_ns = view.times.submitted_ns or view.times.started_ns or view.made_ns
    ticket = Ticket(
        key=f"by hand:{view.identity.cluster}:{arguments.job}:{arguments.job_run}",
        rule="by hand",
        cluster=view.identity.cluster,
        job_id=arguments.job,
        run=arguments.job_run,
        from_s=begin_ns // 10**9,
        to_s=-(-(view.times.ended_ns or view.made_ns) // 10**9) + 60,
    )
    _write(arguments.output, ticket)


def _metrics(arguments: argparse.Namespace) -> None:
    from slurmlens.assess.exporting import export_metrics

    ticket = _read_ticket(arguments)
    _write(arguments.output, export_metrics(_ask(arguments, f"/jobs/{ticket.job_id}/{ticket.run}.json")))


def _events(arguments: argparse.Namespace) -> None:
    from slurmlens.assess.exporting import export_events

    ticket = _read_ticket(arguments)
    answer = _ask(arguments, f"/jobs/{ticket.job_id}/{ticket.run}.json")
    try:
        lines = _ask(arguments, log_address(ticket))
    except HubError as error:
        if error.status != 404:
            raise
        lines = None  # this hub keeps no lines
    _write(arguments.output, export_events(ticket, answer, lines))


def log_address(ticket: Ticket) -> str:
    """Where a hub tells the lines about the ticket's job within its window."""
    since, until = (iso_s(min(second, LAST_S) * 10**9) for second in (ticket.from_s, ticket.to_s + 1))
    asked = {"job": ticket.job_id, "since": since, "until": until, "limit": LINES_ASKED}
    return f"/logs.json?{urllib.parse.urlencode(asked)}"


def _inventory(arguments: argparse.Namespace) -> None:
    from slurmlens.assess.documents import JobMetrics
    from slurmlens.assess.exporting import export_inventory
    from slurmlens.wire.assessment import read_document

    ticket = _read_ticket(arguments)
    job = read_document(_ask(arguments, f"/jobs/{ticket.job_id}/{ticket.run}.json"), JobMetrics)
    answers = []
    for node in job.nodes[:MOST_NODES]:
        try:
            answers.append(_ask(arguments, f"/nodes/{segment(node.name)}.json?at={ticket.from_s}"))
        except HubError as error:
            if error.status != 404:
                raise  # not known then is an answer, no answer is none
    _write(arguments.output, export_inventory(answers))


def _join(arguments: argparse.Namespace) -> None:
    from slurmlens.assess.documents import JobEvents, JobInventory, JobMetrics
    from slurmlens.assess.joining import join

    metrics = _read(arguments.metrics, JobMetrics)
    events, inventory = _read(arguments.events, JobEvents), _read(arguments.inventory, JobInventory)
    _write(arguments.output, join(_read_ticket(arguments), metrics, events, inventory))


def _score(arguments: argparse.Namespace) -> None:
    from slurmlens.assess.documents import JoinedJob
    from slurmlens.assess.scoring import score

    _write(arguments.output, score(_read(arguments.joined, JoinedJob)))


def _match(arguments: argparse.Namespace) -> None:
    from slurmlens.assess.documents import JoinedJob
    from slurmlens.assess.known_problems import match

    _write(arguments.output, match(_read(arguments.joined, JoinedJob)))


def _report(arguments: argparse.Namespace) -> None:
    from slurmlens.assess.documents import JoinedJob, KnownProblems, Scores
    from slurmlens.assess.reporting import assessment, render_report

    joined = _read(arguments.joined, JoinedJob)
    scores, problems = _read(arguments.scores, Scores), _read(arguments.problems, KnownProblems)
    if arguments.page is not None:
        arguments.page.write_text(render_report(joined, scores, problems), encoding="utf-8")
    _write(arguments.output, assessment(joined, scores, problems))  # last: what is there is whole


def _read_ticket(arguments: argparse.Namespace) -> Any:
    from slurmlens.wire.assessment import Ticket

    return _read(arguments.ticket, Ticket)


def _read(path: Path, kind: type[Any]) -> Any:
    from slurmlens.wire.assessment import read_document

    try:
        return read_document(path.read_bytes(), kind)
    except DecodeError as error:
        raise DecodeError(f"{path}: {error}", reason=error.reason) from error


def _write(path: Path, value: object) -> None:
    from slurmlens.wire.assessment import write_document

    path.write_bytes(write_document(value))


def _ask(arguments: argparse.Namespace, path: str) -> bytes:
    return hub_client.fetch(hub_client.hub_address(arguments.hub), path)
