"""`slurmlens-probe` as a process: GPUs by the fake NVML with every error, file systems, and whatever hangs in it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from slurmlens.node.collectors.files import FileSystemSpace
from slurmlens.node.gpus.reading import readings_of
from slurmlens.node.probe import amd
from slurmlens.node.probe.process import MOST_DYING, ProbeProcess
from slurmlens.node.remote_spaces import RemoteSpaces
from testkit.imaginary_gpus import ImaginaryGpus, build, gpu
from testkit.manual_clock import ManualClock
from testkit.waiting import until

TIMEOUT_S = 20.0

ERRORS = (1, 2, 3, 4, 6, 9, 12, 15, 16, 17, 18, 999)
"""nvmlReturn_t: uninitialised, invalid, not supported, no permission, … GPU lost, reset required, unknown."""

FUNCTIONS = (
    "nvmlDeviceGetUtilizationRates",
    "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetPowerUsage",
    "nvmlDeviceGetTemperature",
    "nvmlDeviceGetTotalEccErrors",
    "nvmlDeviceGetMigMode",
    "nvmlDeviceGetPciInfo_v3",
    "nvmlDeviceGetMinorNumber",
    "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetNvLinkState",
    "nvmlEventSetWait_v2",
    "nvmlDeviceGetCurrentClocksThrottleReasons",
)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("pynvml", reason="the extra `nvidia` is not installed")
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def gpus(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImaginaryGpus:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(library))
    monkeypatch.setenv("FAKE_NVML", str(tmp_path / "gpus"))
    return ImaginaryGpus(tmp_path / "gpus")


@pytest_asyncio.fixture
async def probe(clock: ManualClock) -> AsyncIterator[ProbeProcess]:
    one = ProbeProcess(clock)
    yield one
    one.kill()


async def told(probe: ProbeProcess, root: Path) -> list[dict[str, Any]]:
    answer = await probe.ask("gpus", str(root), TIMEOUT_S)
    assert isinstance(answer, list)
    return answer


async def test_a_gpu_is_told_by_uuid_and_address_with_all_its_figures(
    gpus: ImaginaryGpus, probe: ProbeProcess, tmp_path: Path
) -> None:
    gpus.tell(gpu(0, busy=75, used=1000, throttles=0x41, corrected=3), gpu(1), "process 0 4711 900", "xid 1 79")
    first, second = await told(probe, tmp_path)
    assert (first["uuid"], first["pci"], first["minor"]) == ("GPU-0", "0000:01:00.0", 0)
    assert (first["utilisation_ratio"], first["memory_used_bytes"], first["processes"]) == (0.75, 1000, [[4711, 900]])
    assert first["throttles"] == ["heat (hardware)"]
    assert (first["ecc_corrected_count"], first["nvlink_errors_count"]) == (3, 2)
    assert (second["xid"], second["xids"]) == (79, 1)
    readings, odd = readings_of([first, second])
    assert (len(readings), odd) == (2, 0)


async def test_every_error_of_every_function_costs_its_own_figure_alone(
    gpus: ImaginaryGpus, probe: ProbeProcess, tmp_path: Path
) -> None:
    for function in FUNCTIONS:
        for code in ERRORS:
            gpus.tell(gpu(0, busy=10, used=5), gpu(1), f"fail {function} {code}")
            answer = await told(probe, tmp_path)
            assert [one["uuid"] for one in answer] == ["GPU-0", "GPU-1"], (function, code)
            readings, odd = readings_of(answer)
            assert odd == 0, (function, code)
            assert all(one.state.problem == "" for one in readings), (function, code)


async def test_a_gpu_that_falls_off_the_bus_is_still_told_and_comes_back(
    gpus: ImaginaryGpus, probe: ProbeProcess, tmp_path: Path
) -> None:
    gpus.tell(gpu(0), gpu(1))
    await told(probe, tmp_path)
    gpus.tell(gpu(0), gpu(1), "lost 1")
    assert [(one["uuid"], one["problem"]) for one in await told(probe, tmp_path)] == [("GPU-0", ""), ("GPU-1", "gone")]
    gpus.tell(gpu(0), gpu(1))
    assert [one["problem"] for one in await told(probe, tmp_path)] == ["", ""]


async def test_a_driver_that_is_loaded_again_is_opened_again(
    gpus: ImaginaryGpus, probe: ProbeProcess, tmp_path: Path
) -> None:
    gpus.tell(gpu(0))
    await told(probe, tmp_path)
    gpus.tell(gpu(0), "fail nvmlDeviceGetCount_v2 1")
    assert [one["problem"] for one in await told(probe, tmp_path)] == ["the driver does not answer"]
    gpus.tell(gpu(0), "fail nvmlInitWithFlags 9")
    assert await told(probe, tmp_path) == []
    gpus.tell(gpu(0, busy=5))
    assert [one["utilisation_ratio"] for one in await told(probe, tmp_path)] == [0.05]


async def test_instances_of_a_split_gpu_have_names_of_their_own(
    gpus: ImaginaryGpus, probe: ProbeProcess, tmp_path: Path
) -> None:
    gpus.tell(gpu(0), "mig 0 MIG-a 10 1000", "mig 0 MIG-b 20 1000")
    whole, *parts = await told(probe, tmp_path)
    assert whole["is_split"]
    assert [(one["uuid"], one["part_of"], one["memory_used_bytes"]) for one in parts] == [
        ("MIG-a", "GPU-0", 10),
        ("MIG-b", "GPU-0", 20),
    ]


async def test_a_driver_that_hangs_costs_its_process_and_nothing_else(
    gpus: ImaginaryGpus, probe: ProbeProcess, tmp_path: Path
) -> None:
    gpus.tell(gpu(0))
    await told(probe, tmp_path)
    pid = probe.pid
    gpus.tell(gpu(0), "hang nvmlDeviceGetTemperature")
    assert await probe.ask("gpus", str(tmp_path), 0.2) is None
    assert probe.has_hung
    assert probe.pid is None
    gpus.tell(gpu(0, busy=1))
    assert [one["uuid"] for one in await told(probe, tmp_path)] == ["GPU-0"]
    assert probe.pid not in (None, pid)


async def test_eight_gpus_stay_below_the_memory_they_may_take(
    gpus: ImaginaryGpus, probe: ProbeProcess, tmp_path: Path
) -> None:
    gpus.tell(*(gpu(number, busy=number) for number in range(8)))
    for _ in range(5):
        await told(probe, tmp_path)
    pages = int(Path(f"/proc/{probe.pid}/statm").read_text().split()[1])
    assert pages * os.sysconf("SC_PAGE_SIZE") < 20 * 1024 * 1024


async def test_without_a_driver_there_are_no_gpus(probe: ProbeProcess, tmp_path: Path) -> None:
    assert await told(probe, tmp_path) == []


def test_an_amd_gpu_is_read_from_sysfs(tmp_path: Path) -> None:
    device = tmp_path / "sys/class/drm/card1/device"
    files = {
        "vendor": "0x1002",
        "unique_id": "5e0a9d2b7c1f4e33",
        "uevent": "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:c1:00.0\n",
        "gpu_busy_percent": "42",
        "mem_busy_percent": "N/A",
        "mem_info_vram_used": "1073741824",
        "mem_info_vram_total": "68702699520",
        "hwmon/hwmon3/power1_average": "305000000",
        "hwmon/hwmon3/temp1_input": "71000",
        "ras/umc_err_count": "ue: 1\nce: 7\n",
        "ras/gfx_err_count": "ue: 0\nce: 2\n",
        "drm/renderD129/dev": "226:129",
    }
    for name, text in files.items():
        (device / name).parent.mkdir(parents=True, exist_ok=True)
        (device / name).write_text(f"{text}\n")
    (tmp_path / "sys/class/drm/card0/device").mkdir(parents=True)
    (tmp_path / "sys/class/drm/card0/device/vendor").write_text("0x8086\n")
    (told_of,), odd = readings_of(amd.read(str(tmp_path)))
    state = told_of.state
    assert odd == 0
    assert (state.uuid, state.pci, state.minor) == ("5e0a9d2b7c1f4e33", "0000:c1:00.0", 129)
    assert (state.utilisation_ratio, state.memory_busy_ratio) == (0.42, None)
    assert (state.power_watts, state.temperature_celsius) == (305.0, 71.0)
    assert (state.ecc_corrected_count, state.ecc_uncorrected_count) == (9, 1)


# --- file systems


def mountinfo(root: Path, *points: Path) -> None:
    lines = [f"{n} 1 0:{n} / {point} rw - nfs4 server:/{n} rw" for n, point in enumerate(points, 30)]
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text("\n".join(lines) + "\n")


HANGS = """
import json, sys, time
for line in sys.stdin:
    (path,) = json.loads(line).values()
    if path.endswith("hangs"):
        time.sleep(3600)
    print(json.dumps({"space": [100, 50, 40, 10, 5]}), flush=True)
