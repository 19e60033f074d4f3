"""The board of one user: what of theirs runs and waits, and what their running jobs use.

The queue's curves are those of 2015. Curves of jobs are there for jobs with a board of their own, which are known by
their slots.
"""

from __future__ import annotations

from collections.abc import Sequence

from slurmlens.hub.dashboards import targets
from slurmlens.hub.dashboards.inputs import BoardJob
from slurmlens.hub.dashboards.job import by_slot
from slurmlens.hub.dashboards.model import Board, BoardKind, BoardRow, Cell, Panel, Shape, board_uid, page_of

QUEUE_NOTE = "Needs [series_2015] in hub.toml."
STATES = ("RUNNING", "PENDING")


def user_board(cluster: str, user: str, jobs: Sequence[BoardJob]) -> Board:
    """One user's board; `jobs` are those of the user that have boards."""
    queue = tuple(
        Panel(
            title=leaf.capitalize() if leaf != "cpus" else "CPUs",
            targets=tuple(
                targets.labelled(targets.queue_series(targets.user_queue(user), state, leaf), state.lower()).up
                for state in STATES
            ),
            note=QUEUE_NOTE,
            is_stacked=True,
            is_stepped=True,
        )
        for leaf in ("jobs", "nodes", "cpus")
    )
    return Board(
        kind=BoardKind.USER,
        cluster=cluster,
        name=user,
        title=f"User {user}",
        rows=(BoardRow(title="Running and waiting", panels=queue), *(_jobs(cluster, jobs) if jobs else ())),
        page=page_of("users", user),
    )


def _jobs(cluster: str, jobs: Sequence[BoardJob]) -> tuple[BoardRow, ...]:
    cells = tuple(
        (Cell(text=str(job.job_id), board=board_uid(BoardKind.JOB, cluster, job.key)), Cell(text=job.name))
        for job in jobs
    )
    return (
        BoardRow(
            title="Jobs that have boards",
            panels=(
                Panel(title="Jobs", shape=Shape.LIST, columns=("Job", "Name"), cells=cells),
                _used("CPU", "cores", "cpu_cores", cluster, jobs),
                _used("Memory", "bytes", "memory_bytes", cluster, jobs),
            ),
        ),
    )


def _used(title: str, unit: str, metric: str, cluster: str, jobs: Sequence[BoardJob]) -> Panel:
    return Panel(
        title=title,
        unit=unit,
        targets=tuple(
            targets.total(",".join(_parts(cluster, job, metric)), f"job {job.job_id}").up
            for job in jobs
            if job.placements
        ),
        is_stacked=True,
    )


def _parts(cluster: str, job: BoardJob, metric: str) -> list[str]:
    return [
        targets.within(targets.slot_series(cluster, targets.any_of(nodes), str(slot), metric), job.begin_s, job.end_s)
        for slot, nodes in by_slot(job.placements)
    ]
