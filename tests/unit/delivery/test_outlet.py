"""The outlet closes batches in time, and writes the fields of 2015 where the settings want them and nowhere else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from slurmlens.clock import SystemClock
from slurmlens.config.node import BatchConfig
from slurmlens.delivery.batches import Batch
from slurmlens.delivery.outlet import Outlet
from testkit.event_samples import one_of_each
from testkit.manual_clock import ManualClock


class Taken:
    """The part of a queue that an outlet uses."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self._taken = asyncio.Condition()

    async def append(self, batch: Batch) -> None:
        async with self._taken:
            self.batches.append(batch)
            self._taken.notify_all()

    async def until(self, count: int) -> None:
        """Wait until so many batches have come."""
        async with asyncio.timeout(10), self._taken:
            await self._taken.wait_for(lambda: len(self.batches) >= count)


@pytest.mark.parametrize("wanted", [False, True])
async def test_the_fields_of_2015_are_a_switch(clock: ManualClock, wanted: bool) -> None:
    queue = Taken()
    outlet = Outlet(BatchConfig(), queue, clock, with_fields_2015=wanted)  # type: ignore[arg-type]
    for event in one_of_each():
        await outlet.event(event)
    await outlet.flush()
    lines = b"".join(batch.payload for batch in queue.batches).splitlines()
    assert len(lines) == len(one_of_each())
    assert [json.loads(line).get("slurm_jobid") for line in lines].count("17") == (2 if wanted else 0)


LINE = b"slurm.demo.nodes.n0.node.load_1m 1 1795347260\n"


@pytest.fixture
async def running() -> AsyncIterator[tuple[Outlet, Taken]]:
    """An outlet that keeps a line for a moment at most; two lines are a full batch."""
    queue = Taken()
    config = BatchConfig(metric_linger_s=0.05, metric_max_bytes=2 * len(LINE))
    outlet = Outlet(config, queue, SystemClock())  # type: ignore[arg-type]
    task = asyncio.create_task(outlet.run())
    yield outlet, queue
    task.cancel()


async def test_a_line_leaves_by_itself_when_its_linger_is_over(running: tuple[Outlet, Taken]) -> None:
    outlet, queue = running
    for number in range(1, 4):
        await outlet.points(LINE, 1)
        await queue.until(number)
    assert [batch.count for batch in queue.batches] == [1, 1, 1]


async def test_what_did_not_fit_into_a_full_batch_leaves_by_itself_too(running: tuple[Outlet, Taken]) -> None:
    outlet, queue = running
    await outlet.points(LINE, 1)
    await outlet.points(2 * LINE, 2)
    await outlet.points(LINE, 1)
    await queue.until(3)
    assert b"".join(batch.payload for batch in queue.batches) == 4 * LINE
