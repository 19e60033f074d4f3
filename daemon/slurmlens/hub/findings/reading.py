"""Reads what the stage needs of history beside jobs' facts: the runs that ended within the last day.

Owns that SELECT's bounds. Used by `stage`, which decides for the hub and shows nobody anything.
"""

from __future__ import annotations

from sqlalchemy import Connection

from slurmlens.clock import NS_PER_S
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.store import Store
from slurmlens.hub.inventory.read import runs_at
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.slurm.records import JobState

WINDOW_NS = 86_400 * NS_PER_S
MOST_RUNS = 10_000
_JUDGED = frozenset({JobState.FAILED, JobState.NODE_FAIL, JobState.OUT_OF_MEMORY, JobState.COMPLETED})


class RecentRuns:
    """Ended runs of one cluster."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def ended(self, viewer: Viewer, now_ns: int) -> tuple[PlacedRun, ...]:
        """Those that succeeded or failed in the last day, as far as the viewer may see them."""

        def question(connection: Connection) -> list[PlacedRun]:
            window = now_ns - WINDOW_NS, now_ns
            return runs_at.runs_ended(viewer, connection, self._cluster, _JUDGED, window, MOST_RUNS)

        return tuple(await self._store.read(question))
