"""A node's software is told by a real probe: at first, after a change, once a day; what fails spoils only itself."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path

import pytest

from slurmlens.config.software import SoftwareConfig
from slurmlens.events import NodeSoftware, Package, Place
from slurmlens.node.probe.process import ProbeProcess
from slurmlens.node.software import dpkg
from slurmlens.node.software.stage import SoftwareStage
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from slurmlens.wire.event_values import check_values
from testkit.manual_clock import ManualClock

STANZA = "Package: {}\nStatus: install ok installed\nArchitecture: all\nVersion: {}\n\n"


class Node:
    """A stage on a made-up machine and a clock that its own sleeping turns; ends after some checks."""

    def __init__(self, root: Path, clock: ManualClock, **settings: object) -> None:
        self.root = root
        self.clock = clock
        self.told: list[NodeSoftware] = []
        self.counters = Counters()
        self.probe = ProbeProcess(clock)
        config = SoftwareConfig(spack_folders=("/spack",), without=("machine", "python"), **settings)  # type: ignore[arg-type]
        reporter = Reporter(self.counters, clock, logging.getLogger("slurmlens.test"))
        place = Place("demo", "n0", "boot")
        self.stage = SoftwareStage(config, place, root, self.probe, self.tell, reporter, clock, sleep=self.sleep)
        self._left = 0

    async def tell(self, event: NodeSoftware) -> None:
        check_values(event)
        assert ecs.decode(ecs.encode(event)) == event
        self.told.append(event)

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self._left -= 1
        if self._left < 0:
            raise asyncio.CancelledError

    async def checks(self, count: int) -> list[NodeSoftware]:
        """What so many checks told."""
        before, self._left = len(self.told), count
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(30):
                await self.stage.run()
        return self.told[before:]

    def install(self, *packages: tuple[str, str]) -> None:
        path = self.root / dpkg.STATUS
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(STANZA.format(*one) for one in packages))


async def test_software_is_told_at_first_and_after_a_change_and_not_between(tmp_path: Path, clock: ManualClock) -> None:
    node = Node(tmp_path, clock)
    node.install(("a", "1"))
    first = await node.checks(3)
    assert [(one.source, one.packages, one.count) for one in first] == [("dpkg", (Package("a", "1", "all"),), 1)]
    node.install(("a", "1"), ("b", "2"))
    (second,) = await node.checks(1)
    assert [one.name for one in second.packages] == ["a", "b"]
    assert second.id != first[0].id
    assert node.probe.pid is None, "the probe is there for a check alone"


async def test_once_a_day_it_is_told_again(tmp_path: Path, clock: ManualClock) -> None:
    node = Node(tmp_path, clock, check_interval_s=43_200.0)
    node.install(("a", "1"))
    assert len(await node.checks(5)) == 3


async def test_a_source_that_went_away_is_told_to_be_empty(tmp_path: Path, clock: ManualClock) -> None:
    node = Node(tmp_path, clock)
    node.install(("a", "1"))
    await node.checks(1)
    (tmp_path / dpkg.STATUS).unlink()
    assert [(one.packages, one.problem) for one in await node.checks(2)] == [((), "")]


async def test_a_source_that_cannot_be_read_says_so_and_the_others_are_told(tmp_path: Path, clock: ManualClock) -> None:
    node = Node(tmp_path, clock)
    node.install(("a", "1"))
    index = tmp_path / "spack/.spack-db/index.json"
    index.parent.mkdir(parents=True)
    index.write_text("{")
    told = {one.source: one.problem for one in await node.checks(1)}
    assert told["dpkg"] == ""
    assert "no index of Spack" in told["spack"]
    assert node.counters.snapshot()['software_unread_total{source="spack"}'] == 1
    index.write_text(json.dumps({"database": {"installs": {}}}))
    assert [one.problem for one in await node.checks(1)] == [""]


async def test_a_source_that_hangs_is_ended_and_the_others_are_told(tmp_path: Path, clock: ManualClock) -> None:
    node = Node(tmp_path, clock, timeout_s=1.0)
    node.install(("a", "1"))
    (tmp_path / "spack/.spack-db").mkdir(parents=True)
    os.mkfifo(tmp_path / "spack/.spack-db/index.json")  # as a file system whose server is silent
    assert [one.source for one in await node.checks(1)] == ["dpkg"]
    assert node.counters.snapshot()['software_unread_total{source="spack"}'] == 1


async def test_a_silenced_node_looks_at_nothing(tmp_path: Path, clock: ManualClock) -> None:
    node = Node(tmp_path, clock)
    node.install(("a", "1"))
    node.stage.is_silent = True
    assert await node.checks(2) == []
