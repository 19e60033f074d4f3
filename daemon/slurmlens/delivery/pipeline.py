"""What every program that delivers has behind its own work: batches made, kept until they have arrived, delivered.

    outlet ─► spool ─► deliveries (one a sink)

Owns spool, outlet and deliveries, and the supervisor of their stages; in what order they begin and end. Fed through
`outlet` (or, where batches come as such, `spool`) by the pipelines of node and relay, which make it: its stages go on
until everything that feeds it has stopped. Invariants: the spool opens before anything comes and closes after the last;
stopping takes a bounded time, and what has not arrived by then is reported.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from slurmlens.clock import Clock
from slurmlens.config.node import BatchConfig
from slurmlens.config.shared import ReplayConfig
from slurmlens.config.spool import SpoolConfig
from slurmlens.delivery.batches import Stream
from slurmlens.delivery.deliveries import Deliveries
from slurmlens.delivery.drop_notice import drop_notice, dropped_lines
from slurmlens.delivery.outlet import Outlet
from slurmlens.delivery.receivers import Receiver
from slurmlens.delivery.spool import Disk, Spool, SpoolLimits
from slurmlens.delivery.status import SinkStatus, SpoolStatus
from slurmlens.events import Place
from slurmlens.runtime.supervisor import Stage, StageState, Supervisor
from slurmlens.telemetry.internal import InternalEvent, Reporter

STOP_TIMEOUT_S = 8.0
"""How long the last lines may take to reach their receivers; systemd waits for longer than that."""

CLOSE_TIMEOUT_S = 3.0
"""How long the spool's disk may take for the last change; one that hangs must not hold the end up."""

SPOOL_HANGS = InternalEvent(
    "spool_hangs", logging.ERROR, "the spool's disk did not take the last change within {wait_s:g} s: is it well?"
)


class DeliverySettings(msgspec.Struct, frozen=True):
    """What of a program's settings is asked here."""

    spool: SpoolConfig
    replay: ReplayConfig
    batch: BatchConfig
    runtime_path: Path
    with_fields_2015: bool = False


class DeliveryPipeline:
    """Make it in a running loop, `open` it, `start` it, `stop` it. `place` is whose lines these are."""

    def __init__(
        self, settings: DeliverySettings, receivers: Sequence[Receiver], place: Place, clock: Clock, reporter: Reporter
    ) -> None:
        self._path = settings.spool.path
        self._reporter = reporter
        self.streams: Mapping[str, Stream] = {one.sink.name: one.stream for one in receivers}
        """Which stream each sink reads."""
        self.limits = SpoolLimits.of(settings.spool)
        self.spool = Spool(
            self.streams,
            self.limits,
            Disk(self._path, clock, reporter),
            place.boot_id,
            clock,
            reporter,
            notice=drop_notice(place, clock),
            unreported=settings.runtime_path / "untold.json",
        )
        self.outlet = Outlet(settings.batch, self.spool, clock, with_fields_2015=settings.with_fields_2015)
        self._deliveries = Deliveries(receivers, self.spool, settings.replay, reporter, clock)
        self._stages = Supervisor(reporter, clock)
        self._stages.add("outlet", self.outlet.run)
        for name, stage in self._deliveries.stages():
            self._stages.add(name, stage)
        self._running: asyncio.Task[None] | None = None

    def add(self, name: str, stage: Stage) -> None:
        """A stage that is wanted for as long as anything is delivered; before `start`."""
        self._stages.add(name, stage)

    async def open(self) -> None:
        """Take up what an earlier program left. ConfigError where another one uses the same spool."""
        await self.spool.open()

    def start(self) -> None:
        """Begin to deliver."""
        self._running = asyncio.create_task(self._stages.run(), name="delivery")

    async def stop(self, last_words: Callable[[], Awaitable[None]] | None = None) -> None:
        """Deliver what there is, after `last_words`, within `STOP_TIMEOUT_S`; tell what has not arrived, and close."""
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                if last_words is not None:
                    await last_words()
                await self.outlet.flush()
                await self._deliveries.drain()
        except TimeoutError:
            pass  # what is left is reported below
        finally:
            self._deliveries.tell_backlog()
            if self._running is not None:
                self._running.cancel()
                await asyncio.gather(self._running, return_exceptions=True)
            await self.close()

    async def close(self) -> None:
        """Write what is left in memory, and let go of the spool; tells where the disk does not take it in time."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.spool.close()
        except TimeoutError:
            self._reporter.report(SPOOL_HANGS, wait_s=CLOSE_TIMEOUT_S)

    @property
    def states(self) -> Mapping[str, StageState]:
        """Every stage by name."""
        return self._stages.states

    @property
    def away(self) -> list[str]:
        """Names of the sinks whose receivers take nothing now."""
        return self._deliveries.away

    def sink_statuses(self) -> tuple[SinkStatus, ...]:
        """How each sink fares, now."""
        return self._deliveries.statuses()

    def spool_status(self) -> SpoolStatus:
        """How the spool fares, now."""
        state = self.spool.state
        return SpoolStatus(
            path=str(self._path),
            mode=state.mode,
            failure=state.failure,
            size_bytes=state.size_bytes,
            max_bytes=state.max_bytes,
            stored_bytes=state.stored_bytes,
            memory_bytes=state.memory_bytes,
            dropped=dropped_lines(state.dropped),
        )
