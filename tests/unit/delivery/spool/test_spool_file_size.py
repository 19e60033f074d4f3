"""What a backlog leaves behind once it is delivered: a short file, and few writes on the way there."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmlens.clock import SystemClock
from slurmlens.delivery.batches import Batch, Stream
from slurmlens.delivery.spool import Disk, Spool, SpoolLimits
from slurmlens.delivery.spool.store import Row, SpoolChange, SpoolStore
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter

ROWS = 200
PAYLOAD = b"x" * 20_000
LIMITS = SpoolLimits(
    max_bytes=1 << 24, max_age_s=3600, memory_bytes=1 << 18, metrics_memory_bytes=1 << 13, logs_memory_bytes=1 << 13
)


def test_a_file_that_held_a_backlog_becomes_short_when_the_last_of_it_has_left(tmp_path: Path) -> None:
    store = SpoolStore(tmp_path / "spool.sqlite")
    rows = [Row(position, 1, 1, "boot", 1, PAYLOAD) for position in range(1, ROWS + 1)]
    store.apply(SpoolChange(rows={Stream.METRICS: rows}))
    store.apply(SpoolChange(gone_upto={Stream.METRICS: ROWS - 20}))
    store.give_back_space()
    store.apply(SpoolChange(gone_upto={Stream.METRICS: ROWS - 1}))
    store.give_back_space()
    assert store.path.stat().st_size < 5 * len(PAYLOAD)
    assert [row.position for row in store.read(Stream.METRICS, 1, ROWS)] == [ROWS]
    store.close()


async def test_points_that_are_delivered_in_a_row_are_deleted_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SystemClock()
    reporter = Reporter(Counters(), clock)
    disk = Disk(tmp_path, clock, reporter)
    spool = Spool({"carbon": Stream.METRICS}, LIMITS, disk, "boot", clock, reporter)
    await spool.open()
    for _ in range(20):
        await spool.append(Batch(Stream.METRICS, PAYLOAD[:4000], 1, clock.monotonic_ns()))
        await spool.retry()
    changes: list[SpoolChange] = []
    apply = disk.apply

    async def noted(change: SpoolChange) -> None:
        changes.append(change)
        await apply(change)

    monkeypatch.setattr(disk, "apply", noted)
    for _ in range(20):
        entries = await spool.read("carbon", 1)
        await spool.acknowledge("carbon", entries[-1].position)
    await spool.close()
    assert spool.backlog("carbon").batches == 0
    assert changes[-1].cursors == {"carbon": 20}
    assert len(changes) < 10
