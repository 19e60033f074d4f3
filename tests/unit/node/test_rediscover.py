"""Jobs and steps are found from the cgroup tree alone: at once, without inotify or a title, and after any loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from slurmlens.cgroup import folder_watch
from slurmlens.cgroup.folder_watch import NOTHING, FolderChanges, FolderWatch
from slurmlens.cgroup.sighting import CgroupSeen, Moment, Sighting, StepStirred, TreeSeen
from slurmlens.cgroup.tree import CgroupTree
from slurmlens.clock import SystemClock
from slurmlens.node.rediscover import FIRST_RETRY_S, LOOKED_INTO_AT_A_RESCAN, Rediscover, _Pace
from testkit.manual_clock import ManualClock
from testkit.real_cgroups import missing, real_node
from testkit.waiting import until

NEVER_S = 3600.0
PATIENCE_S = 30.0


class Machine:
    """A v2 machine on which a test plays slurmstepd."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.top = root / "sys/fs/cgroup"
        self.scope = self.top / "system.slice/n0_slurmstepd.scope"
        self.top.mkdir(parents=True)
        (root / "proc").mkdir()
        (root / "proc/mounts").write_text("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")

    def start_step(self, job: str, step: str, title: str | None = None) -> None:
        folder = self.scope / job / f"step_{step}"
        (folder / "slurm").mkdir(parents=True, exist_ok=True)
        (folder / "user").mkdir(exist_ok=True)
        self.populate(job, step, populated=True)
        if title:
            (self.root / "proc/5").mkdir(exist_ok=True)
            (self.root / "proc/5/status").write_text("Uid:\t0\t0\t0\t0\n")
            (self.root / "proc/5/cmdline").write_text(title)
            (folder / "slurm/cgroup.procs").write_text("5\n")

    def populate(self, job: str, step: str, *, populated: bool) -> None:
        events = self.scope / job / f"step_{step}/user/cgroup.events"
        events.write_text(f"populated {int(populated)}\nfrozen 0\n")

    def end_step(self, job: str, step: str) -> None:
        folder = self.scope / job / f"step_{step}"
        for file in folder.rglob("cgroup.[pe]*"):
            file.unlink()
        for name in ("slurm", "user", ""):
            (folder / name).rmdir()

    def end_job(self, job: str) -> None:
        for step in sorted((self.scope / job).iterdir()):
            self.end_step(job, step.name.removeprefix("step_"))
        (self.scope / job).rmdir()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
async def watching() -> AsyncIterator[Callable[[Rediscover], Watching]]:
    open_ones: list[Watching] = []

    def watch(rediscover: Rediscover) -> Watching:
        open_ones.append(Watching(rediscover))
        return open_ones[-1]

    yield watch
    for one in open_ones:
        await one.end()


class Watching:
    """Takes what a Rediscover yields."""

    def __init__(self, rediscover: Rediscover) -> None:
        self.rediscover = rediscover
        self.told_at_tree: list[int] = []
        """How much had been told each time that the whole tree was said to be seen."""
        self._count = 0
        self._told: asyncio.Queue[Sighting] = asyncio.Queue()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async for sighting in self.rediscover.sightings():
            if isinstance(sighting, TreeSeen):
                self.told_at_tree.append(self._count)
            else:
                self._count += 1
                self._told.put_nowait(sighting)

    async def next(self, count: int) -> list[tuple[str, int, str | None]]:
        async with asyncio.timeout(PATIENCE_S):
            found = [await self._told.get() for _ in range(count)]
        told = [one for one in found if not isinstance(one, StepStirred)]
        assert len(told) == count
        return [("seen" if isinstance(one, CgroupSeen) else "gone", one.job_id, one.step) for one in told]

    async def next_stir(self) -> str:
        async with asyncio.timeout(PATIENCE_S):
            while not isinstance(one := await self._told.get(), StepStirred):
                pass
        return one.step

    async def until(self, condition: Callable[[], bool]) -> None:
        await until(condition, "rediscover comes so far", poll_s=0)

    def silent(self) -> bool:
        return self._told.empty()

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


Watch = Callable[[Rediscover], Watching]


def _rediscover(
    machine: Machine, clock: ManualClock, rescan_s: float = NEVER_S, blind_rescan_s: float = NEVER_S
) -> Rediscover:
    return Rediscover(machine.root, "n0", clock, rescan_s=rescan_s, blind_rescan_s=blind_rescan_s)


async def test_what_is_there_already_is_told_first(machine: Machine, clock: ManualClock, watching: Watch) -> None:
    machine.start_step("job_8", "batch")
    machine.start_step("job_9", "extern")
    told = await watching(_rediscover(machine, clock)).next(4)
    assert told == [("seen", 8, None), ("seen", 8, "batch"), ("seen", 9, None), ("seen", 9, "extern")]


async def test_the_whole_tree_is_seen_once_when_all_that_is_there_was_told(
    machine: Machine, clock: ManualClock, watching: Watch
) -> None:
    machine.start_step("job_8", "batch")
    machine.start_step("job_9", "extern")
    watcher = watching(_rediscover(machine, clock, rescan_s=0.002))
    await watcher.next(4)
    machine.start_step("job_9", "0")
    await watcher.next(1)
    assert watcher.told_at_tree == [4]


