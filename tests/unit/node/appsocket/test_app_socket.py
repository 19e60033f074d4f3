"""Who speaks at the socket is what the kernel says; whatever is said there, the daemon answers at once and goes on."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from slurmlens.clock import SystemClock
from slurmlens.config.app_socket import AppSocketConfig
from slurmlens.events import JobMessage, JobProgress, Place
from slurmlens.hook_events import StepEvent
from slurmlens.node.appsocket import AppSocket, AppSocketDependencies, SpeakingJob
from slurmlens.node.appsocket.stage import ABSTRACT_NAME
from slurmlens.node.rediscover import Rediscover
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.real_cgroups import missing, real_node
from testkit.waiting import until

SAY = """
import struct, sys
from slurmlens.progress import speaking
speaking.HALF_PATIENCE = struct.pack("ll", 20, 0)  # this machine may be busy
print(speaking.answer_to(sys.argv[1])[1])
"""
OUTSIDE = "0::/user.slice/user-2000.slice\n"
IN_JOB = "0::/system.slice/{node}_slurmstepd.scope/job_7/step_0/user/task_0\n"


class Served:
    """A socket on a made-up machine with jobs 7 and 8; `proc/PID/cgroup` is written to put a process into a cgroup."""

    def __init__(self, folder: Path, limits: AppSocketConfig) -> None:
        self.node = f"t{secrets.token_hex(4)}"
        self.proc = folder / "proc"
        self.path = folder / "app.sock"
        self.sent: list[JobProgress | JobMessage] = []
        self.steps: list[StepEvent] = []
        self.points: list[str] = []
        self.running = {7: SpeakingJob("s7", 2), 8: SpeakingJob("s8", None)}
        self.counters = Counters()
        clock = SystemClock()
        dependencies = AppSocketDependencies(
            place=Place("demo", self.node, "boot"),
            proc=self.proc,
            speaker=self._speaker,
            running=lambda job_id: self.running.get(job_id),
            send=self._send,
            send_points=self._send_points,
            tell_step=self.steps.append,
            clock=clock,
            reporter=Reporter(self.counters, clock),
        )
        self.socket = AppSocket(self.path, limits, dependencies)

    def _speaker(self, text: str) -> tuple[int, str | None] | None:
        for job_id in (7, 8):
            if f"/job_{job_id}/" in text:
                return job_id, "0"
        return None

    async def _send_points(self, lines: bytes, count: int) -> None:
        self.points.append(lines.decode())

    async def _send(self, event: JobProgress | JobMessage) -> None:
        self.sent.append(event)

    def place(self, pid: int, cgroup: str) -> None:
        (self.proc / str(pid)).mkdir(parents=True, exist_ok=True)
        (self.proc / str(pid) / "cgroup").write_text(cgroup.format(node=self.node))

    def refused(self, reason: str) -> float:
        return self.counters.snapshot().get(f'app_messages_refused_total{{reason="{reason}"}}', 0)

    async def say(self, line: bytes, address: str | None = None) -> bytes:
        """What this process is answered."""

        def ask() -> bytes:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
                connection.settimeout(20)
                connection.connect(address or str(self.path))
                connection.send(line)
                return connection.recv(256)

        return await asyncio.to_thread(ask)


@asynccontextmanager
async def serving(folder: Path, limits: AppSocketConfig | None = None) -> AsyncIterator[Served]:
    served = Served(folder, limits or AppSocketConfig())
    task = asyncio.create_task(served.socket.run())
    await until(served.path.exists, "the socket is there")
    try:
        yield served
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert not served.path.exists()


async def test_a_process_in_a_jobs_cgroup_is_that_job_whatever_it_says(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.place(os.getpid(), IN_JOB)
        assert await served.say(b"1 rank=3 progress 4 10 loss=0.5") == b"ok 7.0\n"
        assert await served.say(b"1 event half done") == b"ok 7.0\n"
        assert await served.say(b"1 job=8 progress 9 10") == b"no claim\n"
        await served.socket.send_news()
    message, progress = served.sent
    assert isinstance(message, JobMessage)
    assert isinstance(progress, JobProgress)
    assert (message.sighting, message.text) == ("s7", "half done")
    assert (progress.sighting, progress.job_id, progress.node) == ("s7", 7, served.node)
    assert [(task.rank, task.done, task.total, task.values) for task in progress.tasks] == [
        (3, 4.0, 10.0, {"loss": 0.5})
    ]
    assert served.refused("claim") == 1
    (line,) = served.points
    assert line.startswith(f"slurm.demo.nodes.{served.node}.slots.2.progress_ratio 0.4 ")


async def test_values_are_series_of_the_slot_where_that_is_switched_on(tmp_path: Path) -> None:
    async with serving(tmp_path, AppSocketConfig(value_series=True)) as served:
        served.place(os.getpid(), IN_JOB)
        await served.say(b"1 rank=3 progress 4 - loss=0.5 a.b=2")
        await served.socket.send_news()
    (lines,) = served.points
    prefix = f"slurm.demo.nodes.{served.node}.slots.2.progress_value."
    assert [line.split()[:2] for line in lines.splitlines()] == [[f"{prefix}loss", "0.5"], [f"{prefix}a--2eb", "2"]]


async def test_the_last_word_of_a_job_that_has_ended_meanwhile_is_sent(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.place(os.getpid(), IN_JOB)
        assert await served.say(b"1 progress 10 10") == b"ok 7.0\n"
        del served.running[7]
        await served.socket.send_news()
    assert [event.sighting for event in served.sent] == ["s7"]


async def test_a_process_outside_every_job_is_refused_and_counted(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.place(os.getpid(), OUTSIDE)
        assert await served.say(b"1 job=7 progress 9 10") == b"no outside\n"
        await served.socket.send_news()
    assert served.sent == []
    assert served.refused("outside") == 1


async def test_a_container_finds_the_abstract_name(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.place(os.getpid(), IN_JOB)
        assert await served.say(b"1 progress 1 2", ABSTRACT_NAME.format(node=served.node)) == b"ok 7.0\n"


@pytest.mark.parametrize(
    ("line", "reason"),
    [(b"\x00" * 40, "malformed"), (b"1 progress 1 2 " + b"x" * 2000, "oversize"), (b"9 hello", "version")],
)
async def test_garbage_is_answered_and_counted(tmp_path: Path, line: bytes, reason: str) -> None:
    async with serving(tmp_path) as served:
        served.place(os.getpid(), IN_JOB)
        assert await served.say(line) == f"no {reason}\n".encode()
        assert await served.say(b"1 progress 1 2") == b"ok 7.0\n"
    assert served.refused(reason) == 1


async def test_who_connects_and_says_nothing_is_dropped_and_costs_nobody_an_answer(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.place(os.getpid(), IN_JOB)
        silent = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(50)]
        for one in silent:
            one.connect(str(served.path))
        assert await served.say(b"1 progress 1 2") == b"ok 7.0\n"
        await until(lambda: served.refused("silent") == 50, "all are dropped")
        for one in silent:
            one.close()


async def test_who_does_not_wait_for_the_answer_cannot_be_another(tmp_path: Path) -> None:
    """Its process id may be another's already, and with it the cgroup that is read."""
    async with serving(tmp_path) as served:
        code = f"""
import os, socket
one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
if os.fork() == 0:
    one.connect({str(served.path)!r})
    print(os.getpid(), flush=True)
    os._exit(0)
pid = os.wait()[0]
input()
one.send(b"1 progress 1 2")
print(one.recv(100).decode())
"""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdin is not None
        served.place(int(await process.stdout.readline()), IN_JOB)
        process.stdin.write(b"\n")
        assert await process.stdout.readline() in (b"no gone\n", b"")
        await process.wait()
        assert served.refused("gone") + served.refused("silent") >= 1
    assert served.sent == []


