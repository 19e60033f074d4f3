"""The loop over the collectors: a round at each multiple of the interval, points to carbon, the state to the hub.

Owns what of a round goes where. Invariants: points carry the aligned time; the `node-state` event holds the `in_state`
figures alone, at most `MOST_READINGS`, and leaves some seconds later, so that not all nodes of a cluster speak to the
hub in one moment; while the node is silenced there are no rounds. Made and run by `pipeline`.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.collectors import CollectorsConfig
from slurmlens.events import (
    CollectorTrouble,
    GpuHolding,
    GpuState,
    MachineState,
    NodeReading,
    Outsider,
    Place,
    derived_id,
)
from slurmlens.node.collectors.collecting import Collecting
from slurmlens.node.collectors.files import FileSystemSpace, KeptFiles
from slurmlens.node.collectors.rates import NodeFigure
from slurmlens.node.collectors.worker import CollectorThread
from slurmlens.node.sampler.rest import SHORT_REST
from slurmlens.node.status import CollectorStatus
from slurmlens.runtime.intervals import next_interval
from slurmlens.telemetry.internal import InternalEvent, Reporter, lasting
from slurmlens.wire.carbon import system_lines

MOST_READINGS = 600
MOST_OUTSIDERS = 64
ROUND_TIMEOUT_S = 10.0
MOST_SPREAD_S = 20.0
"""Within so long after a round the state leaves; by the node's name, the same every time."""

COLLECTOR_FAILED = lasting(
    "collector_failed", logging.WARNING, "collector {collector}: {problem}; the others go on", ("collector",)
)
COLLECTOR_HANGS = lasting(
    "collector_hangs", logging.WARNING, "collector {collector} does not come back; no figures of the node meanwhile"
)
DEVICES_LEFT_OUT = InternalEvent(
    "collector_devices_left_out",
    logging.WARNING,
    "collector {collector}: {count} devices are more than [collectors] devices_max allows",
    ("collector",),
    lines=1,
    window_s=3600,
)

Points = Callable[[bytes, int], Awaitable[None]]
Tell = Callable[[MachineState], Awaitable[None]]
AskRemote = Callable[[], Awaitable[dict[str, FileSystemSpace | None]]]
"""Asks the file systems of the network, somewhere else; None of one that hangs."""


GpusTold = Callable[[], tuple[tuple[GpuState, ...], tuple[GpuHolding, ...]]]


