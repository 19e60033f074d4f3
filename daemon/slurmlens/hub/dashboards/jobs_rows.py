"""What several jobs with boards of their own use, one on the other, and links to their boards: a part of the boards of
users and of accounts. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from slurmlens.hub.dashboards import targets
from slurmlens.hub.dashboards.inputs import BoardJob
from slurmlens.hub.dashboards.job import by_slot
from slurmlens.hub.dashboards.model import BoardKind, BoardRow, Cell, Panel, Shape, board_uid


def jobs_rows(cluster: str, jobs: Sequence[BoardJob]) -> tuple[BoardRow, ...]:
    """A list of these jobs and what they use; nothing where there are none."""
    if not jobs:
        return ()
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