async def test_a_flood_of_one_user_leaves_the_loop_to_others(tmp_path: Path) -> None:
    """The daemon does other things meanwhile, and what was over the limit is counted."""
    limits = AppSocketConfig(messages_per_s=5.0)
    async with serving(tmp_path, limits) as served:
        served.place(os.getpid(), IN_JOB)
        answers = [await served.say(b"1 progress 1 2") for _ in range(60)]
        assert answers.count(b"ok 7.0\n") >= 10
        assert set(answers) == {b"ok 7.0\n", b"no rate\n"}
        await served.socket.send_news()
    assert len(served.sent) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="being another user needs root")
async def test_a_flood_of_garbage_of_another_user_costs_nobody_an_answer(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.place(os.getpid(), IN_JOB)
        code = f"""
import socket
address = {ABSTRACT_NAME.format(node=served.node)!r}
print("begun", flush=True)
while True:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as one:
        one.connect(address)
        one.send(b"1 job=7 progress 9 9")
"""
        argv = ["/usr/bin/python3", "-I", "-c", code]
        floods = [
            await asyncio.create_subprocess_exec(
                *argv, user=65533, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
            )
            for _ in range(3)
        ]
        for flood in floods:
            assert flood.stdout is not None
            await flood.stdout.readline()
        await until(lambda: served.refused("rate") > 100, "the flood is over its limit")
        answers = {await served.say(b"1 progress 1 2") for _ in range(50)}
        for flood in floods:
            flood.kill()
            await flood.wait()
        await served.socket.send_news()
    assert answers == {b"ok 7.0\n"}
    assert [event.tasks[0].done for event in served.sent if isinstance(event, JobProgress)] == [1.0]


async def test_an_own_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "app.sock").touch()
    async with serving(tmp_path) as served:
        await until(served.path.is_socket, "the socket is there")
        assert served.path.stat().st_mode & 0o777 == 0o666


