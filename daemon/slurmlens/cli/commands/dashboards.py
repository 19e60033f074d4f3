"""`slurmlens dashboards --out FOLDER`: the cluster's boards as files from which Grafana provisions itself.

Owns the folder. Invariants: nothing is touched unless the hub answered all that was asked; a file is written only where
its bytes change; a board that is gone is removed, and of all other files only those of this cluster's boards are ever
touched. Boards are `hub.dashboards`'. Called by `cli.main`, by hand or from a timer.
"""

from __future__ import annotations

import argparse
import re
import sys
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.ask.grafana import Grafana
from slurmlens.errors import GrafanaError, HubError
from slurmlens.hub.dashboards.all_boards import all_boards
from slurmlens.hub.dashboards.grafana import dashboard
from slurmlens.hub.dashboards.grafana_resource import graphite_source, lines_source
from slurmlens.hub.dashboards.inputs import BoardJob, ClusterInputs, deserves_board, job_of, names_of, nodes_of
from slurmlens.hub.dashboards.job_marks import marks_of
from slurmlens.hub.dashboards.model import UID_PREFIX, LineStore, cluster_digits
from slurmlens.hub.dashboards.texts import cluster_tag
from slurmlens.hub.views.entity.view import EntitiesView
from slurmlens.hub.views.job.view import JobView
from slurmlens.hub.views.jobs.view import JobLine, JobsView
from slurmlens.runtime.whole_file import write_whole
from slurmlens.shown.text import visible

SUMMARY = "write the cluster's boards for Grafana into a folder that it provisions itself from"

EPILOG = f"""example:
  slurmlens dashboards --out /var/lib/grafana/dashboards/slurmlens --pages https://slurmlens.example.org
  slurmlens dashboards --out boards --job 4711     a board for this job too, though it has ended
  slurmlens dashboards --out boards --logs opensearch     with a board of the log lines on that server
  slurmlens dashboards --grafana https://grafana.example.org --token-file /etc/slurmlens/grafana-token

{hub_client.EXIT_TEXT}"""

MOST_RUNNING = 1000
MARKED_ENDED = 500
LISTED_ENDED = 5
READABLE_BY_ALL = 0o644
"""Grafana runs as a user of its own."""


class Changes(NamedTuple):
    """What happened to the folder's files."""

    written: int
    unchanged: int
    removed: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write them into this folder; it must be there")
    parser.add_argument("--grafana", metavar="URL", help="put them into this Grafana by its API, with marks of jobs")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="the token of a service account of that Grafana"
    )
    parser.add_argument(
        "--folder", default="slurmlens", metavar="UID", help="Grafana's folder that is ours (default: %(default)s)"
    )
    parser.add_argument(
        "--namespace",
        default="default",
        metavar="NAME",
        help="that of the token's organisation in Grafana 13: default, org-N, in Grafana's cloud stacks-N"
        " (default: %(default)s)",
    )
    parser.add_argument(
        "--graphite-url", metavar="URL", help="with --grafana: make the data source of curves where it is missing"
    )
    parser.add_argument(
        "--logs-url", metavar="URL", help="with --grafana and --logs: make that of log lines where it is missing"
    )
    parser.add_argument(
        "--logs-index",
        default="slurmlens-logs-*",
        metavar="PATTERN",
        help="its indices (default: slurmlens-logs-*, the hub's own)",
    )
    parser.add_argument(
        "--pages",
        metavar="URL",
        help="where browsers reach the hub, for links (default: the hub's address, where it is http)",
    )
    parser.add_argument(
        "--logs",
        choices=[store.value for store in LineStore],
        help="log lines are on such a server: a board of them, and lines and marks of errors on the other boards",
    )
    parser.add_argument("--job", action="append", default=[], metavar="ID", help="make a board of this job too")
    hub_client.add_hub_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask the hub, write what changed, and say how much that was."""
    if (problem := _problem(arguments)) is not None:
        print(f"slurmlens dashboards: {problem}", file=sys.stderr)
        return hub_client.EXIT_USAGE
    try:
        address = hub_client.hub_address(arguments.hub)
        pages_url = _pages_url(arguments.pages, address)
        inputs = ask(address, arguments.job)
        if arguments.logs is not None:
            inputs = msgspec.structs.replace(inputs, line_store=LineStore(arguments.logs))
        boards = {board.uid: dashboard(board, pages_url) for board in all_boards(inputs)}
        if arguments.out is not None:
            files = {f"{uid}.json": body for uid, body in boards.items()}
            changes = replace_boards(arguments.out, inputs.cluster, files)
            print(f"{changes.written} boards written, {changes.unchanged} unchanged, {changes.removed} removed")
        if arguments.grafana is not None:
            return publish(arguments, inputs, boards, _jobs(address, "finished", MARKED_ENDED).rows, pages_url)
    except GrafanaError as error:
        print(f"slurmlens dashboards: {visible(str(error))}", file=sys.stderr)
        return hub_client.EXIT_REFUSED if error.status in (401, 403) else hub_client.EXIT_NO_HUB
    except HubError as error:
        print(f"slurmlens dashboards: {visible(str(error))}", file=sys.stderr)
        return hub_client.exit_status(error)
    except OSError as error:
        print(f"slurmlens dashboards: cannot use {error.filename}: {error.strerror or error}", file=sys.stderr)
        return hub_client.EXIT_USAGE
    return hub_client.EXIT_DONE


def publish(
    arguments: argparse.Namespace,
    inputs: ClusterInputs,
    boards: Mapping[str, bytes],
    ended: Sequence[JobLine],
    pages_url: str,
) -> int:
    """Puts boards and marks into a Grafana and says what came of it; GrafanaError, OSError."""
    grafana = Grafana(arguments.grafana, arguments.token_file.read_text().strip(), arguments.namespace)
    version, tag = grafana.check_release(), cluster_tag(inputs.cluster)
    for source in _sources(arguments):
        if grafana.make_source(source):
            print(f"data source {source['name']} made")
    done = grafana.publish(tag, boards, arguments.folder)
    made, changed = grafana.mark(tag, marks_of(inputs.cluster, (*inputs.running, *ended), pages_url))
    print(f"Grafana {visible(version)} by {grafana.path}: {made} jobs marked, {changed} marks ended;", end=" ")
    print(f"{done.written} boards written, {done.unchanged} unchanged, {done.removed} removed")
    for uid in done.edited:
        print(f"{uid} was saved by somebody else and is left alone", file=sys.stderr)
    for words in done.refused:
        print(f"refused: {visible(words)}", file=sys.stderr)
    return hub_client.EXIT_USAGE if done.refused else hub_client.EXIT_DONE


def _sources(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The data sources that are to be there."""
    if arguments.graphite_url is not None:
        yield graphite_source(arguments.graphite_url)
    if arguments.logs_url is not None:
        yield lines_source(LineStore(arguments.logs), arguments.logs_url, arguments.logs_index)


