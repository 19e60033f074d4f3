"""The board of one user: what of theirs runs and waits, and what their running jobs use.

The queue's curves are those of 2015. Curves of jobs are there for jobs with a board of their own, which are known by
their slots.
"""

from __future__ import annotations

from collections.abc import Sequence

from slurmlens.hub.dashboards import targets
from slurmlens.hub.dashboards.inputs import BoardJob
from slurmlens.hub.dashboards.jobs_rows import jobs_rows
from slurmlens.hub.dashboards.model import Board, BoardKind, BoardRow, Panel, page_of

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
        rows=(BoardRow(title="Running and waiting", panels=queue), *jobs_rows(cluster, jobs)),
        page=page_of("users", user),
    )
