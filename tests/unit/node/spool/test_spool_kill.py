"""A kill, or an error, at every system call by which the spool changes its disk: what was told to be safe stays.

strace kills the program as it enters its Nth call of one kind; then the files are opened as the next daemon does.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from slurmlens.node.flow import Stream
from testkit.spools import SINKS, SpoolSetup, take_all

ROOT = Path(__file__).parents[4]
SCENARIO = Path(__file__).with_name("programs") / "fixed_scenario.py"
CALLS = ("write", "pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "unlink", "mkdir")
DISK_CALLS = ("pwrite64", "fsync", "fdatasync", "ftruncate")
SHORT_STEP = 47
"""The short sweep dies at every so manieth call; the slow one at every single one."""

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="no strace (Debian: strace)")


@dataclass
class Told:
    """What the program said before it died."""

    offered: list[str] = field(default_factory=list)
    safe: set[str] = field(default_factory=set)
    taken: dict[str, set[str]] = field(default_factory=lambda: {sink: set() for sink in SINKS})

    @classmethod
    def read(cls, output: str) -> Told:
        told = cls()
        for line in output.splitlines():
            what, name = line.split()
            if what == "offered":
                told.offered.append(name)
            elif what == "safe":
                told.safe.add(name)
            else:
                told.taken[what].add(name)
        return told

    def then(self, later: Told) -> Told:
        taken = {sink: self.taken[sink] | later.taken[sink] for sink in SINKS}
        return Told(self.offered + later.offered, self.safe | later.safe, taken)


def scenario(folder: Path, life: str, *tracer: str) -> tuple[int, Told]:
    """Exit status and what was told."""
    done = subprocess.run(
        [*tracer, sys.executable, "-B", str(SCENARIO), str(folder), life],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=60,
    )  # fmt: skip
    assert done.returncode in (0, -9, 137), done.stderr
    return done.returncode, Told.read(done.stdout)


def strace(call: str, *options: str) -> list[str]:
    """Without --seccomp-bpf: with it strace 6.1 does not inject."""
    return ["strace", "-f", "-qqq", "-e", f"trace={call}", "-e", "signal=none", *options]


async def judge(folder: Path, told: Told) -> None:
    """Every event told to be safe is there once for each sink that has not had it; nothing is there that was not
    offered; the order is that of the offers.
    """
    setup = SpoolSetup(folder, boot_id="boot")
    spool = await setup.opened()
    for sink, stream in SINKS.items():
        found = [payload.partition(b":")[0].decode() for payload in await take_all(spool, sink)]
        assert len(found) == len(set(found)), f"{sink} was given something twice: {found}"
        assert found == [name for name in told.offered if name in set(found)], f"{sink}: unknown, or out of order"
        kind = "e" if stream is Stream.EVENTS else "m"
        missing = {name for name in told.safe if name.startswith(kind)} - told.taken[sink] - set(found)
        assert not missing, f"{sink} never gets {missing}"
    await spool.append(setup.batch(b"afterwards"))
    assert await take_all(spool, "hub") == [b"afterwards"]
    assert setup.counted("spool_failed") == setup.counted("queue_dropped_lines") == 0
    await spool.close()


def begin_empty(folder: Path) -> Told:
    folder.mkdir()
    return Told()


def begin_with_an_earlier_life(folder: Path) -> Told:
    status, told = scenario(folder, "1")
    assert status == 0
    assert told.offered
    return told


def begin_with_a_broken_file(folder: Path) -> Told:
    folder.mkdir()
    (folder / "spool.sqlite").write_bytes(b"no database\n" * 1000)
    (folder / "spool.sqlite-wal").write_bytes(b"no log either\n")
    return Told()


def places(begun: Path) -> Iterator[tuple[str, int]]:
    """Every call of every kind that the scenario makes, as a run without a kill shows it."""
    trace, folder = begun.with_name("trace"), begun.with_name("whole")
    shutil.copytree(begun, folder)
    scenario(folder, "2", *strace(",".join(CALLS), "-o", str(trace)))
    seen = [line.split()[1].partition("(")[0] for line in trace.read_text().splitlines()]
    for call in CALLS:
        yield from ((call, number) for number in range(1, seen.count(call) + 1))


async def sweep(tmp_path: Path, begin: Callable[[Path], Told], first: int, step: int) -> int:
    begun = tmp_path / "begun"
    before, killed = begin(begun), 0
    for call, number in list(places(begun))[first::step]:
        folder = tmp_path / f"{call}-{number}"
        shutil.copytree(begun, folder)
        inject = ("-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={number}")
        status, told = scenario(folder, "2", *strace(call, *inject))
        killed += status != 0
        try:
            await judge(folder, before.then(told))
        except AssertionError as error:
            raise AssertionError(f"killed at {call} number {number}: {error}") from error
        shutil.rmtree(folder)
    return killed


async def fault_sweep(tmp_path: Path, fault: str, step: int) -> int:
    """As `sweep`, with a call that fails once instead of a kill: the program goes on."""
    begun = tmp_path / "begun"
    before, runs = begin_with_an_earlier_life(begun), 0
    for call, number in [place for place in places(begun) if place[0] in DISK_CALLS][::step]:
        folder = tmp_path / f"{call}-{number}"
        shutil.copytree(begun, folder)
        inject = ("-o", "/dev/null", "-e", f"inject={call}:error={fault}:when={number}")
        status, told = scenario(folder, "2", *strace(call, *inject))
        assert status == 0
        try:
            await judge(folder, before.then(told))
        except AssertionError as error:
            raise AssertionError(f"{fault} at {call} number {number}: {error}") from error
        shutil.rmtree(folder)
        runs += 1
    return runs


BEGINNINGS = pytest.mark.parametrize("begin", [begin_empty, begin_with_an_earlier_life, begin_with_a_broken_file])


@BEGINNINGS
async def test_a_kill_at_some_system_calls_loses_nothing(tmp_path: Path, begin: Callable[[Path], Told]) -> None:
    assert await sweep(tmp_path, begin, 20, SHORT_STEP) >= 3


@pytest.mark.slow
@BEGINNINGS
async def test_a_kill_at_every_system_call_loses_nothing(tmp_path: Path, begin: Callable[[Path], Told]) -> None:
    assert await sweep(tmp_path, begin, 0, 1) >= 100


@pytest.mark.parametrize("fault", ["ENOSPC", "EIO"])
async def test_an_error_of_some_system_calls_loses_nothing(tmp_path: Path, fault: str) -> None:
    assert await fault_sweep(tmp_path, fault, SHORT_STEP) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["ENOSPC", "EIO"])
async def test_an_error_of_every_system_call_loses_nothing(tmp_path: Path, fault: str) -> None:
    assert await fault_sweep(tmp_path, fault, 1) >= 100
