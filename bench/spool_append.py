"""Spool: what an event costs on its way to the disk, against the barest file that is as safe.

Both take batches of 500-byte events, as the batcher forms them in a burst of hooks, and are done when the disk has
them. The reference appends a length, a checksum and the payload to a file and calls fdatasync, once a batch, in this
thread, and keeps no order, cursors or bounds. CPU time of the whole process, threads included; waiting for the disk
is not in it. The bar is absolute: the file format was chosen for keeping other people's data, not for its price.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import struct
import time
import zlib
from pathlib import Path

from bench.result import Goal, Result, Row, interleave
from bench.setting import Setting
from slurmlens.clock import SystemClock
from slurmlens.delivery.batches import Batch, Stream
from slurmlens.delivery.spool import Disk, Spool, SpoolLimits
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter

ROWS = (
    Row(
        "SPOOL",
        "spool append with group commit, per 500-byte event",
        Goal(5.0),
        Goal(3.0),
        "a segment file: one write and one fdatasync a batch",
        unit=" µs CPU",
    ),
)
EVENT = b'{"@timestamp":"2026-11-23T08:00:00.000Z","event":{"action":"job-start"}}'.ljust(499, b".") + b"\n"
EVENTS_A_BATCH = 256
BATCHES = 40
LIMITS = SpoolLimits(
    max_bytes=64 * 1024 * 1024,
    max_age_s=86_400,
    memory_bytes=16 * 1024 * 1024,
    metrics_memory_bytes=4 * 1024 * 1024,
    logs_memory_bytes=4 * 1024 * 1024,
)


def measure(setting: Setting) -> list[Result]:
    folder, rounds = setting.new_folder(), setting.choose(21, 5)
    full = EVENT * EVENTS_A_BATCH
    pairs = interleave(
        lambda: asyncio.run(_spool(folder / f"spool{time.monotonic_ns()}", full, EVENTS_A_BATCH, BATCHES)),
        lambda: _segment(folder / f"segment{time.monotonic_ns()}", full, EVENTS_A_BATCH, BATCHES),
        rounds,
    )
    ours, reference = statistics.median(pairs.ours), statistics.median(pairs.reference)
    note = f"{ours:.2f} µs against {reference:.2f} µs ({pairs.ratio:.1f} times), {EVENTS_A_BATCH} events a commit"
    return [ROWS[0].measured(ours, note)]


async def _spool(folder: Path, payload: bytes, events: int, batches: int) -> float:
    """CPU microseconds per event; the spool is opened before and closed after the measurement."""
    clock = SystemClock()
    reporter = Reporter(Counters(), clock)
    spool = Spool({"hub": Stream.EVENTS}, LIMITS, Disk(folder, clock, reporter), "boot", clock, reporter)
    await spool.open()
    safe: list[int] = []

    async def append() -> None:
        await spool.append(Batch(Stream.EVENTS, payload, events, time.monotonic_ns(), (lambda: safe.append(events),)))

    await append()  # makes pages and the log
    before_ns = time.process_time_ns()
    for _ in range(batches):
        await append()
    spent_ns = time.process_time_ns() - before_ns
    if len(safe) != batches + 1 or spool.state.failure:
        raise RuntimeError(f"{len(safe)} of {batches + 1} batches were committed: {spool.state.failure}")
    await spool.close()
    return spent_ns / 1e3 / (batches * events)


def _segment(path: Path, payload: bytes, events: int, batches: int) -> float:
    """CPU microseconds per event."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        before_ns = time.process_time_ns()
        for _ in range(batches):
            os.write(handle, struct.pack("<II", len(payload), zlib.crc32(payload)) + payload)
            os.fdatasync(handle)
        return (time.process_time_ns() - before_ns) / 1e3 / (batches * events)
    finally:
        os.close(handle)