"""


async def test_a_server_that_hangs_is_marked_and_the_others_are_asked(tmp_path: Path, clock: ManualClock) -> None:
    mountinfo(tmp_path, Path("/a/hangs"), Path("/b/well"))
    probe = ProbeProcess(clock, (sys.executable, "-c", HANGS))
    spaces = RemoteSpaces(tmp_path, probe, 1.0)
    well = FileSystemSpace(100, 50, 40, 10, 5)
    try:
        assert await spaces.ask() == {"/a/hangs": None, "/b/well": well}
        (tmp_path / "proc/self/mountinfo").write_text("30 1 0:30 / /b/well rw - nfs4 server:/ rw\n")
        assert await spaces.ask() == {"/b/well": well}
    finally:
        probe.kill()


async def test_where_killed_probes_do_not_end_no_further_ones_are_started_until_they_have(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a process in uninterruptible sleep, on which SIGKILL has no effect before it wakes."""
    mountinfo(tmp_path, Path("/a/hangs"))
    probe = ProbeProcess(clock, (sys.executable, "-c", HANGS))
    spaces = RemoteSpaces(tmp_path, probe, 0.1)
    unheard: list[int] = []
    kill = os.kill
    monkeypatch.setattr(os, "kill", lambda pid, _: unheard.append(pid))
    for _ in range(40):
        assert await spaces.ask() == {"/a/hangs": None}
    assert len(unheard) == MOST_DYING
    assert probe.is_stuck
    assert await probe.ask("space", "/b/well", TIMEOUT_S) is None
    for pid in unheard:
        kill(pid, signal.SIGKILL)
    await until(lambda: all(map(has_ended, unheard)), "all of them ended")
    monkeypatch.undo()
    assert await probe.ask("space", "/b/well", TIMEOUT_S) is not None
    probe.kill()