async def test_a_tree_in_which_slurm_has_no_folder_was_seen_and_one_that_is_not_mounted_yet_was_not(
    machine: Machine, clock: ManualClock, watching: Watch
) -> None:
    mounts = machine.root / "proc/mounts"
    mounted = mounts.read_text()
    mounts.write_text("")
    watcher = watching(_rediscover(machine, clock, rescan_s=0.002, blind_rescan_s=0.002))
    await watcher.until(lambda: watcher.rediscover.state.watching)
    assert watcher.told_at_tree == []
    mounts.write_text(mounted)
    await watcher.until(lambda: watcher.told_at_tree == [0])
    assert not watcher.rediscover.state.found


async def test_the_kernel_tells_of_new_and_ended_steps_and_jobs(
    machine: Machine, clock: ManualClock, watching: Watch
) -> None:
    machine.start_step("job_8", "batch")
    watcher = watching(_rediscover(machine, clock))
    await watcher.next(2)
    machine.start_step("job_8", "0")
    assert await watcher.next(1) == [("seen", 8, "0")]
    machine.start_step("job_9", "batch")
    assert await watcher.next(2) == [("seen", 9, None), ("seen", 9, "batch")]
    machine.end_step("job_8", "0")
    assert await watcher.next(1) == [("gone", 8, "0")]
    machine.end_job("job_8")
    assert await watcher.next(2) == [("gone", 8, "batch"), ("gone", 8, None)]
    assert watcher.rediscover.state.watching
    assert watcher.rediscover.state.found


async def test_a_step_whose_last_process_has_left_is_told_before_it_is_removed(
    machine: Machine, clock: ManualClock, watching: Watch
) -> None:
    machine.start_step("job_8", "batch")
    machine.start_step("job_8", "0")
    watcher = watching(_rediscover(machine, clock))
    await watcher.next(3)
    machine.populate("job_8", "0", populated=False)
    assert await watcher.next_stir() == "0"
    machine.end_step("job_8", "0")
    machine.start_step("job_8", "1")
    await watcher.next(2)
    machine.populate("job_8", "1", populated=False)
    assert await watcher.next_stir() == "1"


async def test_a_node_whose_folder_does_not_exist_yet_is_waited_for(
    machine: Machine, clock: ManualClock, watching: Watch
) -> None:
    watcher = watching(_rediscover(machine, clock))
    await watcher.until(lambda: watcher.rediscover.state.watching)
    assert not watcher.rediscover.state.found
    machine.start_step("job_8", "batch")
    assert await watcher.next(2) == [("seen", 8, None), ("seen", 8, "batch")]
    machine.end_job("job_8")
    await watcher.next(2)
    machine.scope.rmdir()
    machine.start_step("job_9", "batch")
    assert await watcher.next(2) == [("seen", 9, None), ("seen", 9, "batch")]


async def test_a_user_folder_that_comes_after_its_step_is_waited_for(
    machine: Machine, clock: ManualClock, watching: Watch
) -> None:
    (machine.scope / "job_8/step_0/slurm").mkdir(parents=True)
    watcher = watching(_rediscover(machine, clock))
    assert await watcher.next(1) == [("seen", 8, None)]
    (machine.scope / "job_8/step_0/user").mkdir()
    assert await watcher.next(1) == [("seen", 8, "0")]


