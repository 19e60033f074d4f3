"""Audits in the database, and the runs that are audited: read for `stage`, written once a day, shown to operators.

Owns the rows of `tables` and the SELECTs on runs by their job ids. Invariant: a day is one row, and auditing it again
replaces it.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from slurmlens.clock import NS_PER_S
from slurmlens.hub.access.predicates import visible_runs
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.audit.facts import DayAudit, MeasuredUse
from slurmlens.hub.audit.tables import audits
from slurmlens.hub.database.aged_rows import AgedRows
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.database.retention import AgingKind
from slurmlens.hub.database.store import Store
from slurmlens.hub.history import tables as history
from slurmlens.hub.inventory.read import runs_at
from slurmlens.slurm.records import JobState

MOST_DAYS = 400
MOST_RUNS = 100_000
DAY_S = 86_400
_COLUMNS = (
    "job_id",
    "number",
    "submit_s",
    "state",
    "start_ns",
    "end_ns",
    "cpu_s",
    "memory_peak_bytes",
    "user",
    "nodes",
)
_ENDED = frozenset(state for state in JobState if state.has_ended)
_encoder, _decoder = msgspec.json.Encoder(), msgspec.json.Decoder(DayAudit)


class AuditStore:
    """The audits of one cluster."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def days(self, viewer: Viewer) -> list[DayAudit]:
        """All days, the latest first, for whoever sees all jobs; nothing for others."""
        if not viewer.sees_all_jobs:
            return []
        query = select(audits.c.content).where(audits.c.cluster == self._cluster)
        query = query.order_by(audits.c.day_s.desc()).limit(MOST_DAYS)
        return await self._store.read(lambda connection: [_read(row[0]) for row in connection.execute(query)])

    async def day(self, viewer: Viewer, day_s: int) -> DayAudit | None:
        """One day; None where it was not audited, or for whoever does not see all jobs."""
        query = select(audits.c.content).where(audits.c.cluster == self._cluster, audits.c.day_s == day_s)

        def read(connection: Connection) -> DayAudit | None:
            row = connection.execute(query).first()
            return None if row is None else _read(row[0])

        return await self._store.read(read) if viewer.sees_all_jobs else None

    async def keep(self, audit: DayAudit) -> None:
        """Keeps a day in place of what was kept of it."""
        row = {
            "cluster": self._cluster,
            "day_s": audit.day_s,
            "made_ns": audit.made_ns,
            "content": zlib.compress(_encoder.encode(audit)),
        }
        await self._store.write(lambda transaction: transaction.put(audits, ("cluster", "day_s"), [row]))

    async def runs(self, viewer: Viewer, job_ids: Collection[int], day_s: int) -> list[MeasuredUse]:
        """Runs of these jobs that ended on a day, and all others that ended then, as far as the viewer sees them."""

        def question(connection: Connection) -> list[MeasuredUse]:
            window = day_s * NS_PER_S, (day_s + DAY_S) * NS_PER_S - 1
            ended = runs_at.runs_ended(viewer, connection, self._cluster, _ENDED, window, MOST_RUNS)
            wanted = {*job_ids, *(run.job_id for run in ended)}
            return list(self._runs(viewer, connection, wanted, window))

        return await self._store.read(question)

    def _runs(
        self, viewer: Viewer, connection: Connection, job_ids: Collection[int], window: tuple[int, int]
    ) -> Iterator[MeasuredUse]:
        runs = history.runs
        for piece in pieces_of(job_ids):
            named = select(*(runs.c[name] for name in _COLUMNS)).where(
                runs.c.cluster == self._cluster, runs.c.job_id.in_(piece), visible_runs(viewer)
            )
            for row in connection.execute(named).mappings():
                if row["end_ns"] is not None and window[0] <= row["end_ns"] <= window[1] + EDGE_NS:
                    yield _own(row)


EDGE_NS = 3600 * NS_PER_S
"""A run that Slurm ended before midnight may be cleaned up after it."""


def _own(row: Any) -> MeasuredUse:
    return MeasuredUse(
        job_id=row["job_id"],
        run=row["number"],
        submit_s=row["submit_s"],
        state=JobState(row["state"]),
        start_ns=row["start_ns"],
        end_ns=row["end_ns"],
        cpu_s=row["cpu_s"],
        memory_peak_bytes=row["memory_peak_bytes"],
        node_count=len(history.decode_nodes(row["nodes"])),
        user=row["user"],
    )


def _read(content: bytes) -> DayAudit:
    return _decoder.decode(zlib.decompress(content))


def kind_of_audits(days: float) -> AgingKind:
    """Audits age from when they were made."""
    return AgedRows("audits", audits, "made_ns", days * DAY_S)
