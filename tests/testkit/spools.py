"""Spools on a folder of the test's own, with what they told and whom they called kept for the test to look at."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from slurmlens.delivery.batches import Batch, Stream
from slurmlens.delivery.spool import Disk, Notice, Spool, SpoolLimits
from slurmlens.delivery.spool.place import DATABASE
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.manual_clock import ManualClock

KIB = 1024
LIMITS = SpoolLimits(
    max_bytes=1024 * KIB,
    max_age_s=600,
    memory_bytes=256 * KIB,
    metrics_memory_bytes=64 * KIB,
    logs_memory_bytes=64 * KIB,
)
SINKS: Mapping[str, Stream] = {"hub": Stream.EVENTS, "file": Stream.EVENTS, "carbon": Stream.METRICS}
SINKS_AND_LOGS: Mapping[str, Stream] = {**SINKS, "hub_logs": Stream.LOGS}
NEVER_S = 1e6


@dataclass
class SpoolSetup:
    """Makes spools on one folder, one after the other as a daemon's lives; `safe` are payloads told to be safe."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    counters: Counters = field(default_factory=Counters)
    safe: list[bytes] = field(default_factory=list)
    boot_id: str = "boot-1"
    proc_root: Path = Path("/proc")
    unreported: Path | None = None

    def spool(
        self,
        sinks: Mapping[str, Stream] = SINKS,
        limits: SpoolLimits = LIMITS,
        *,
        notice: Notice | None = None,
        retry_s: float = NEVER_S,
    ) -> Spool:
        reporter = Reporter(self.counters, self.clock)
        disk = Disk(self.folder, self.clock, reporter, proc_root=self.proc_root)
        return Spool(
            sinks,
            limits,
            disk,
            self.boot_id,
            self.clock,
            reporter,
            notice=notice,
            unreported=self.unreported,
            retry_s=retry_s,
        )

    async def opened(
        self, sinks: Mapping[str, Stream] = SINKS, limits: SpoolLimits = LIMITS, *, notice: Notice | None = None
    ) -> Spool:
        spool = self.spool(sinks, limits, notice=notice)
        await spool.open()
        return spool

    def batch(self, payload: bytes, stream: Stream = Stream.EVENTS, count: int = 1) -> Batch:
        callback = lambda: self.safe.append(payload)  # noqa: E731
        return Batch(stream, payload, count, self.clock.monotonic_ns(), (callback,))

    def metrics(self, payload: bytes) -> Batch:
        return Batch(Stream.METRICS, payload, 1, self.clock.monotonic_ns())

    def counted(self, name: str, **labels: str) -> float:
        """Sum of a counter over all label sets that contain `labels`."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        found = self.counters.snapshot().items()
        return sum(value for key, value in found if key.startswith(name) and all(one in key for one in wanted))

    def rows(self, stream: Stream) -> list[bytes]:
        """The payloads in the file; only while no spool has it open."""
        connection = sqlite3.connect(self.folder / DATABASE)
        try:
            return [row[0] for row in connection.execute(f"SELECT payload FROM {stream.value} ORDER BY position")]
        finally:
            connection.close()


async def payloads(spool: Spool, sink: str, max_bytes: int = 1 << 30) -> list[bytes]:
    """What `sink` is given now."""
    return [entry.batch.payload for entry in await spool.read(sink, max_bytes)]


async def take_all(spool: Spool, sink: str) -> list[bytes]:
    """Everything that waits for `sink`, read and acknowledged."""
    taken: list[bytes] = []
    while spool.backlog(sink).batches:
        entries = await spool.read(sink, 4 * KIB)
        taken += [entry.batch.payload for entry in entries]
        await spool.acknowledge(sink, entries[-1].position)
    return taken


async def settled(spool: Spool) -> None:
    """Until nothing is on its way to the disk; what waits there for company does not get any."""
    if spool._writer._later is not None:
        spool._writer.write_soon()
    while (flusher := spool._writer._flusher) is not None and not flusher.done():
        await asyncio.wait({flusher})
