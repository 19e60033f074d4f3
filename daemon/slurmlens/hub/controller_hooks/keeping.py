"""Keeps what slurmctld's hooks told, once however often it is told.

Owns the rows of `controller_events`. Invariant: of one job id at most `MOST_EVENTS`, the newest (ids are used again).
Called by `stage`.
"""

from __future__ import annotations

from collections.abc import Sequence

from slurmlens.hub.controller_hooks.tables import controller_events
from slurmlens.hub.database.aged_rows import AgedRows
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.retention import AgingKind
from slurmlens.hub.database.store import Store
from slurmlens.wire.controller_hook import ControllerEvent

MOST_EVENTS = 100
DAY_S = 86_400
_KEY = ("cluster", "job_id", "id")
_COLUMNS = (*_KEY, "time_ns", "role", "exit_code", "exit_signal", "comment", "dependency")


class ControllerEventStore:
    """The write side of one cluster."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def keep(self, told: Sequence[ControllerEvent]) -> None:
        """Keeps what is new of these; StoreError where nothing was kept."""
        rows = [self._row(one) for one in told]

        def work(transaction: Transaction) -> None:
            transaction.insert_new(controller_events, _COLUMNS, rows)
            for job in {(self._cluster, one.job.job_id) for one in told}:
                found = transaction.find(controller_events, ("time_ns", "id"), _KEY[:2], [job])
                surplus = sorted(found, reverse=True)[MOST_EVENTS:]
                transaction.take_away(controller_events, _KEY, [(*job, one[1]) for one in surplus])

        await self._store.write(work)

    def _row(self, one: ControllerEvent) -> tuple[object, ...]:
        job = one.job
        key = self._cluster, job.job_id, one.id
        return *key, one.time_ns, one.role.value, job.exit_code, job.exit_signal, one.comment, one.dependency


def kind_of_controller_events(days: float) -> AgingKind:
    """They age by when they happened."""
    return AgedRows("hooks of slurmctld", controller_events, "time_ns", days * DAY_S)