class CollectorStage:
    """The stage; `run` it until cancelled."""

    def __init__(
        self,
        config: CollectorsConfig,
        place: Place,
        files: KeptFiles,
        points: Points,
        tell: Tell,
        reporter: Reporter,
        clock: Clock,
        *,
        ask_remote: AskRemote | None = None,
        gpus: GpusTold | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._config = config
        self._place = place
        self._points = points
        self._tell = tell
        self._reporter = reporter
        self._clock = clock
        self._ask_remote = ask_remote
        self._gpus = gpus
        self._sleep = sleep
        self._thread = CollectorThread(Collecting(config, files, rest=SHORT_REST))
        self._spread_s = zlib.crc32(place.node.encode()) % 1000 / 1000 * min(MOST_SPREAD_S, config.interval_s / 3)
        self.is_silent = False

    async def run(self) -> None:
        """Rounds, until cancelled."""
        interval_ns = round(self._config.interval_s * NS_PER_S)
        try:
            while True:
                due_ns = await next_interval(interval_ns, self._clock, self._sleep)
                if not self.is_silent:
                    await self._round(due_ns)
        finally:
            await self._thread.stop()

    def status(self) -> tuple[CollectorStatus, ...]:
        """How each collector fares, the costliest first."""
        costs = self._thread.collecting.costs.items()
        found = (
            CollectorStatus(
                collector=name,
                cost_s=cost.mean_s,
                share=cost.mean_s / (self._config.interval_s * cost.stretch),
                stretch=cost.stretch,
                problem=self._problem(name),
                devices_left_out=self._thread.collecting.left_out.get(name, 0),
            )
            for name, cost in costs
        )
        return tuple(sorted(found, key=lambda one: -one.cost_s))

    async def _round(self, due_ns: int) -> None:
        remote = await self._ask_remote() if self._ask_remote is not None else {}
        figures = await self._thread.round(self._clock.boottime_ns(), remote, ROUND_TIMEOUT_S)
        if figures is None:
            self._reporter.report(COLLECTOR_HANGS, collector=self._thread.hanging)
        else:
            self._reporter.over(COLLECTOR_HANGS)
        self._report_troubles()
        if figures:
            payload, count = system_lines(
                self._place.cluster,
                self._place.node,
                (
                    (one.metric.collector, one.of, one.metric.name, one.value)
                    for one in figures
                    if not one.metric.is_personal
                ),
                due_ns // NS_PER_S,
            )
            await self._points(payload, count)
        await self._sleep(self._spread_s)
        await self._tell(self._state(figures or ()))

    def _state(self, figures: Sequence[NodeFigure]) -> MachineState:
        wall_ns, boottime_ns = self._clock.wall_ns(), self._clock.boottime_ns()
        place = self._place
        gpus, holdings = self._gpus() if self._gpus is not None else ((), ())
        told = (one for one in figures if one.metric.in_state)
        readings = [NodeReading(one.metric.full_name, one.of, _rounded(one.value)) for one in told][:MOST_READINGS]
        return MachineState(
            id=derived_id(place.cluster, place.node, place.boot_id, "node-state", str(boottime_ns)),
            time_ns=wall_ns,
            boot_id=place.boot_id,
            boottime_ns=boottime_ns,
            cluster=place.cluster,
            node=place.node,
            interval_s=self._config.interval_s,
            readings=tuple(readings),
            troubles=tuple(self._troubles()),
            gpus=gpus,
            holdings=holdings,
            outsiders=outsiders_of(figures),
        )

    def _problem(self, name: str) -> str:
        if self._thread.hanging == name:
            return "hangs"
        cost = self._thread.collecting.costs[name]
        if cost.off:
            return f"off: {cost.off}"
        return f"failed: {cost.last_error}" if cost.last_error else ""

    def _troubles(self) -> Iterator[CollectorTrouble]:
        for name in self._thread.collecting.costs:
            problem = self._problem(name)
            if problem:
                yield CollectorTrouble(collector=name, problem=problem)

    def _report_troubles(self) -> None:
        for one in self._troubles():
            if one.problem != "hangs":
                self._reporter.report(COLLECTOR_FAILED, collector=one.collector, problem=one.problem)
        for name, count in self._thread.collecting.left_out.items():
            if count:
                self._reporter.report(DEVICES_LEFT_OUT, collector=name, count=count)


def outsiders_of(figures: Iterable[NodeFigure]) -> tuple[Outsider, ...]:
    """Users with processes outside any job, who takes most first; from the `sessions` collector's personal figures."""
    users: dict[int, dict[str, float]] = {}
    for one in figures:
        if one.metric.is_personal:
            users.setdefault(int(one.of), {})[one.metric.name] = one.value
    found = [
        Outsider(
            uid=uid,
            cpu_cores=None if (cores := own.get("user_cpu_cores")) is None else _rounded(cores),
            memory_bytes=None if (size := own.get("user_memory_bytes")) is None else int(size),
            processes=None if (count := own.get("user_processes_count")) is None else int(count),
        )
        for uid, own in users.items()
    ]
    found.sort(key=lambda one: (-(one.cpu_cores or 0.0), -(one.memory_bytes or 0), one.uid))
    return tuple(found[:MOST_OUTSIDERS])


def _rounded(value: float) -> float:
    """Six digits say all that a figure is worth, and take half the room."""
    return value if value == int(value) else float(f"{value:.6g}")
