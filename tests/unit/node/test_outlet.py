"""The outlet writes the fields of 2015 where the settings want them, and nowhere else."""

from __future__ import annotations

import json

import pytest

from slurmlens.config.node import BatchConfig
from slurmlens.node.flow import Batch
from slurmlens.node.outlet import Outlet
from testkit.event_samples import one_of_each
from testkit.manual_clock import ManualClock


class Taken:
    """The part of a queue that an outlet uses."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    async def append(self, batch: Batch) -> None:
        self.batches.append(batch)


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