@pytest.fixture
def jobs_cgroup() -> Iterator[tuple[str, Path]]:
    """A real job's folders in cgroup v1: the node's name and the step's folder in the freezer."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    with real_node() as node:
        node.make("uid_0/job_7/step_3/task_0")
        yield node.name, node.folder("freezer", "uid_0/job_7/step_3/task_0")


async def test_the_kernels_own_cgroups_say_who_speaks(tmp_path: Path, jobs_cgroup: tuple[str, Path]) -> None:
    """A real process in a real cgroup; one that has left it is nobody."""
    name, folder = jobs_cgroup
    clock, counters = SystemClock(), Counters()
    rediscover = Rediscover(Path("/"), name, clock)
    sightings = rediscover.sightings()
    await anext(sightings)
    dependencies = AppSocketDependencies(
        place=Place("demo", name, "boot"),
        proc=Path("/proc"),
        speaker=rediscover.member,
        running={7: SpeakingJob("s7", None)}.get,
        send=lambda event: asyncio.sleep(0),
        send_points=lambda lines, count: asyncio.sleep(0),
        tell_step=lambda event: None,
        clock=clock,
        reporter=Reporter(counters, clock),
    )
    stage = asyncio.create_task(AppSocket(tmp_path / "app.sock", AppSocketConfig(), dependencies).run())
    await until((tmp_path / "app.sock").exists, "the socket is there")
    environment = {**os.environ, "SLURMLENS_SOCKET": str(tmp_path / "app.sock"), "SLURM_PROCID": "2"}

    def say(join: Path | None) -> str:
        def enter() -> None:
            if join is not None:
                (join / "cgroup.procs").write_text(str(os.getpid()))

        return subprocess.run(
            [sys.executable, "-c", SAY, "progress 1 2"],
            env=environment,
            preexec_fn=enter,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    assert await asyncio.to_thread(say, folder) == "ok 7.3"
    assert await asyncio.to_thread(say, None) == "no outside"
    stage.cancel()
    await asyncio.gather(stage, return_exceptions=True)
    await sightings.aclose()
