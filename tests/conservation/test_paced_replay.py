"""A relay that is killed in the middle of a paced replay: nothing of the outage is lost, and the next one paces on.

The backlog stands in the spool as an outage leaves it, so nobody has to wait for one; the receiver is a plain server
that notes when what arrived. Only a least time is asked for, which no slow machine can spoil.
"""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from slurmlens.clock import NS_PER_S, SystemClock
from slurmlens.config.shared import MIB
from slurmlens.config.spool import SpoolConfig
from slurmlens.delivery.batches import Batch, Stream
from slurmlens.delivery.spool import Disk, Spool, SpoolLimits
from slurmlens.runtime.process import read_boot_id
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.relay_process import relay_process
from testkit.scripted_server import LineServer, serving

OUTAGE_S = 60
BATCH_LINES = 400
BATCHES = 100
RATE_BYTES_PER_S = MIB
READ_BYTES = 256 * 1024
"""So much of metrics is delivered at once, by default."""

KILLED_AT = BATCH_LINES * BATCHES // 3


@dataclass
class ClockedServer(LineServer):
    """Notes when the first and the last byte came."""

    first_s: float | None = None
    last_s: float = 0.0
    arrived_bytes: int = field(default=0)

    async def take(self, data: bytes) -> None:
        self.last_s = time.monotonic()
        self.first_s = self.first_s or self.last_s
        self.arrived_bytes += len(data)
        await super().take(data)

    def paced_at_least_s(self) -> float:
        """All but the last read had to wait for the one before."""
        return (self.arrived_bytes - READ_BYTES) / RATE_BYTES_PER_S


def line(number: int) -> bytes:
    return b"slurm.demo.nodes.n0.slots.%d.cpu_cores %d %d\n" % (number % 16, number, 1_795_420_800 + number // 16)


async def leave_backlog(folder: Path) -> list[bytes]:
    """What a relay has in its spool after an outage; returns the lines."""
    clock = SystemClock()
    reporter = Reporter(Counters(), clock)
    disk = Disk(folder, clock, reporter)
    limits = SpoolLimits.of(SpoolConfig(memory_bytes=16 * MIB, metrics_memory_bytes=8 * MIB))
    spool = Spool({"carbon": Stream.METRICS}, limits, disk, read_boot_id(), clock, reporter)
    await spool.open()
    lines: list[bytes] = []
    born_ns = clock.monotonic_ns() - OUTAGE_S * NS_PER_S
    for _ in range(BATCHES):
        batch = [line(number) for number in range(len(lines), len(lines) + BATCH_LINES)]
        await spool.append(Batch(Stream.METRICS, b"".join(batch), len(batch), born_ns))
        lines += batch
    assert spool.backlog("carbon").lines == len(lines)
    await spool.close()
    return lines


def settings(folder: Path, port: int) -> str:
    (folder / "tokens").write_text("n0 0123456789abcdef\n")
    (folder / "tokens").chmod(0o600)
    return f"""
[auth]
munge = false
token_file = "{folder}/tokens"
[replay]
after_s = 1
bytes_per_s = {RATE_BYTES_PER_S}
[sinks.carbon]
port = {port}
backoff_min_s = 0.05
backoff_max_s = 0.2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "r").mkdir()
    return tmp_path / "r"


async def test_a_relay_killed_in_the_middle_of_its_replay_loses_nothing_and_paces_on(folder: Path) -> None:
    lines = await leave_backlog(folder / "spool")
    before, after = ClockedServer(), ClockedServer()
    async with serving(before) as port, relay_process(folder, settings(folder, port)) as relay:
        await before.until(lines[KILLED_AT])
        await relay.stop(signal.SIGKILL)
        async with asyncio.timeout(10):
            while not all(connection.is_closing() for connection in before.connections):
                await asyncio.sleep(0)
    assert lines[-1] not in bytes(before.received), "killed in the middle"
    async with serving(after, port), relay_process(folder, settings(folder, port)):
        await after.until(lines[-1])
    first, second = (bytes(server.received).splitlines(keepends=True) for server in (before, after))
    assert set(first) | set(second) >= set(lines)
    assert second == lines[len(lines) - len(second) :], "from where the killed one was, in order"
    assert len(second) < len(lines)
    assert after.first_s is not None
    assert after.last_s - after.first_s >= after.paced_at_least_s() / 2 > 0.3
