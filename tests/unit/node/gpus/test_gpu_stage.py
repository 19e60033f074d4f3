"""GPUs of a made-up machine, read by the real probe from the fake NVML, joined with jobs by their cgroups."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest

from slurmlens.config.collectors import GpusConfig
from slurmlens.events import Place
from slurmlens.node.gpus.stage import GPUS_HANG, GPUS_UNREAD, GpuJob, GpuStage
from slurmlens.node.probe.process import ProbeProcess
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.imaginary_gpus import ImaginaryGpus, build, gpu
from testkit.manual_clock import ManualClock

MEMBERS = {"0::/job_17\n": (17, "0"), "0::/job_18\n": (18, "batch")}


@pytest.fixture(scope="session")
def nvml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("pynvml", reason="the extra `nvidia` is not installed")
    return build(tmp_path_factory.mktemp("nvml"))


class GpuSite:
    """A machine with two GPUs, and the stage on a clock turned by hand."""

    def __init__(self, root: Path, clock: ManualClock, timeout_s: float = 20.0) -> None:
        self.root = root
        self.clock = clock
        self.lines: list[str] = []
        self.jobs = [GpuJob("s17", 17, "0"), GpuJob("s18", 18)]
        self.counters = Counters()
        self.file("proc/driver/nvidia/version", "NVRM version: none\n")
        self.file("proc/1700/cgroup", "0::/job_17\n")
        self.file("proc/1800/cgroup", "0::/job_18\n")
        reporter = Reporter(self.counters, clock, logging.getLogger("slurmlens.test"))
        self.probe = ProbeProcess(clock)
        self.stage = GpuStage(
            GpusConfig(timeout_s=timeout_s),
            Place("demo", "n0", "boot"),
            root,
            self.probe,
            lambda: self.jobs,
            MEMBERS.get,
            self._points,
            reporter,
            clock,
            sleep=self._sleep,
        )

    async def look(self, times: int = 1) -> None:
        """So many readings."""
        self._left = times
        self._done = asyncio.Event()
        task = asyncio.create_task(self.stage.run())
        done = asyncio.create_task(self._done.wait())
        await asyncio.wait([task, done], timeout=60, return_when=asyncio.FIRST_COMPLETED)
        for one in (task, done):
            one.cancel()
        results = await asyncio.gather(task, done, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError | bool) for one in results), results

    async def _points(self, payload: bytes, count: int) -> None:
        self.lines = payload.decode().splitlines()
        assert len(self.lines) == count

    async def _sleep(self, seconds: float) -> None:
        if self._left == 0:
            self._done.set()
            await asyncio.Event().wait()
        self._left -= 1
        self.clock.advance(seconds)

    def file(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)


@pytest.fixture
def imaginary(nvml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImaginaryGpus:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(nvml))
    monkeypatch.setenv("FAKE_NVML", str(tmp_path / "gpus"))
    return ImaginaryGpus(tmp_path / "gpus")


async def test_gpus_are_joined_with_jobs_by_slurms_numbers_and_by_cgroups(
    imaginary: ImaginaryGpus, tmp_path: Path, clock: ManualClock
) -> None:
    imaginary.tell(gpu(0), gpu(1, busy=80, used=50), "process 1 1800 50", "process 1 1700 1", "process 1 99 1")
    site = GpuSite(tmp_path, clock)
    await site.look(3)
    states, holdings = site.stage.told()
    assert {one.uuid: one.outsiders for one in states} == {"GPU-0": (), "GPU-1": (17,)}
    assert {(one.job_id, one.uuid): one.by for one in holdings} == {
        (17, "GPU-0"): "hook",
        (18, "GPU-1"): "processes",
    }
    idle = next(one for one in holdings if one.job_id == 17)
    assert (idle.idle_s, idle.seen_s, idle.processes) == (20.0, 20.0, 0)
    assert "slurm.demo.nodes.n0.system.gpu.GPU-1.utilisation_ratio 0.8" in [
        line.rsplit(" ", 1)[0] for line in site.lines
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another user")
async def test_a_process_of_no_job_is_told_by_its_user_alone(
    imaginary: ImaginaryGpus, tmp_path: Path, clock: ManualClock
) -> None:
    imaginary.tell(gpu(0), gpu(1, busy=80, used=50), "process 1 1900 50", "process 1 1700 1", "process 0 1901 1")
    site = GpuSite(tmp_path, clock)
    for pid in (1900, 1901):
        site.file(f"proc/{pid}/cgroup", "0::/user.slice/user-1000.slice/session-4.scope\n")
    os.chown(tmp_path / "proc" / "1900", 1000, 1000)
    os.chown(tmp_path / "proc" / "1901", 0, 0)
    await site.look(2)
    states, _ = site.stage.told()
    assert {one.uuid: one.strangers for one in states} == {"GPU-0": (), "GPU-1": (1000,)}


async def test_a_devices_cgroup_comes_before_slurms_numbers(
    imaginary: ImaginaryGpus, tmp_path: Path, clock: ManualClock
) -> None:
    imaginary.tell(gpu(0), gpu(1))
    site = GpuSite(tmp_path, clock)
    site.file("proc/mounts", "cgroup /sys/fs/cgroup/devices cgroup rw,devices 0 0\n")
    site.file("sys/fs/cgroup/devices/slurm/uid_1/job_17/devices.list", "c 195:1 rwm\n")
    await site.look(1)
    _, holdings = site.stage.told()
    assert {(one.job_id, one.uuid): one.by for one in holdings} == {(17, "GPU-1"): "cgroup"}


async def test_gpus_that_hang_are_told_as_such_and_come_back(
    imaginary: ImaginaryGpus, tmp_path: Path, clock: ManualClock
) -> None:
    imaginary.tell(gpu(0), gpu(1))
    site = GpuSite(tmp_path, clock, timeout_s=3.0)
    await site.look(1)
    imaginary.tell(gpu(0), gpu(1), "hang nvmlDeviceGetPowerUsage")
    await site.look(1)
    assert [one.problem for one in site.stage.told()[0]] == ["hangs", "hangs"]
    assert site.counters.snapshot()[f"{GPUS_HANG.name}_total"] == 1
    imaginary.tell(gpu(0), gpu(1))
    await site.look(1)
    assert [one.problem for one in site.stage.told()[0]] == ["", ""]


async def test_a_probe_that_dies_each_time_leaves_no_old_figures_and_is_reported(
    imaginary: ImaginaryGpus, tmp_path: Path, clock: ManualClock
) -> None:
    imaginary.tell(gpu(0), gpu(1))
    site = GpuSite(tmp_path, clock)
    await site.look(1)
    site.probe.kill()
    site.probe._program = ("/bin/false",)
    await site.look(3)
    states, _ = site.stage.told()
    assert [(one.uuid, one.problem, one.utilisation_ratio) for one in states] == [
        ("GPU-0", "not read", None),
        ("GPU-1", "not read", None),
    ]
    assert site.counters.snapshot()[f"{GPUS_UNREAD.name}_total"] == 3


async def test_without_a_driver_no_process_is_started(tmp_path: Path, clock: ManualClock) -> None:
    site = GpuSite(tmp_path, clock)
    (tmp_path / "proc/driver/nvidia/version").unlink()
    await site.look(2)
    assert site.probe.pid is None
    assert site.stage.told() == ((), ())