def _problem(arguments: argparse.Namespace) -> str | None:
    """What is wrong with the arguments together."""
    if arguments.out is None and arguments.grafana is None:
        return "say where the boards go: --out FOLDER, or --grafana URL"
    if arguments.grafana is not None:
        if urllib.parse.urlsplit(arguments.grafana).scheme not in ("http", "https"):
            return f"{arguments.grafana!r} is no address of a Grafana: it looks like https://grafana.example.org"
        if arguments.token_file is None:
            return "--grafana takes --token-file, a file with the token of a service account"
    if arguments.logs_url is not None and arguments.logs is None:
        return "--logs-url takes --logs beside it: opensearch or elasticsearch"
    for url in (arguments.graphite_url, arguments.logs_url):
        if url is not None and urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            return f"{url!r} is no address of a data source: it looks like http://graphite.example.org"
    return None


def _pages_url(named: str | None, address: str) -> str:
    if named is None:
        return "" if address.startswith(hub_client.UNIX) else address
    return hub_client.hub_address(named)


def ask(address: str, named_jobs: Sequence[str] = ()) -> ClusterInputs:
    """All that boards are made from, as the hub shows it to whoever asks; HubError where it does not."""
    nodes = _entities(address, "nodes")
    running = _jobs(address, "running", MOST_RUNNING)
    own = [f"{line.job_id}/{line.run}" for line in running.rows if deserves_board(line, running.made_ns)]
    made = {job.key: job for job in (*_runs(address, own), *_named(address, named_jobs))}
    return ClusterInputs(
        cluster=nodes.cluster,
        nodes=nodes_of(nodes),
        partitions=names_of(_entities(address, "partitions")),
        users=names_of(_entities(address, "users")),
        accounts=names_of(_entities(address, "accounts")),
        running=running.rows,
        ended=_jobs(address, "finished", LISTED_ENDED).rows,
        jobs=tuple(sorted(made.values(), key=lambda job: (job.job_id, job.run))),
    )


def _entities(address: str, plural: str) -> EntitiesView:
    view = hub_client.decode(hub_client.fetch(address, f"/api/v1/{plural}"), EntitiesView)
    if not view.rows and plural == "nodes":
        raise HubError("the hub knows no node yet, so nothing was written. It learns them within minutes of its start.")
    return view


def _jobs(address: str, state: str, limit: int) -> JobsView:
    return hub_client.decode(hub_client.fetch(address, f"/api/v1/jobs?state={state}&limit={limit}"), JobsView)


def _job(address: str, path: str) -> BoardJob | None:
    return job_of(hub_client.decode(hub_client.fetch(address, f"/api/v1/jobs/{path}"), JobView))


def _runs(address: str, paths: Sequence[str]) -> Iterator[BoardJob]:
    for path in paths:
        try:
            job = _job(address, path)
        except HubError as error:
            if error.status != HTTPStatus.NOT_FOUND:  # it went between list and question
                raise
            continue
        if job is not None:
            yield job


def _named(address: str, names: Sequence[str]) -> Iterator[BoardJob]:
    for name in names:
        job = _job(address, urllib.parse.quote(name, safe=""))
        if job is None:
            raise HubError(
                f"no node has told yet where job {name} has its series, so there is nothing to draw", status=404
            )
        yield job


def replace_boards(folder: Path, cluster: str, boards: Mapping[str, bytes]) -> Changes:
    """Makes this cluster's boards in the folder these, by file name; raises OSError."""
    own = re.compile(rf"{UID_PREFIX}[a-z]+-{cluster_digits(cluster)}[0-9a-f]+\.json")
    there = {path.name: path for path in folder.iterdir() if own.fullmatch(path.name)}
    changed = [name for name, content in boards.items() if name not in there or there[name].read_bytes() != content]
    for name in changed:
        write_whole(folder / name, boards[name])
        (folder / name).chmod(READABLE_BY_ALL)
    gone = there.keys() - boards.keys()
    for name in gone:
        there[name].unlink()
    return Changes(len(changed), len(boards) - len(changed), len(gone))
