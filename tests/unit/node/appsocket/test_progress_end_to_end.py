"""A process of a job speaks to the real daemon: who it is follows from its cgroup, and the hub gets its latest word."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from slurmlens.cgroup.layout import Hierarchy
from slurmlens.events import JobMessage, JobProgress, JobStart
from testkit.moving_tree import MovingTree
from testkit.node_process import NodeProcess, node_process
from testkit.waiting import until

PROGRAM = """
import struct
from slurmlens import progress
from slurmlens.progress import speaking
speaking.HALF_PATIENCE = struct.pack("ll", 20, 0)  # this machine may be busy
input()
print(progress(3, 8, residual=0.5), progress.event("half the way"), flush=True)
input()
"""


@pytest.fixture(params=["v1-22.05", "v2-22.05", "v2-26.05"])
async def node(request: pytest.FixtureRequest, tmp_path: Path, unpacked_recordings: Path) -> AsyncIterator[NodeProcess]:
    tree = MovingTree(request.param, tmp_path, unpacked_recordings)
    (tmp_path / "d").mkdir()
    async with node_process(tree, tmp_path / "d") as process:
        with process.config.open("a") as file:
            file.write("[app_socket]\nsend_interval_s = 1\n")
        yield process


def cgroups_of_step(node: NodeProcess, job: str, step: str) -> str:
    """The text of `/proc/PID/cgroup` of a task of this step."""
    tree = node.tree
    if tree.place.hierarchy is Hierarchy.V1:
        path = f"/{tree.place.cpu.name}/uid_2000/{job}/step_{step}/task_0"
        return f"6:freezer:{path}\n4:memory:{path}\n0::/\n"
    scope = tree.place.cpu.relative_to(tree.root / "sys/fs/cgroup")
    return f"0::/{scope}/{job}/step_{step}/user/task_0\n"


class Speaker:
    """A process that the test puts into a cgroup of the made-up machine; it speaks when it is told to."""

    def __init__(self, node: NodeProcess, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._place = node.tree.root / f"proc/{process.pid}"

    @classmethod
    async def start(cls, node: NodeProcess) -> Speaker:
        environment = {**os.environ, "SLURM_JOB_ID": "7", "SLURM_PROCID": "1"}
        environment["SLURMLENS_SOCKET"] = str(node.folder / "run/app.sock")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PROGRAM,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
        )
        return cls(node, process)

    def enter(self, cgroups: str) -> None:
        self._place.mkdir(parents=True)
        (self._place / "cgroup").write_text(cgroups)

    async def speak(self) -> str:
        """What its calls returned."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        said = await self._process.stdout.readline()
        self._process.stdin.write(b"\n")
        await self._process.wait()
        return said.decode().strip()


async def test_a_task_of_a_job_is_heard_and_its_word_reaches_the_hub(node: NodeProcess) -> None:
    await node.start()
    node.hook("prolog", 7, SLURM_JOB_UID="2000")
    node.tree.start_job(7, steps=("0",))
    await until(lambda: bool(node.events(JobStart)), "the start")

    async def is_sampled() -> bool:
        return any(job.job_id == 7 and job.cgroups for job in (await node.status()).jobs)

    await until(is_sampled, "the job's cgroup is known")
    speaker = await Speaker.start(node)
    speaker.enter(cgroups_of_step(node, "job_7", "0"))
    assert await speaker.speak() == "True True"
    await until(lambda: bool(node.events(JobProgress)), "the progress")
    (progress,), (message,) = node.events(JobProgress), node.events(JobMessage)
    (start,) = node.events(JobStart)
    assert isinstance(progress, JobProgress)
    assert isinstance(message, JobMessage)
    assert isinstance(start, JobStart)
    (task,) = progress.tasks
    assert (task.step, task.rank, task.done, task.total, task.values) == ("0", 1, 3.0, 8.0, {"residual": 0.5})
    assert progress.sighting == message.sighting == start.sighting
    assert (message.step, message.rank, message.text) == ("0", 1, "half the way")
    assert await node.stop() == 0
    assert not (node.folder / "run/app.sock").exists()


async def test_a_process_that_is_in_no_job_is_refused_and_counted(node: NodeProcess) -> None:
    await node.start()
    speaker = await Speaker.start(node)
    speaker.enter("0::/user.slice\n6:freezer:/\n4:memory:/user.slice\n")
    assert await speaker.speak() == "False False"
    counters = (await node.status()).counters
    assert counters['app_messages_refused_total{reason="outside"}'] == 2
    assert node.events(JobProgress, JobMessage) == []
