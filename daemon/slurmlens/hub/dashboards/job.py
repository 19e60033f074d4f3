"""The board of one job: its figures on each of its nodes, and what these nodes did meanwhile.

Owns which slots are asked when: one target for all nodes that have the job in the same slot, cut to the time in which
the job held it, so that a slot's next holder is never taken for this job.
"""

from __future__ import annotations

from collections.abc import Sequence

from slurmlens.hub.dashboards import targets
from slurmlens.hub.dashboards.curves import JOB_CURVES, NODE_CURVES, context_switches, drawn
from slurmlens.hub.dashboards.inputs import BoardJob, Placement
from slurmlens.hub.dashboards.model import Board, BoardKind, BoardRow, Period
from slurmlens.hub.dashboards.targets import NamedSeries

RUNNING_REFRESH_S = 10


def job_board(cluster: str, job: BoardJob) -> Board:
    """One run's board."""
    node = targets.any_of([place.node for place in job.placements])

    def of_job(metrics: tuple[str, ...]) -> tuple[NamedSeries, ...]:
        return tuple(
            _named(targets.slot_series(cluster, targets.any_of(nodes), str(slot), *metrics), job)
            for slot, nodes in by_slot(job.placements)
        )

    def of_node(metrics: tuple[str, ...]) -> tuple[NamedSeries, ...]:
        return (targets.by_level(targets.node_series(cluster, node, *metrics), targets.NODE_LEVEL),)

    label = f"Job {job.job_id}" + (f", run {job.run}" if job.run > 1 else "")
    return Board(
        kind=BoardKind.JOB,
        cluster=cluster,
        name=job.key,
        title=" ".join(part for part in (label, job.name, f"({job.user})" if job.user else "") if part),
        rows=(
            BoardRow(title="The job on each node", panels=drawn(JOB_CURVES, of_job)),
            BoardRow(title="Its nodes", panels=(*drawn(NODE_CURVES, of_node), context_switches(node))),
        ),
        period=Period(begin_s=job.begin_s, end_s=job.end_s),
        refresh_s=RUNNING_REFRESH_S if job.end_s is None else 0,
        page=f"/jobs/{job.job_id}/{job.run}",
    )


def by_slot(placements: Sequence[Placement]) -> list[tuple[int, list[str]]]:
    """Nodes by the slot that they have the job in."""
    found: dict[int, list[str]] = {}
    for place in placements:
        found.setdefault(place.slot, []).append(place.node)
    return sorted(found.items())


def _named(series: str, job: BoardJob) -> NamedSeries:
    return targets.by_level(targets.within(series, job.begin_s, job.end_s), targets.NODE_LEVEL)
