"""What only a living kernel shows: cgroups that go away while they are open, and where it counts an OOM kill."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from slurmlens.cgroup.folder_watch import FolderWatch
from slurmlens.cgroup.layout import CgroupPlace, Hierarchy
from slurmlens.cgroup.reader import FULL_TICK, CgroupReader
from testkit.plain_reader import read_cgroup
from testkit.real_cgroups import RealNode, missing, missing_v2, real_node, real_v2_cgroup

on_v1 = pytest.mark.skipif(missing() is not None, reason=str(missing()))
on_v2 = pytest.mark.skipif(missing_v2() is not None, reason=str(missing_v2()))

KEY = "uid_1/job_5"


@pytest.fixture
def node() -> Iterator[RealNode]:
    with real_node() as node:
        node.make(f"{KEY}/step_0/task_0")
        yield node


def _place(node: RealNode, key: str) -> CgroupPlace:
    return CgroupPlace(Hierarchy.V1, node.folder("cpuacct", key), node.folder("memory", key))


@on_v1
def test_a_removed_cgroup_reads_as_gone_and_its_parent_keeps_the_cpu_time(node: RealNode) -> None:
    reader = CgroupReader()
    job, parent = reader.open_job(_place(node, KEY)), reader.open(_place(node, ""))
    burn = "import os; open(os.environ['PROCS'], 'w').write(str(os.getpid())); sum(range(3_000_000))"
    procs = str(node.folder("cpuacct", f"{KEY}/step_0/task_0") / "cgroup.procs")
    subprocess.run([sys.executable, "-c", burn], env={**os.environ, "PROCS": procs}, check=True)
    before = reader.read([job])[0].get("cpu_usage_ns")
    assert before is not None
    assert before > 0
    node.remove("uid_1")
    dead, above = reader.read([job, parent])
    assert dead.gone
    assert dead.as_dict() == {}
    assert (above.get("cpu_usage_ns") or 0) >= before


@on_v1
def test_an_oom_kill_of_a_task_is_in_its_steps_reading(node: RealNode) -> None:
    (node.folder("memory", KEY) / "memory.limit_in_bytes").write_text("20000000")
    reader = CgroupReader()
    job, step = reader.open_job(_place(node, KEY)), reader.open_step(_place(node, f"{KEY}/step_0"))
    greedy = "import os; open(os.environ['PROCS'], 'w').write(str(os.getpid())); bytearray(100 << 20)"
    procs = str(node.folder("memory", f"{KEY}/step_0/task_0") / "cgroup.procs")
    killed = subprocess.run([sys.executable, "-c", greedy], env={**os.environ, "PROCS": procs}, check=False)
    assert killed.returncode == -9
    readings = reader.read([job, step], FULL_TICK)
    assert [reading.get("oom_kill_events") for reading in readings] == [None, 1]
    assert readings[0].get("memory_limit_bytes") == 20000000 // 4096 * 4096
    assert read_cgroup(_place(node, KEY), FULL_TICK).get("oom_kill_events") == 0, (
        "the kernel counts it in the task alone"
    )
    node.remove(f"{KEY}/step_0/task_0")
    assert reader.read([step])[0].get("oom_kill_events") == 1, "and forgets it with the task, but we do not"


@on_v1
def test_living_cgroups_without_limit_read_as_the_twin_reads_them(node: RealNode) -> None:
    place = _place(node, f"{KEY}/step_0/task_0")
    reader = CgroupReader()
    (reading,) = reader.read([reader.open(place)], FULL_TICK)
    assert reading == read_cgroup(place, FULL_TICK)
    assert reading.get("memory_limit_bytes") is None


@on_v2
async def test_the_kernel_tells_at_once_when_a_v2_cgroup_has_lost_its_last_process() -> None:
    with real_v2_cgroup() as folder, FolderWatch() as watch:
        process = await asyncio.create_subprocess_exec("sleep", "60")
        (folder / "task_0/cgroup.procs").write_text(str(process.pid))
        watch.add_file(folder / "cgroup.events")
        process.kill()
        await process.wait()
        assert (await watch.wait(10.0)).files == {folder / "cgroup.events"}
        assert "populated 0" in (folder / "cgroup.events").read_text()


@on_v2
def test_a_real_v2_cgroup_is_read_as_the_twin_reads_it_until_it_goes() -> None:
    reader = CgroupReader()
    with real_v2_cgroup() as folder:
        child, parent = (CgroupPlace(Hierarchy.V2, path, path) for path in (folder / "task_0", folder))
        burn = "import os; open(os.environ['PROCS'], 'w').write(str(os.getpid())); sum(range(3_000_000))"
        subprocess.run(
            [sys.executable, "-c", burn], env={**os.environ, "PROCS": f"{child.cpu}/cgroup.procs"}, check=True
        )
        cgroups = [reader.open(child), reader.open(parent)]
        before, above = reader.read(cgroups, FULL_TICK)
        assert before.as_dict() == read_cgroup(child, FULL_TICK).as_dict()
        used = before.get("cpu_usage_ns") or 0
        assert used > 0
        child.cpu.rmdir()
        dead, above = reader.read(cgroups, FULL_TICK)
        assert dead.gone
        assert (above.get("cpu_usage_ns") or 0) >= used
