"""The real daemon process and its spool's disk: killed again and again, full, read-only, broken, shared, missing, idle.

The hub is away for as long as it matters; what a hook wrote must arrive all the same, and the daemon must run.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from slurmlens.delivery.status import SpoolStatus
from slurmlens.events import JobEnd, JobStart, JobSummary, LinesDropped, NodeHeartbeat
from slurmlens.node.status import NodeStatus
from testkit.moving_tree import MovingTree
from testkit.node_process import NodeProcess, accept, node_process, run_to_its_end
from testkit.scripted_server import Request, answer
from testkit.waiting import until

MIB = 1024 * 1024
NEEDS_MOUNT = pytest.mark.skipif(
    os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0,
    reason="needs root and leave to mount",
)


@pytest.fixture
async def node(tmp_path: Path, unpacked_recordings: Path) -> AsyncIterator[NodeProcess]:
    tree = MovingTree("v2-22.05", tmp_path, unpacked_recordings)
    (tmp_path / "d").mkdir()
    async with node_process(tree, tmp_path / "d") as process:
        process.hub.script[:] = [answer(503)]
        yield process


@pytest.fixture
def small_disk(node: NodeProcess) -> Iterator[Path]:
    """A file system of 1 MiB for the spool of `node`."""
    disk = node.folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], check=True)
    node.spool = disk / "spool"
    node.reconfigure()
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def spool(node: NodeProcess) -> SpoolStatus:
    found = (await node.status()).spool
    assert found is not None
    return found


async def spool_is(node: NodeProcess, mode: str, failure: str | None = None) -> None:
    async def is_so() -> bool:
        found = await spool(node)
        return (found.mode, found.failure) == (mode, failure)

    await until(is_so, f"the spool is {mode}")


async def sampled(node: NodeProcess) -> None:
    """Wait until the daemon samples the cgroup of some job."""

    async def is_sampled() -> bool:
        return any(job.cgroups for job in (await node.status()).jobs)

    await until(is_sampled, "a job is sampled")


def arrived(node: NodeProcess) -> set[str]:
    return {event.id for event in node.events(JobStart, JobEnd)}


def counted(status: NodeStatus, name: str) -> float:
    return sum(value for key, value in status.counters.items() if key.startswith(name))


async def hub_takes(node: NodeProcess, ids: set[str]) -> None:
    """The hub comes back; every one of `ids` must arrive."""
    node.hub.requests.clear()
    node.hub.script[:] = [accept]
    await until(lambda: ids <= arrived(node), "every event")


async def test_kill_after_kill_while_the_hub_is_away_loses_no_event_of_a_hook(node: NodeProcess) -> None:
    written: set[str] = set()
    for life in range(5):
        await node.start()
        for number in range(20):
            written |= {node.hook(role, 100 * life + number + 1) for role in ("prolog", "epilog")}
            if number == 4 * life:  # killed with the others unread, being read, or on their way
                most = 2 * life + 1
                await until(lambda most=most: len(node.waiting_hooks()) <= most, "some were taken")
        assert await node.stop(signal.SIGKILL) == -signal.SIGKILL
    await node.start()
    await hub_takes(node, written)
    await until(lambda: not node.waiting_hooks(), "the files go")
    assert counted(await node.status(), "queue_dropped_lines") == 0
    assert await node.stop() == 0


async def test_what_a_killed_daemon_dropped_and_could_not_store_is_told_by_the_next(node: NodeProcess) -> None:
    left = node.folder / "run" / "untold.json"
    left.parent.mkdir(exist_ok=True)
    left.write_text('[{"stream":"metrics","reason":"memory_limit","since_ns":1795420800000000000,"lines":7}]')
    node.hub.script[:] = [accept]
    await node.start()
    await until(lambda: bool(node.events(LinesDropped)), "the notice")
    (told,) = node.events(LinesDropped)[0].dropped
    assert (told.stream, told.reason, told.lines) == ("metrics", "memory_limit", 7)
    await until(lambda: not left.exists(), "the spool's own file has it now")
    assert await node.stop() == 0


async def test_what_was_measured_before_a_kill_while_the_hub_was_away_arrives(node: NodeProcess) -> None:
    await node.start()
    node.hook("prolog", 7)
    node.tree.start_job(7, steps=("batch",))
    node.tree.burn(7, "batch", 1.5)
    await sampled(node)
    node.tree.end_job(7)
    node.hook("epilog", 7)

    async def summary_is_stored() -> bool:
        return counted(await node.status(), "job_measured") > 0 and (await spool(node)).stored_bytes > 0

    await until(summary_is_stored, "the summary is in the spool")
    await until(lambda: not node.waiting_hooks(), "the files go")
    held = (await spool(node)).stored_bytes
    await until_stored_more(node, held)
    await node.stop(signal.SIGKILL)
    await node.start()
    node.hub.script[:] = [accept]
    await until(lambda: bool(node.events(JobSummary)), "the summary")
    (summary,) = node.events(JobSummary)
    assert isinstance(summary, JobSummary)
    assert summary.totals.cpu_s is not None
    assert summary.totals.cpu_s.value == pytest.approx(1.5, abs=1e-6)


@pytest.mark.parametrize("cgroup_stays", [True, False])
async def test_a_kill_between_a_jobs_told_end_and_its_summary_costs_no_summary(
    node: NodeProcess, cgroup_stays: bool
) -> None:
    await node.start()
    prolog = node.hook("prolog", 7)
    node.tree.start_job(7, steps=("batch",))
    node.tree.burn(7, "batch", 1.5)
    await sampled(node)
    epilog = node.hook("epilog", 7)
    await until(lambda: not node.waiting_hooks(), "the Epilog's file goes: its cgroup is waited for")
    assert [job.phase for job in (await node.status()).jobs] == ["ending"]
    assert await node.stop(signal.SIGKILL) == -signal.SIGKILL
    if not cgroup_stays:
        node.tree.end_job(7)
    await node.start()
    node.hub.script[:] = [accept]
    await until(lambda: bool(node.events(JobSummary)), "the summary")
    if cgroup_stays:
        node.tree.end_job(7)
    await until_beats(node, 1)
    (start,), (end,), (summary,) = node.events(JobStart), node.events(JobEnd), node.events(JobSummary)
    assert isinstance(start, JobStart)
    assert isinstance(end, JobEnd)
    assert isinstance(summary, JobSummary)
    assert (start.id, end.id) == (prolog, epilog)
    assert (summary.sighting, summary.end_ns) == (start.sighting, end.time_ns)
    used = summary.totals.cpu_s
    assert used is not None
    assert used.value <= 1.5
    assert not used.complete

    assert await node.stop(signal.SIGKILL) == -signal.SIGKILL  # and what has arrived is not told again
    node.hub.requests.clear()
    await node.start()
    await until_beats(node, 3)
    assert node.events(JobStart, JobEnd, JobSummary) == []


async def until_beats(node: NodeProcess, more: int) -> None:
    """Until as many heartbeats as that have come from now on; one comes every second."""
    known = len(node.events(NodeHeartbeat))
    await until(lambda: len(node.events(NodeHeartbeat)) >= known + more, "heartbeats")


async def until_stored_more(node: NodeProcess, than_bytes: int) -> None:
    """Until a heartbeat, which comes every second, was committed behind everything that was there."""

    async def is_more() -> bool:
        return (await spool(node)).stored_bytes > than_bytes

    await until(is_more, "a heartbeat is stored")


@NEEDS_MOUNT
async def test_on_a_full_disk_events_stay_in_the_dropbox_and_go_on_being_delivered(
    node: NodeProcess, small_disk: Path
) -> None:
    await node.start()
    await spool_is(node, "volatile")
    written = {node.hook("prolog", 1)}
    await until(lambda: not node.waiting_hooks(), "the file goes")
    ballast = small_disk / "ballast"
    fill(ballast)
    for number in range(2, 400):
        written.add(node.hook("prolog", number, SLURM_JOB_NAME="x" * 500))
    await spool_is(node, "failing", "full")
    assert node.waiting_hooks()
    assert await node.stop(signal.SIGKILL) == -signal.SIGKILL
    written.add(node.hook("epilog", 1))

    await node.start()
    await spool_is(node, "failing", "full")
    await hub_takes(node, written)
    await until(lambda: not node.waiting_hooks(), "the files go when the hub has them")
    ballast.unlink()
    await spool_is(node, "volatile")
    assert counted(await node.status(), "spool_recovered") == 1
    assert counted(await node.status(), "queue_dropped_lines") == 0


@NEEDS_MOUNT
async def test_a_read_only_disk_costs_no_event_and_no_start(node: NodeProcess, small_disk: Path) -> None:
    await node.start()
    written = {node.hook("prolog", 1)}
    await until(lambda: not node.waiting_hooks(), "the file goes")
    await node.stop(signal.SIGKILL)
    remount(small_disk, "ro")
    await node.start()
    await spool_is(node, "failing", "read_only")
    written.add(node.hook("prolog", 2))
    await asyncio.sleep(0)
    assert len(node.waiting_hooks()) == 1
    await node.stop(signal.SIGKILL)
    remount(small_disk, "rw")
    await node.start()
    await until(lambda: not node.waiting_hooks(), "the file goes")
    await hub_takes(node, written)


async def test_a_broken_file_is_set_aside_and_the_daemon_runs_and_keeps_running(node: NodeProcess) -> None:
    await node.start()
    node.hook("prolog", 1)
    await until(lambda: not node.waiting_hooks(), "the file goes")
    await node.stop(signal.SIGKILL)
    for name in ("spool.sqlite", "spool.sqlite-wal"):  # one alone would be mended from the other
        (node.spool / name).write_bytes(b"\xa5" * 40_960)
    for _ in range(2):  # no crash loop: the second start finds nothing wrong
        await node.start()
        written = {node.hook("prolog", 2)}
        await until(lambda: not node.waiting_hooks(), "the file goes into the new one")
        await node.stop(signal.SIGKILL)
    assert len(list(node.spool.glob("spool.sqlite.corrupt-*"))) == 1
    assert "spool_set_aside" in node.log()
    await node.start()
    await hub_takes(node, written)


async def test_two_daemons_on_one_spool_the_second_says_whose_it_is_and_ends(node: NodeProcess) -> None:
    await node.start()
    other = node.folder / "other.toml"
    other.write_text(node.config.read_text().replace(f'"{node.folder}/run"', f'"{node.folder}/other"'))
    ended = await asyncio.to_thread(lambda: run_to_its_end(other))
    assert ended.returncode == 4
    said = ended.stdout + ended.stderr
    assert f"in use by another daemon (process {node.process_id})" in said
    assert "spool.path" in said
    assert (await spool(node)).mode in ("lasting", "volatile")


async def test_a_spool_that_cannot_be_made_keeps_nothing_from_running(node: NodeProcess) -> None:
    node.spool = node.folder / "nowhere" / "spool"
    node.reconfigure()
    await node.start()
    await spool_is(node, "failing", "missing")
    written = node.hook("prolog", 1)
    await until(lambda: len(node.hub.requests) > 1, "the hub was asked")
    assert len(node.waiting_hooks()) == 1
    await hub_takes(node, {written})
    await until(lambda: not node.waiting_hooks(), "the file goes when the hub has it")


async def test_a_healthy_node_with_its_receivers_up_writes_nothing_to_the_disk_per_tick(
    tmp_path: Path, unpacked_recordings: Path
) -> None:
    tree = MovingTree("v2-22.05", tmp_path, unpacked_recordings)
    (tmp_path / "d").mkdir()
    async with node_process(tree, tmp_path / "d", interval_s=0.1, heartbeat_interval_s=3600) as node:
        node.hub.script[:] = [seldom]
        node.reconfigure(log_level="error")
        await node.start()
        node.hook("prolog", 7)
        node.tree.start_job(7, steps=("batch",))
        await until(lambda: any(".slots." in name for name in node.series()), "the job is sampled")
        await quiet(node)

        before, ticks, lines = written_by(node), (await ticks_of(node)), node.carbon.received.count(b"\n")
        await ticks_reach(node, ticks + 20)
        assert node.carbon.received.count(b"\n") > lines + 100, "metrics were made and sent meanwhile"
        assert written_by(node) == before

        node.hook("epilog", 7)
        await until(lambda: not node.waiting_hooks(), "an event, for comparison")
        assert written_by(node) != before


async def seldom(writer: asyncio.StreamWriter, request: Request) -> None:
    """A hub that takes everything and wants profiles hardly ever."""
    body = {"accepted": len(request.lines), "known": 0, "refused": [], "profile_interval_s": 3600}
    await answer(200, json.dumps(body).encode())(writer, request)


async def ticks_of(node: NodeProcess) -> int:
    sampler = (await node.status()).sampler
    assert sampler is not None
    return sampler.ticks


async def ticks_reach(node: NodeProcess, count: int) -> None:
    """Wait until the sampler has made so many ticks."""

    async def reached() -> bool:
        return await ticks_of(node) >= count

    await until(reached, f"{count} ticks")


async def quiet(node: NodeProcess) -> None:
    """Until the events of the beginning are written, delivered and acknowledged."""
    async with asyncio.timeout(20):
        stable = 0
        while stable < 10:
            before = written_by(node)
            await asyncio.sleep(0.05)
            stable = stable + 1 if written_by(node) == before else 0


def written_by(node: NodeProcess) -> tuple[int, list[tuple[str, int]]]:
    """Bytes that the process had written to a disk, and when each file below its folders changed."""
    io = Path(f"/proc/{node.process_id}/io").read_text()
    (to_disk,) = [int(line.split()[1]) for line in io.splitlines() if line.startswith("write_bytes:")]
    files = [path for folder in (node.spool, node.folder / "run") for path in folder.iterdir()]
    return to_disk, sorted((path.name, path.stat().st_mtime_ns) for path in files if path.is_file())


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            pass


def remount(disk: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(disk)], check=True)
