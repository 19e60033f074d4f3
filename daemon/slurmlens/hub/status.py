"""What the hub says of itself at /status.json: put together from its rooms when somebody asks.

Owns the document's keys. Made by `pipeline`; shown by `web.pages.status` and `slurmlens status`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from slurmlens import __version__
from slurmlens.clock import Clock
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.database_file import DatabaseFile
from slurmlens.hub.database.retention import Retention
from slurmlens.hub.history.read.queries import Queries
from slurmlens.hub.logs.store import LogSource, LogStoreError, StoreHealth
from slurmlens.hub.scheduler.state import SchedulerState
from slurmlens.hub.workers.known import KafkaShare
from slurmlens.runtime.loop_watch import watch_of_running_loop
from slurmlens.runtime.supervisor import StageState
from slurmlens.telemetry.counters import Counters

if TYPE_CHECKING:
    from slurmlens.delivery.points import PointDelivery
    from slurmlens.hub.graph.projecting import GraphLag
    from slurmlens.hub.workers.membership import WorkerMembership

LOGS_ASKED_S = 5.0


@dataclass(frozen=True)
class HubStatus:
    """Whom to ask."""

    cluster: str
    clock: Clock
    queries: Queries
    scheduler: SchedulerState
    watcher_count: Callable[[], int]
    stages: Mapping[str, StageState]
    workers: WorkerMembership | None
    kafka: KafkaShare | None
    graph: GraphLag | None
    consul: Callable[[], dict[str, object]] | None
    points: Sequence[PointDelivery]
    retention: Retention
    counters: Counters
    database: DatabaseFile | None = None
    logs: LogSource | None = None

    async def __call__(self, viewer: Viewer) -> dict[str, object]:
        """The document, for whoever asks."""
        watch = watch_of_running_loop()
        history: dict[str, object] = msgspec.to_builtins(await self.queries.status(viewer))
        return {
            "version": __version__,
            "cluster": self.cluster,
            "now_ns": self.clock.wall_ns(),
            "scheduler": msgspec.to_builtins(self.scheduler),
            "watchers": self.watcher_count(),
            "loop": None if watch is None else msgspec.to_builtins(watch.holds()),
            "stages": msgspec.to_builtins(dict(self.stages)),
            "worker": None if self.workers is None else self.workers.name,
            "workers": [] if self.workers is None else msgspec.to_builtins(self.workers.known),
            "kafka": msgspec.to_builtins(self.kafka),
            "logs": await self._logs(),
            "graph": msgspec.to_builtins(self.graph),
            "consul": None if self.consul is None else self.consul(),
            "sinks": [msgspec.to_builtins(one) for points in self.points for one in points.sink_statuses()],
            "database": None if self.database is None else self._database(self.database),
            "retention": msgspec.to_builtins(self.retention.told()),
            "counters": self.counters.snapshot(),
            **history,
        }

    async def _logs(self) -> dict[str, object] | None:
        """How the place of log lines fares; what is slow to say so is away for whoever looks."""
        if self.logs is None:
            return None
        try:
            async with asyncio.timeout(LOGS_ASKED_S):
                health = await self.logs.health()
        except (TimeoutError, LogStoreError) as error:
            problem = str(error) or f"no answer in {LOGS_ASKED_S:g} s"
            health = StoreHealth(kind="log lines", place="", state="away", problem=problem)
        built: dict[str, object] = msgspec.to_builtins(health)
        return built

    @staticmethod
    def _database(database: DatabaseFile) -> dict[str, object]:
        built: dict[str, object] = msgspec.to_builtins(database.state()._asdict())
        return built
