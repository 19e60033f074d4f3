"""An hour's outage as the daemon finds it: carbon lines of 200 jobs at 1 Hz in its spool, born over the last hour.

Owns what such an hour is. Jobs share `SLOTS` series sets, so it is not 200 times a job: every slot has each metric of
the fast tier every second and each of the slow tier every sixth, which is the most that the table of metrics allows
(about a million lines, 74 MB). Made by the spool itself, one batch a tick as the daemon makes them; used by `replay`.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.node_daemon import USER_ID
from slurmlens.clock import NS_PER_S, SystemClock
from slurmlens.config.spool import SpoolConfig
from slurmlens.delivery.batches import Batch, Stream
from slurmlens.delivery.spool import Disk, Spool, SpoolLimits
from slurmlens.metrics import Kind, Metric, Source, Tier
from slurmlens.node.sampler.points import METRICS_OF_TIER
from slurmlens.runtime.process import read_boot_id
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire.carbon import SeriesBlock, slot_prefix

HOUR_S = 3600
SLOTS = 17
SLOW_EVERY = 6
SINKS = {"hub": Stream.EVENTS, "carbon": Stream.METRICS}


@dataclass(frozen=True, slots=True)
class Backlog:
    """What an outage of so many seconds left behind; `node` keeps its series apart from those of others."""

    node: str
    seconds: int = HOUR_S

    def batches(self) -> Iterator[tuple[bytes, int]]:
        """Payload and number of lines of each tick, the oldest first."""
        begin_s = int(time.time()) - self.seconds
        numbers = random.Random(1)
        tiers = {tier: self._blocks(tier) for tier in Tier}
        for second in range(self.seconds):
            due = [Tier.FAST] if second % SLOW_EVERY else [Tier.FAST, Tier.SLOW]
            parts = [
                block.encode([_value(metric, numbers) for metric in metrics], begin_s + second)
                for tier in due
                for metrics, block in tiers[tier]
            ]
            yield b"".join(parts), sum(len(metrics) for tier in due for metrics, _ in tiers[tier])

    def fill(self, folder: Path) -> tuple[int, int]:
        """Put it into the spool at `folder`, which will be the daemon's; returns lines and bytes."""
        folder.mkdir(exist_ok=True)
        lines, size_bytes = asyncio.run(self._fill(folder))
        for path in (folder, *folder.rglob("*")):
            os.chown(path, USER_ID, USER_ID)
        return lines, size_bytes

    async def _fill(self, folder: Path) -> tuple[int, int]:
        clock = SystemClock()
        reporter = Reporter(Counters(), clock)
        limits = SpoolLimits.of(SpoolConfig())
        spool = Spool(SINKS, limits, Disk(folder, clock, reporter), read_boot_id(Path("/")), clock, reporter)
        await spool.open()
        born_ns = clock.monotonic_ns() - self.seconds * NS_PER_S
        lines = size_bytes = 0
        for number, (payload, count) in enumerate(self.batches()):
            await spool.append(Batch(Stream.METRICS, payload, count, born_ns + number * NS_PER_S))
            lines, size_bytes = lines + count, size_bytes + len(payload)
            if spool.state.memory_bytes > limits.metrics_memory_bytes // 2:
                await asyncio.sleep(0.01)  # a real hour gives the disk more time
        kept = spool.backlog("carbon").lines
        await spool.close()
        if kept != lines:
            raise RuntimeError(f"the spool kept {kept} of {lines} lines: {spool.state.failure}")
        return lines, size_bytes

    def _blocks(self, tier: Tier) -> list[tuple[list[Metric], SeriesBlock]]:
        metrics = [metric for metric in METRICS_OF_TIER[tier] if metric.source is Source.CGROUP]
        names = [metric.name for metric in metrics]
        return [(metrics, SeriesBlock(slot_prefix("bench", self.node, slot), names)) for slot in range(SLOTS)]


def _value(metric: Metric, numbers: random.Random) -> float:
    return numbers.uniform(0, 64) if metric.kind is Kind.RATE else float(numbers.randrange(2**36))
