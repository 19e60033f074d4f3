"""The loop over the collectors: points to carbon, the state to the hub, and a read that never comes back."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path

import pytest

from slurmlens.config.collectors import CollectorsConfig
from slurmlens.events import MachineState, Place
from slurmlens.node.collectors import stage as stage_module
from slurmlens.node.collectors.files import KeptFiles
from slurmlens.node.collectors.stage import CollectorStage
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire.event_values import check_values
from testkit.machines import unpack
from testkit.manual_clock import ManualClock


class Site:
    """A stage on a clock turned by hand; ends itself after some states."""

    def __init__(self, files: KeptFiles, clock: ManualClock, states: int) -> None:
        self.clock = clock
        self.lines: list[list[str]] = []
        self.states: list[MachineState] = []
        self.enough = asyncio.Event()
        self._wanted = states
        self.counters = Counters()
        reporter = Reporter(self.counters, clock, logging.getLogger("slurmlens.test"))
        place = Place("demo", "n0.example", "boot")
        config = CollectorsConfig(without=("clock",))
        self.stage = CollectorStage(config, place, files, self.points, self.tell, reporter, clock, sleep=self.sleep)

    async def points(self, payload: bytes, count: int) -> None:
        self.lines.append(payload.decode().splitlines())
        assert len(self.lines[-1]) == count

    async def tell(self, state: MachineState) -> None:
        self.states.append(state)
        if len(self.states) == self._wanted:
            self.enough.set()
            await asyncio.Event().wait()

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    async def run(self) -> None:
        task = asyncio.create_task(self.stage.run())
        try:
            async with asyncio.timeout(30):
                enough = asyncio.create_task(self.enough.wait())
                await asyncio.wait([task, enough], return_when=asyncio.FIRST_COMPLETED)
                enough.cancel()
                if task.done():
                    task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_round_makes_points_at_its_aligned_time_and_a_state_for_the_hub(
    tmp_path: Path, clock: ManualClock
) -> None:
    site = Site(KeptFiles(str(unpack("gpu-node", tmp_path))), clock, states=2)
    await site.run()
    begin = "slurm.demo.nodes.n0_example.system."
    assert len({line.rsplit(" ", 1)[1] for line in site.lines[0]}) == 1
    assert int(site.lines[0][0].rsplit(" ", 1)[1]) % 60 == 0
    assert f"{begin}infiniband.mlx5_1-1.link_lanes_count 1" in [line.rsplit(" ", 1)[0] for line in site.lines[1]]
    assert all(line.startswith(begin) for line in site.lines[1])
    state = site.states[1]
    check_values(state, clock.wall_ns())
    told = {(one.name, one.of): one.value for one in state.readings}
    assert told["edac.uncorrected_count", "mc1"] == 1
    assert told["disk.busy_ratio", "nvme0n1"] == 0
    assert not any(name == "disk.reads_per_second" for name, _ in told)
    assert state.id != site.states[0].id
    assert [(one.uid, one.processes, one.memory_bytes) for one in state.outsiders] == [(1000, 12, 524_288_000)]
    assert not any(".sessions.user_" in line for line in site.lines[1])
    assert told["sessions.processes_count", ""] == 12
    assert {one.collector for one in site.stage.status()} >= {"cpu", "disk", "infiniband"}


class HangingFiles(KeptFiles):
    """One file of this machine never comes back until it is let go."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.let_go = threading.Event()

    def text(self, path: str) -> str | None:
        if path == "proc/vmstat":
            self.let_go.wait(60)
        return super().text(path)


async def test_a_read_that_hangs_holds_neither_the_daemon_nor_its_end(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_module, "ROUND_TIMEOUT_S", 0.5)
    files = HangingFiles(str(unpack("gpu-node", tmp_path)))
    site = Site(files, clock, states=2)
    await site.run()
    files.let_go.set()
    assert [(one.collector, one.problem) for one in site.states[1].troubles] == [("vmstat", "hangs")]
    assert site.states[1].readings == ()
    assert site.counters.snapshot()["collector_hangs_total"] == 2


async def test_a_silenced_node_is_not_read(tmp_path: Path, clock: ManualClock) -> None:
    site = Site(KeptFiles(str(unpack("gpu-node", tmp_path))), clock, states=1)
    site.stage.is_silent = True
    task = asyncio.create_task(site.stage.run())
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert site.states == []
    assert site.lines == []
