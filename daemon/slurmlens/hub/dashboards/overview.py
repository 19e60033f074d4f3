"""The overview of a cluster: the panels of the ancestor's overview of 2015, what all jobs and nodes do, all boards.

Owns what is on it. Of 2015 are the lists of running and of ended jobs, jobs in the queue, nodes by user and by group.
The queue is drawn from the total: the sum over users and groups of 2015 counted every job at least twice. An ended job
shows its state in words, with the exit code that the state is about, and how long it ran, days included.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.dashboards import targets
from slurmlens.hub.dashboards.curves import SUMMED_JOB_CURVES, SUMMED_NODE_CURVES, drawn, figure
from slurmlens.hub.dashboards.inputs import ClusterInputs
from slurmlens.hub.dashboards.model import Board, BoardKind, BoardRow, Cell, Panel, Shape, board_uid
from slurmlens.hub.dashboards.targets import NamedSeries
from slurmlens.hub.dashboards.user import QUEUE_NOTE, STATES
from slurmlens.hub.views.jobs.view import JobLine
from slurmlens.shown.format import duration

SHOWN_RUNNING = 20
SHOWN_ENDED = 5
SHOWN_BOARDS = 200
USER_LEVEL = 3


def overview_board(inputs: ClusterInputs) -> Board:
    """The cluster's overview."""
    return Board(
        kind=BoardKind.OVERVIEW,
        cluster=inputs.cluster,
        title=f"{inputs.cluster}: overview",
        rows=(_jobs(inputs), _queue(), _by_whom(), *_use(inputs.cluster), _boards(inputs)),
        page="/",
    )


def _jobs(inputs: ClusterInputs) -> BoardRow:
    with_board = {(job.job_id, job.run): job.key for job in inputs.jobs}

    def link(line: JobLine) -> Cell:
        key = with_board.get((line.job_id, line.run))
        board = board_uid(BoardKind.JOB, inputs.cluster, key) if key else ""
        return Cell(text=str(line.job_id), board=board, page=f"/jobs/{line.job_id}/{line.run}")

    running = tuple(
        (link(line), _cell(line.name), _cell(line.user), _cell(line.partition), _cell(_moment(line.started_ns)))
        for line in inputs.running[:SHOWN_RUNNING]
    )
    ended = tuple(
        (link(line), _cell(line.name), _cell(line.user), _cell(_ran(line)), _cell(line.state_text))
        for line in inputs.ended[:SHOWN_ENDED]
    )
    note = "As of when the boards were written."
    return BoardRow(
        title="Jobs",
        panels=(
            _list("Running jobs", ("Job", "Name", "User", "Partition", "Since (UTC)"), running, note),
            _list("Ended lately", ("Job", "Name", "User", "Ran", "State"), ended, note),
            _list("Pages", ("On slurmlens",), _pages(), ""),
        ),
    )


def _pages() -> tuple[tuple[Cell, ...], ...]:
    pages = (("All jobs", "/jobs"), ("Nodes and their states", "/nodes"), ("Common cause of failures", "/common-cause"))
    return tuple((Cell(text=text, page=page),) for text, page in pages)


def _queue() -> BoardRow:
    asked = tuple(targets.labelled(targets.queue_series("total", state, "jobs"), state.lower()).up for state in STATES)
    panel = Panel(title="Jobs in the queue", targets=asked, note=QUEUE_NOTE, is_stacked=True, is_stepped=True)
    return BoardRow(title="Queue", panels=(panel,))


def _by_whom() -> BoardRow:
    return BoardRow(
        title="Nodes in use",
        panels=tuple(
            Panel(
                title=f"Nodes of running jobs by {who}",
                targets=(targets.by_level(targets.queue_series(f"{who}s.*", "RUNNING", "nodes"), USER_LEVEL).up,),
                note=note,
                is_stacked=who == "user",
                is_stepped=True,
            )
            for who, note in (("user", QUEUE_NOTE), ("group", f"{QUEUE_NOTE} A job counts in each group of its user."))
        ),
    )


def _use(cluster: str) -> tuple[BoardRow, ...]:
    def of_jobs(metrics: tuple[str, ...]) -> tuple[NamedSeries, ...]:
        return (targets.total(targets.slot_series(cluster, targets.ANY, targets.ANY, *metrics), "jobs"),)

    def of_nodes(metrics: tuple[str, ...]) -> tuple[NamedSeries, ...]:
        return (targets.total(targets.node_series(cluster, targets.ANY, *metrics), "nodes"),)

    busy = figure("Cores busy", "cores", of_jobs(("cpu_cores",))[0], "Of all jobs together.")
    return (
        BoardRow(title="All jobs", panels=(busy, *drawn(SUMMED_JOB_CURVES, of_jobs))),
        BoardRow(title="All nodes", panels=drawn(SUMMED_NODE_CURVES, of_nodes)),
    )


def _boards(inputs: ClusterInputs) -> BoardRow:
    def boards(kind: BoardKind, title: str, names: Sequence[str]) -> Panel:
        cells = tuple((Cell(text=name, board=board_uid(kind, inputs.cluster, name)),) for name in names[:SHOWN_BOARDS])
        note = f"The first {SHOWN_BOARDS} of {len(names)}; the menu above has all." if len(names) > SHOWN_BOARDS else ""
        return _list(title, ("Board",), cells, note)

    any_job = (Cell(text="any job, by node and slot", board=board_uid(BoardKind.ANY_JOB, inputs.cluster)),)
    logs = (Cell(text="log lines", board=board_uid(BoardKind.LOGS, inputs.cluster)),)
    return BoardRow(
        title="Boards",
        panels=(
            _list("Jobs", ("Board",), (any_job,), ""),
            *(() if inputs.line_store is None else (_list("Lines", ("Board",), (logs,), ""),)),
            boards(BoardKind.PARTITION, "Partitions", inputs.partitions),
            boards(BoardKind.NODE, "Nodes", [node.name for node in inputs.nodes]),
            boards(BoardKind.USER, "Users", inputs.users),
            boards(BoardKind.ACCOUNT, "Accounts", inputs.accounts),
        ),
    )


def _list(title: str, columns: tuple[str, ...], cells: tuple[tuple[Cell, ...], ...], note: str) -> Panel:
    return Panel(title=title, shape=Shape.LIST, columns=columns, cells=cells, note=note)


def _cell(text: str | None) -> Cell:
    return Cell(text=text or "")


def _moment(time_ns: int | None) -> str:
    if time_ns is None:
        return ""
    return datetime.datetime.fromtimestamp(time_ns // NS_PER_S, datetime.UTC).strftime("%Y-%m-%d %H:%M")


def _ran(line: JobLine) -> str:
    if line.started_ns is None or line.ended_ns is None:
        return ""
    return duration((line.ended_ns - line.started_ns) / NS_PER_S)
