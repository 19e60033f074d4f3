"""`slurmlens investigations`: what somebody looked at to find out why something went wrong; begun, changed, shown.

Asks the hub for the same views that its pages show. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.ask.report import add_report_arguments, query_text, segment, show_report
from slurmlens.errors import HubError
from slurmlens.hub.views.investigation.terminal import render_investigation, render_investigations
from slurmlens.hub.views.investigation.view import InvestigationsView, InvestigationView
from slurmlens.shown.text import visible

SUMMARY = "windows, things and questions kept while looking for what went wrong"

EPILOG = """example:
  slurmlens investigations                              those that you may see
  slurmlens investigations --begin /jobs/4711           of what a page shows
  slurmlens investigations I-3 --ask lines --about node:n17 --words oom
  slurmlens investigations I-3 --note 'DIMM 4 reseated' --conclude 'a loose DIMM'
  slurmlens investigations I-3 --again                  the same questions, up to now
  slurmlens investigations I-3 --file I-3.html          one file, to be sent to somebody
  slurmlens investigations I-3 --problem loose-dimm.toml --case loose-dimm-case.toml
"""
_ADDRESS = "/api/v1/investigations"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_report_arguments(parser, EPILOG)
    parser.add_argument("investigation", nargs="?", metavar="I-N", help="one alone")
    parser.add_argument("--begin", metavar="PAGE", help="begin one of what a page of the hub shows: /nodes/n17")
    parser.add_argument("--again", action="store_true", help="begin one of the same questions, over a window up to now")
    parser.add_argument("--title", metavar="TEXT", help="what it is called")
    parser.add_argument("--from", dest="begin_at", metavar="TIME", help="begin of the window: 6h, 2026-11-30T04:00:00Z")
    parser.add_argument("--to", dest="end_at", metavar="TIME", help="end of the window")
    parser.add_argument("--ask", metavar="KIND", help="jobs, lines, findings, common-cause or changes")
    parser.add_argument("--about", metavar="KIND:NAME", help="of this thing alone, such as node:n17 or job:4711")
    parser.add_argument("--words", metavar="TEXT", help="lines with these words")
    parser.add_argument("--note", metavar="TEXT", help="write something down")
    parser.add_argument("--conclude", metavar="TEXT", help="say what it was")
    parser.add_argument("--share", action="store_true", help="everybody whom the hub knows may open it")
    parser.add_argument("--unshare", action="store_true", help="its owner and operators alone may open it")
    parser.add_argument("--file", metavar="FILE", type=Path, help="write all of it into one HTML file")
    parser.add_argument("--problem", metavar="FILE", type=Path, help="write its conclusion as a known problem's draft")
    parser.add_argument("--case", metavar="FILE", type=Path, help="write a case for that draft")


def run(arguments: argparse.Namespace) -> int:
    """Begin or change what is asked for, then show it."""
    try:
        address = hub_client.hub_address(arguments.hub)
        name = _begun(arguments, address)
        if name is None:
            return show_report(
                arguments, "investigations", "/investigations", InvestigationsView, render_investigations
            )
        for values in _changes(arguments):
            hub_client.fetch(address, f"{_ADDRESS}/{segment(name)}/changes{query_text(values)}", method="POST")
        _write_files(arguments, address, name)
    except HubError as error:
        print(f"slurmlens investigations: {visible(str(error))}", file=sys.stderr)
        return hub_client.exit_status(error)
    except OSError as error:
        print(f"slurmlens investigations: cannot write: {error.strerror or error}", file=sys.stderr)
        return hub_client.EXIT_USAGE
    path = f"/investigations/{segment(name)}"
    return show_report(arguments, "investigations", path, InvestigationView, render_investigation)


def _begun(arguments: argparse.Namespace, address: str) -> str | None:
    """The name of the investigation that is meant, which may be a new one."""
    if arguments.begin:
        values = {"page": arguments.begin, "title": arguments.title}
        values |= {"from": arguments.begin_at, "to": arguments.end_at}
        body = hub_client.fetch(address, _ADDRESS + query_text(values), method="POST")
        return hub_client.decode(body, InvestigationView).line.name
    name: str | None = arguments.investigation
    if name and arguments.again:
        body = hub_client.fetch(address, f"{_ADDRESS}/{segment(name)}/again", method="POST")
        return hub_client.decode(body, InvestigationView).line.name
    return name


def _changes(arguments: argparse.Namespace) -> Iterator[dict[str, str | None]]:
    if not arguments.begin:
        if arguments.title:
            yield {"change": "title", "text": arguments.title}
        if arguments.begin_at or arguments.end_at:
            yield {"change": "window", "from": arguments.begin_at, "to": arguments.end_at}
    if arguments.ask:
        kind, _, name = (arguments.about or "").partition(":")
        yield {"change": "ask", "kind": arguments.ask, "about": kind, "name": name, "words": arguments.words}
    if arguments.note:
        yield {"change": "note", "text": arguments.note}
    if arguments.conclude:
        yield {"change": "conclude", "text": arguments.conclude}
    if arguments.share or arguments.unshare:
        yield {"change": "share" if arguments.share else "unshare"}


def _write_files(arguments: argparse.Namespace, address: str, name: str) -> None:
    files = (("file.html", arguments.file), ("problem.toml", arguments.problem), ("case.toml", arguments.case))
    for what, path in files:
        if path is not None:
            path.write_bytes(hub_client.fetch(address, f"/investigations/{segment(name)}/{what}"))
            print(f"wrote {path}", file=sys.stderr)
