"""Answers what pages and the command line ask of progress.

Owns the SELECTs on the room's tables, joined with history's `sightings`, which say of which run a report is. Each
answer holds what the viewer who asks may see.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, Table, and_, select

from slurmlens.hub.access.predicates import visible_sightings
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.record.node_beats import NodeBeats, NodeName
from slurmlens.hub.history.tables import sightings
from slurmlens.hub.progress import tables as schema
from slurmlens.hub.progress.course import decode_course
from slurmlens.hub.progress.facts import JobProgressFacts, JobRun, MessageFacts, TaskFacts

_values_decoder = msgspec.json.Decoder(dict[str, float])


class ProgressQueries:
    """The read side of progress for one cluster."""

    def __init__(self, store: Store, beats: NodeBeats, cluster: str) -> None:
        self._store = store
        self._beats = beats
        self._cluster = cluster

    async def of_job(self, viewer: Viewer, job_id: int, run: int) -> JobProgressFacts:
        """What processes of this run of the job told."""

        def work(connection: Connection) -> JobProgressFacts:
            where = sightings.c.run == run
            tasks = connection.execute(self._select(viewer, schema.progress_tasks, [job_id]).where(where))
            messages = connection.execute(self._select(viewer, schema.progress_messages, [job_id]).where(where))
            return JobProgressFacts(
                tasks=tuple(self._task(row) for row in tasks.mappings()),
                messages=tuple(sorted(map(_message, messages.mappings()), key=lambda one: one.time_ns)),
            )

        return await self._store.read(work)

    async def of_runs(self, viewer: Viewer, runs: Collection[JobRun]) -> dict[JobRun, JobProgressFacts]:
        """The same of many runs, without their events; those that told nothing are left out."""

        def work(connection: Connection) -> dict[JobRun, JobProgressFacts]:
            found: dict[JobRun, list[TaskFacts]] = {}
            for piece in pieces_of({job_id for job_id, _ in runs}):
                for row in connection.execute(self._select(viewer, schema.progress_tasks, piece)).mappings():
                    if (row["job_id"], row["run"]) in runs:
                        found.setdefault((row["job_id"], row["run"]), []).append(self._task(row))
            return {key: JobProgressFacts(tasks=tuple(tasks)) for key, tasks in found.items()}

        return await self._store.read(work) if runs else {}

    def _select(self, viewer: Viewer, table: Table, job_ids: Sequence[int]) -> Select[Any]:
        same: ColumnElement[bool] = and_(
            *(table.c[name] == sightings.c[name] for name in ("cluster", "node", "sighting"))
        )
        wanted = and_(table.c.cluster == self._cluster, table.c.job_id.in_(job_ids))
        query = select(table, sightings.c.run).select_from(table.join(sightings, same))
        return query.where(wanted, visible_sightings(viewer))

    def _task(self, row: Any) -> TaskFacts:
        beat = self._beats.known.get(NodeName(row["cluster"], row["node"]))
        return TaskFacts(
            node=row["node"],
            step=row["step"],
            rank=_rank(row),
            course=decode_course(row["course"]),
            values=_values_decoder.decode(row["named_values"]),
            known_until_ns=None if beat is None else beat.heard_ns,
        )


def _message(row: Any) -> MessageFacts:
    return MessageFacts(node=row["node"], step=row["step"], rank=_rank(row), time_ns=row["time_ns"], text=row["text"])


def _rank(row: Any) -> int | None:
    return None if row["rank"] == schema.UNTOLD_RANK else int(row["rank"])