async def test_without_inotify_the_rescan_finds_everything(
    machine: Machine, clock: ManualClock, watching: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def used_up(**_settings: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(folder_watch, "Inotify", used_up)
    watcher = watching(_rediscover(machine, clock, blind_rescan_s=0.002))
    machine.start_step("job_8", "batch")
    assert await watcher.next(2) == [("seen", 8, None), ("seen", 8, "batch")]
    assert not watcher.rediscover.state.watching
    machine.end_job("job_8")
    assert await watcher.next(2) == [("gone", 8, "batch"), ("gone", 8, None)]


async def test_a_refused_watch_is_counted_and_the_rescan_goes_on(
    machine: Machine, clock: ManualClock, watching: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder_watch.Inotify, "add_watch", refuse)
    watcher = watching(_rediscover(machine, clock, rescan_s=0.002))
    machine.start_step("job_8", "batch")
    assert await watcher.next(2) == [("seen", 8, None), ("seen", 8, "batch")]
    assert watcher.rediscover.state.refused_watches > 0


async def test_after_a_queue_overflow_the_whole_tree_is_looked_at(
    machine: Machine, clock: ManualClock, watching: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.start_step("job_8", "batch")
    watcher = watching(_rediscover(machine, clock))
    await watcher.next(2)
    real = FolderWatch._drain

    def losing(watch: FolderWatch) -> FolderChanges:
        real(watch)
        return FolderChanges(frozenset(), lost=True)

    monkeypatch.setattr(FolderWatch, "_drain", losing)
    machine.start_step("job_9", "batch")
    assert await watcher.next(2) == [("seen", 9, None), ("seen", 9, "batch")]
    assert watcher.rediscover.state.overflows > 0


async def test_what_the_kernel_kept_to_itself_is_found_in_turn(
    machine: Machine, clock: ManualClock, watching: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = 3 * LOOKED_INTO_AT_A_RESCAN
    for number in range(1, jobs + 1):
        machine.start_step(f"job_{number}", "batch")
    watcher = watching(_rediscover(machine, clock, rescan_s=0.002))
    await watcher.next(2 * jobs)
    monkeypatch.setattr(FolderWatch, "_drain", lambda _watch: NOTHING)
    machine.start_step("job_1", "0")
    machine.start_step(f"job_{jobs}", "0")
    machine.start_step(f"job_{jobs + 1}", "batch")
    told = await watcher.next(4)
    last = jobs + 1
    assert set(told) == {("seen", 1, "0"), ("seen", jobs, "0"), ("seen", last, None), ("seen", last, "batch")}


async def test_an_ordinary_rescan_goes_into_few_jobs(
    machine: Machine, clock: ManualClock, watching: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = 3 * LOOKED_INTO_AT_A_RESCAN
    for number in range(1, jobs + 1):
        machine.start_step(f"job_{number}", "batch")
    watcher = watching(_rediscover(machine, clock, rescan_s=0.002))
    await watcher.next(2 * jobs)
    looked: list[str] = []
    monkeypatch.setattr(CgroupTree, "job", lambda _tree, folder, known=None: looked.append(folder.key) or known)
    await watcher.until(lambda: len(looked) >= jobs)
    assert sorted(looked[:jobs]) == sorted(f"job_{number}" for number in range(1, jobs + 1))


async def test_a_sluid_folder_is_told_when_slurmstepd_has_its_title_and_not_before(
    machine: Machine, clock: ManualClock, watching: Watch
) -> None:
    machine.start_step("sAZNM81GJARB00", "batch")
    watcher = watching(_rediscover(machine, clock))
    await watcher.until(lambda: watcher.rediscover.state.unnamed == 1)
    assert watcher.silent()
    machine.start_step("sAZNM81GJARB00", "batch", title="slurmstepd: [3.batch]")
    assert await watcher.next(2) == [("seen", 3, None), ("seen", 3, "batch")]
    assert watcher.rediscover.state.unnamed == 0


async def test_a_sluid_that_a_hook_told_needs_no_title(machine: Machine, clock: ManualClock, watching: Watch) -> None:
    machine.start_step("sAZNM81GJARB00", "batch")
    rediscover = _rediscover(machine, clock)
    watcher = watching(rediscover)
    await watcher.until(lambda: rediscover.state.unnamed == 1)
    rediscover.learn("sAZNM81GJARB00", 3)
    assert await watcher.next(2) == [("seen", 3, None), ("seen", 3, "batch")]


async def test_a_sighting_carries_the_time_of_the_clock_it_was_given(machine: Machine, clock: ManualClock) -> None:
    machine.start_step("job_8", "batch")
    sightings = _rediscover(machine, clock).sightings()
    first = await anext(sightings)
    assert isinstance(first, CgroupSeen)
    assert first.when == Moment(clock.wall_ns(), clock.boottime_ns())
    await sightings.aclose()


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
async def test_on_real_v1_cgroups_a_short_job_is_seen_and_gone(watching: Watch) -> None:
    with real_node() as node:
        watcher = watching(Rediscover(Path("/"), node.name, SystemClock(), rescan_s=NEVER_S, blind_rescan_s=NEVER_S))
        await watcher.until(lambda: watcher.rediscover.state.watching)
        node.make("uid_1/job_5/step_batch/task_0")
        assert await watcher.next(2) == [("seen", 5, None), ("seen", 5, "batch")]
        node.remove("uid_1")
        assert await watcher.next(2) == [("gone", 5, "batch"), ("gone", 5, None)]
        node.make("uid_1/job_5/step_0")
        assert await watcher.next(2) == [("seen", 5, None), ("seen", 5, "0")]


def test_the_pace_is_fast_for_a_new_nameless_folder_and_slows_down() -> None:
    pace = _Pace(rescan_s=10.0, blind_rescan_s=1.0)
    assert pace.is_due(0.0)
    pace.rescanned(0.0, watching=True)
    assert pace.pause_s(1.0, frozenset()) == 9.0
    pauses = [pace.pause_s(1.0, frozenset({"a"})) for _ in range(4)]
    assert pauses == [FIRST_RETRY_S, 2 * FIRST_RETRY_S, 4 * FIRST_RETRY_S, 8 * FIRST_RETRY_S]
    assert pace.pause_s(1.0, frozenset({"a", "b"})) == FIRST_RETRY_S
    assert pace.pause_s(10.5, frozenset({"a"})) == 0.0
    assert pace.is_due(10.5)
    pace.rescanned(10.5, watching=False)
    assert pace.pause_s(10.5, frozenset()) == 1.0
