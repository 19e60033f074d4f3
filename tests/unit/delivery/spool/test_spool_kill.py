"""A kill, or an error, at every system call by which the spool changes its disk: what was told to be safe stays.

strace kills the program as it enters its Nth call of one kind; then the files are opened as the next daemon does. They
lie in memory where the machine has such a folder: of a kill, a disk and a tmpfs keep the same.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from slurmlens.delivery.batches import Stream
from testkit.checkout import ROOT
from testkit.spools import SINKS, SpoolSetup, take_all

SCENARIO = Path(__file__).with_name("programs") / "fixed_scenario.py"
CALLS = ("write", "pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "unlink", "mkdir")
DISK_CALLS = ("pwrite64", "fsync", "fdatasync", "ftruncate")
ATTACH_TIMEOUT_S = 10

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


class Scenarios:
    """The scenario's server (see there), and what is on its way in it."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-B", str(SCENARIO)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def run(self, folder: Path, life: str, *tracer: str) -> tuple[int, Told]:
        """One life, under strace with the options `tracer`; its exit status and what was told."""
        told = folder.with_name("told")
        told.unlink(missing_ok=True)
        self._server.stdin.write(f"{folder} {life} {told}\n")
        self._server.stdin.flush()
        process = int(self._server.stdout.readline())
        strace = self._attach(process, tracer) if tracer else None
        os.kill(process, signal.SIGCONT)
        status = int(self._server.stdout.readline())
        if strace is not None:
            strace.wait(ATTACH_TIMEOUT_S)
        assert status in (0, -signal.SIGKILL), status
        return status, Told.read(told.read_text() if told.exists() else "")

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait(ATTACH_TIMEOUT_S)
        self._server.stdout.close()

    def _attach(self, process: int, tracer: tuple[str, ...]) -> subprocess.Popen[bytes]:
        """The process is stopped, so it makes no call before strace has it. Without --seccomp-bpf: with it strace 6.1
        does not inject.
        """
        command = ["strace", "-f", "-qqq", "-e", "signal=none", *tracer, "-p", str(process)]
        strace = subprocess.Popen(command)
        deadline = time.monotonic() + ATTACH_TIMEOUT_S
        while "TracerPid:\t0\n" in Path(f"/proc/{process}/status").read_text():
            if strace.poll() is not None or time.monotonic() > deadline:
                os.kill(process, signal.SIGKILL)
                raise AssertionError(f"strace did not attach: {strace.returncode}")
            time.sleep(0.0005)
        return strace


@pytest.fixture(scope="module")
def scenarios() -> Iterator[Scenarios]:
    scenarios = Scenarios()
    yield scenarios
    scenarios.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, else a usual one."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="spool-kill-", dir=memory) as folder:
        yield Path(folder)


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


def begin_empty(folder: Path, scenarios: Scenarios) -> Told:
    folder.mkdir()
    return Told()


def begin_with_an_earlier_life(folder: Path, scenarios: Scenarios) -> Told:
    status, told = scenarios.run(folder, "1")
    assert status == 0
    assert told.offered
    return told


def begin_with_a_broken_file(folder: Path, scenarios: Scenarios) -> Told:
    folder.mkdir()
    (folder / "spool.sqlite").write_bytes(b"no database\n" * 1000)
    (folder / "spool.sqlite-wal").write_bytes(b"no log either\n")
    return Told()


def calls(begun: Path, scenarios: Scenarios) -> Iterator[tuple[str, int]]:
    """Every call of every kind that the scenario makes, as a run without a kill shows it."""
    trace, folder = begun.with_name("trace"), begun.with_name("whole")
    shutil.copytree(begun, folder)
    scenarios.run(folder, "2", "-e", f"trace={','.join(CALLS)}", "-o", str(trace))
    seen = [line.split()[1].partition("(")[0] for line in trace.read_text().splitlines()]
    for call in CALLS:
        yield from ((call, number) for number in range(1, seen.count(call) + 1))


async def one_run(begun: Path, before: Told, scenarios: Scenarios, call: str, number: int, injected: str) -> int:
    """The scenario with something injected at one call, then the judge; returns the exit status."""
    folder = begun.with_name("run")
    shutil.copytree(begun, folder)
    inject = ("-e", f"trace={call}", "-o", "/dev/null", "-e", f"inject={call}:{injected}:when={number}")
    status, told = scenarios.run(folder, "2", *inject)
    try:
        await judge(folder, before.then(told))
    except AssertionError as error:
        raise AssertionError(f"{injected} at {call} number {number}: {error}") from error
    shutil.rmtree(folder)
    return status


Begin = Callable[[Path, Scenarios], Told]


@pytest.mark.thorough
@pytest.mark.parametrize("begin", [begin_empty, begin_with_an_earlier_life, begin_with_a_broken_file])
async def test_a_kill_at_every_system_call_loses_nothing(place: Path, scenarios: Scenarios, begin: Begin) -> None:
    begun = place / "begun"
    before, killed = begin(begun, scenarios), 0
    for call, number in list(calls(begun, scenarios)):
        killed += await one_run(begun, before, scenarios, call, number, "signal=KILL") != 0
    assert killed >= 100


@pytest.mark.thorough
@pytest.mark.parametrize("fault", ["ENOSPC", "EIO"])
async def test_an_error_of_every_system_call_loses_nothing(place: Path, scenarios: Scenarios, fault: str) -> None:
    """A call that fails once instead of a kill: the program goes on."""
    begun = place / "begun"
    before, runs = begin_with_an_earlier_life(begun, scenarios), 0
    for call, number in [one for one in calls(begun, scenarios) if one[0] in DISK_CALLS]:
        assert await one_run(begun, before, scenarios, call, number, f"error={fault}") == 0
        runs += 1
    assert runs >= 100
