"""The node's series of 2015, made of this machine's own processes and interfaces."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from slurmlens.config.series_2015 import NodeSeries2015Config
from slurmlens.node.series_2015 import LEFT_OUT, Census, Series2015
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire.series_2015 import PROGRAM_FIGURES
from testkit.manual_clock import ManualClock

NS_PER_S = 1_000_000_000
SPIN = "while True: pass"


class Site:
    """The stage on a clock turned by hand; `lines` is what carbon was given last."""

    def __init__(self, clock: ManualClock, config: NodeSeries2015Config) -> None:
        self.clock = clock
        self.counters = Counters()
        self.rounds: list[list[str]] = []
        self.enough = asyncio.Event()
        reporter = Reporter(self.counters, clock, logging.getLogger("slurmlens.test"))
        self.series = Series2015(config, "n0.example", self.points, reporter, clock, sleep=self.sleep)

    async def points(self, payload: bytes, count: int) -> None:
        self.rounds.append(payload.decode().splitlines())
        assert len(self.rounds[-1]) == count
        if len(self.rounds) == 2:
            self.enough.set()
            await asyncio.Event().wait()

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)


@asynccontextmanager
async def spinning(script: Path) -> AsyncIterator[int]:
    """A program that runs without end; yields its process id."""
    script.write_text(SPIN)
    process = await asyncio.create_subprocess_exec(sys.executable, str(script))
    try:
        yield process.pid
    finally:
        process.kill()
        await process.wait()


async def test_points_come_at_whole_intervals_and_rates_from_the_second_on(clock: ManualClock) -> None:
    clock.advance(3.3)
    site = Site(clock, NodeSeries2015Config())
    working = asyncio.create_task(site.series.run())
    await site.enough.wait()
    working.cancel()
    first, second = site.rounds
    assert not [line for line in first if line.startswith("servers.")]
    assert [line for line in first if line.startswith("psutil.compute.n0_example.state.sleeping ")]
    (switches,) = [line for line in second if line.startswith("servers.n0_example.proc.ctxt ")]
    assert clock.wall_ns() % (10 * NS_PER_S) == 0
    assert switches.endswith(f" {clock.wall_ns() // NS_PER_S}")
    there = {name for name in psutil.net_io_counters(pernic=True) if name != "lo"}
    received = {line.split(".")[3] for line in second if ".rx_byte " in line}
    assert len(received) == len(there)


async def test_a_rate_is_the_growth_a_second(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(clock, NodeSeries2015Config())
    total = iter((1000, 1500, 100))
    kind = type(psutil.cpu_stats())
    monkeypatch.setattr(psutil, "cpu_stats", lambda: kind(next(total), 0, 0, 0))
    monkeypatch.setattr(psutil, "net_io_counters", lambda pernic: {})
    assert list(site.series.rates(10 * NS_PER_S)) == []
    assert list(site.series.rates(20 * NS_PER_S)) == [(("servers", "n0.example", "proc", "ctxt"), 50.0)]
    # The counter began anew: no growth is known, and none is made up.
    assert list(site.series.rates(30 * NS_PER_S)) == [(("servers", "n0.example", "proc", "ctxt"), 0.0)]


async def test_a_running_program_of_python_has_its_scripts_name(tmp_path: Path) -> None:
    user = psutil.Process().username()
    async with spinning(tmp_path / "solve.py") as pid:
        while psutil.Process(pid).status() != psutil.STATUS_RUNNING or not psutil.Process(pid).cmdline():
            await asyncio.sleep(0)
        census = Census.taken()
    assert census.programs[user, "solve"].keys() == set(PROGRAM_FIGURES)
    assert census.programs[user, "solve"]["num_threads"] == 1
    assert sum(census.states.values()) > 1
    assert "root" not in census.users


async def test_processes_of_one_program_are_added_up(tmp_path: Path) -> None:
    user = psutil.Process().username()
    async with spinning(tmp_path / "solve.py") as one, spinning(tmp_path / "solve.py") as other:
        for pid in (one, other):
            while psutil.Process(pid).status() != psutil.STATUS_RUNNING or not psutil.Process(pid).cmdline():
                await asyncio.sleep(0)
        census = Census.taken()
    assert census.programs[user, "solve"]["num_threads"] == 2


async def test_whoever_looks_is_not_among_what_runs(tmp_path: Path) -> None:
    script = tmp_path / "looker.py"
    script.write_text(
        "from slurmlens.node.series_2015 import Census\n"
        "print('looker' in {name for _, name in Census.taken().programs})"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), env={"PYTHONPATH": os.pathsep.join(sys.path)}, stdout=asyncio.subprocess.PIPE
    )
    assert (await process.communicate())[0] == b"False\n"


async def test_programs_beyond_the_bound_get_no_series_and_are_counted(clock: ManualClock) -> None:
    site = Site(clock, NodeSeries2015Config(programs=2))
    programs = {("alice", f"p{number}"): {"num_threads": 1.0} for number in range(3)}
    census = Census(Counter({"alice": 3}), Counter(), programs)
    for _ in range(2):
        names = [path for path, _ in site.series.counts(census)]
        assert [path[4] for path in names if path[3] == "alice"] == ["p0", "p1"]
    assert site.counters.snapshot()[f"{LEFT_OUT.name}_total"] == 2