def has_ended(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


async def test_a_real_folder_is_measured_by_the_real_program(probe: ProbeProcess, tmp_path: Path) -> None:
    mountinfo(tmp_path, tmp_path, tmp_path / "missing")
    found = await RemoteSpaces(tmp_path, probe, TIMEOUT_S).ask()
    assert found.keys() == {str(tmp_path)}
    assert found[str(tmp_path)] == FileSystemSpace(*found[str(tmp_path)] or ())
    assert (found[str(tmp_path)] or (0,))[0] == os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize


async def test_without_a_file_system_of_the_network_no_process_is_started(tmp_path: Path, clock: ManualClock) -> None:
    probe = ProbeProcess(clock, ("/nonexistent",))
    assert await RemoteSpaces(tmp_path, probe, 1.0).ask() == {}
    assert probe.pid is None


async def test_a_program_that_ends_by_itself_is_not_started_again_at_once(clock: ManualClock) -> None:
    probe = ProbeProcess(clock, ("/bin/false",))
    assert await probe.ask("space", "/", TIMEOUT_S) is None
    assert not probe.has_hung
    assert probe.pid is None
    assert await probe.ask("space", "/", TIMEOUT_S) is None
    assert probe.pid is None
    clock.advance(2)
    asking = asyncio.create_task(probe.ask("space", "/", TIMEOUT_S))
    assert await asking is None
