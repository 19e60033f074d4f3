"""Reads runs for the inventory's questions: which ran somewhere at a moment, which ended in a window.

Owns these SELECTs over history's tables; every one has the viewer's predicate and a bound. Used by `queries`, inside
one transaction of its.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select

from slurmlens.hub.access.predicates import visible_runs
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.history import tables as history
from slurmlens.hub.history.conclude.run_rows import Section
from slurmlens.hub.history.read.reading import fetch
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.slurm.records import JobState

LONGEST_RUN_NS = 31 * 86_400 * 10**9
"""How long a run may be that is found at a moment of the past: lists are in the order of their starts."""

_SECTIONS = (Section.RUNNING, Section.OVER, Section.NOT_LISTED)
_COLUMNS = ("job_id", "number", "state", "name", "user", "account", "partition", "start_ns", "end_ns", "nodes")


def runs_on_nodes(
    viewer: Viewer, connection: Connection, cluster: str, nodes: Collection[str], span: tuple[int, int], most: int
) -> list[PlacedRun]:
    """Runs that were on one of these nodes some time in the span, newest first; at most so many."""
    runs, places = history.runs, history.run_nodes
    found: dict[tuple[int, int], PlacedRun] = {}
    for piece in pieces_of(nodes):
        for section in _SECTIONS:
            query = (
                _columns()
                .select_from(places.join(runs, runs.c.rid == places.c.run))
                .where(places.c.node.in_(piece), places.c.section == section.value, runs.c.cluster == cluster)
                .where(places.c.order_ns <= span[1], _not_too_long(section, places.c.order_ns, span))
                .where(_was_there(span), visible_runs(viewer))
                .order_by(places.c.order_ns.desc())
                .limit(most)
            )
            found.update(((run.job_id, run.run), run) for run in _placed(connection, query))
    return _newest(found, most)


def runs_of(
    viewer: Viewer, connection: Connection, cluster: str, column: str, value: str, span: tuple[int, int], most: int
) -> list[PlacedRun]:
    """Runs whose `column` (user, account, partition) has this value and that ran some time in the span."""
    runs = history.runs
    found: dict[tuple[int, int], PlacedRun] = {}
    for section in _SECTIONS:
        query = (
            _columns()
            .where(runs.c[column] == value, runs.c.section == section.value, runs.c.cluster == cluster)
            .where(runs.c.order_ns <= span[1], _not_too_long(section, runs.c.order_ns, span))
            .where(_was_there(span), visible_runs(viewer))
            .order_by(runs.c.order_ns.desc())
            .limit(most)
        )
        found.update(((run.job_id, run.run), run) for run in _placed(connection, query))
    return _newest(found, most)


def runs_of_job(viewer: Viewer, connection: Connection, cluster: str, job_id: int) -> list[PlacedRun]:
    """All runs of a job."""
    runs = history.runs
    query = _columns().where(runs.c.cluster == cluster, runs.c.job_id == job_id, visible_runs(viewer))
    return list(_placed(connection, query.order_by(runs.c.number)))


def runs_ended(
    viewer: Viewer, connection: Connection, cluster: str, states: Collection[JobState], span: tuple[int, int], most: int
) -> list[PlacedRun]:
    """Runs that ended in one of these states within the span, newest first; at most so many of each kind of index."""
    runs = history.runs
    wanted = {state.value for state in states}
    found: list[PlacedRun] = []
    for indexed in (runs.c.state_group == "failed", runs.c.state == JobState.COMPLETED.value):
        query = (
            _columns()
            .where(indexed, runs.c.end_ns >= span[0], runs.c.end_ns <= span[1])
            .where(runs.c.cluster == cluster, runs.c.state.in_(sorted(wanted)), visible_runs(viewer))
            .order_by(runs.c.end_ns.desc())
            .limit(most)
        )
        found += _placed(connection, query)
    return found


def _columns() -> Select[Any]:
    return select(*(history.runs.c[name] for name in _COLUMNS))


def _not_too_long(section: Section, order_ns: ColumnElement[int], span: tuple[int, int]) -> ColumnElement[bool]:
    if section is Section.RUNNING:
        return order_ns >= 0
    return order_ns >= span[0] - LONGEST_RUN_NS


def _was_there(span: tuple[int, int]) -> ColumnElement[bool]:
    runs = history.runs
    return and_(runs.c.start_ns <= span[1], or_(runs.c.end_ns.is_(None), runs.c.end_ns > span[0]))


def _placed(connection: Connection, query: Select[Any]) -> list[PlacedRun]:
    return [
        PlacedRun(
            job_id=row["job_id"],
            run=row["number"],
            state=JobState(row["state"]),
            name=row["name"],
            user=row["user"],
            account=row["account"],
            partition=row["partition"],
            start_ns=row["start_ns"],
            end_ns=row["end_ns"],
            nodes=history.decode_nodes(row["nodes"]),
        )
        for row in fetch(connection, query)
    ]


def _newest(found: dict[tuple[int, int], PlacedRun], most: int) -> list[PlacedRun]:
    return sorted(found.values(), key=lambda run: (-(run.start_ns or 0), run.job_id))[:most]
