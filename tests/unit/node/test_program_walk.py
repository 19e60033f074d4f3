"""Which programs steps run: told once and when it changes, of their own processes alone, ever more rarely."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.cgroup.layout import CgroupPlace, Hierarchy
from slurmlens.cgroup.sighting import CgroupSeen
from slurmlens.clock import Moment
from slurmlens.config.programs import ProgramsConfig
from slurmlens.events import Place, StepProgram, StepTotals
from slurmlens.hook_events import StepEvent, StepRole
from slurmlens.node.program_walk import (
    MOST_PROGRAMS,
    MOST_STEPS,
    ProgramWalk,
    SeenProcess,
    parse_stat,
    programs_of,
    together,
)
from slurmlens.node.registry import reported_steps
from testkit.manual_clock import ManualClock

PLACE = Place("c", "n1", "boot")


class Machine:
    """A node with steps' folders and processes in files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.steps: list[CgroupSeen] = []
        self.told: list[StepTotals] = []
        self.walk = ProgramWalk(ProgramsConfig(), PLACE, folder / "proc", lambda: self.steps, self._tell, self.clock)

    async def _tell(self, event: StepEvent) -> None:
        assert (event.role, event.from_hook) == (StepRole.START, True)
        self.told.append(event.told)

    def step(self, job_id: int, step: str) -> CgroupSeen:
        place = CgroupPlace(Hierarchy.V2, self.folder / f"job_{job_id}/step_{step}", self.folder)
        (place.cpu / "user/task_0").mkdir(parents=True, exist_ok=True)
        seen = CgroupSeen(f"job_{job_id}", 1, job_id, step, None, 1000, place, place, Moment(0, 0))
        self.steps.append(seen)
        return seen

    def runs(self, seen: CgroupSeen, pid: int, name: str, *, cpu_ticks: int = 0, threads: int = 1) -> None:
        with (seen.place.cpu / "user/task_0/cgroup.procs").open("a") as file:
            file.write(f"{pid}\n")
        (self.folder / f"proc/{pid}").mkdir(parents=True, exist_ok=True)
        (self.folder / f"proc/{pid}/stat").write_text(stat(name, cpu_ticks, threads))


def stat(name: str, cpu_ticks: int, threads: int) -> str:
    return f"7 ({name}) S 1 7 7 0 -1 4194304 1 2 3 4 {cpu_ticks} 0 0 0 20 0 {threads} 0 5 6 7"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def test_a_steps_programs_are_told_the_busiest_first_and_slurms_own_are_not(machine: Machine) -> None:
    step = machine.step(7, "0")
    for pid, (name, ticks, threads) in enumerate(
        [("bash", 1, 1), ("lmp", 300, 4), ("lmp", 200, 4), ("slurmstepd", 900, 5), ("slurm_script", 1, 1)], start=10
    ):
        machine.runs(step, pid, name, cpu_ticks=ticks, threads=threads)
    machine.step(7, "extern")
    await machine.walk.walk()
    (told,) = machine.told
    assert told.step == "0"
    assert [(one.name, one.processes, one.threads) for one in told.programs] == [("lmp", 2, 8), ("bash", 1, 1)]


async def test_what_did_not_change_is_told_once_and_looked_at_ever_more_rarely(machine: Machine) -> None:
    step = machine.step(7, "batch")
    machine.runs(step, 10, "solver")
    await machine.walk.walk()
    machine.runs(step, 11, "post")
    await machine.walk.walk()  # not due yet
    assert len(machine.told) == 1
    machine.clock.advance(30)
    await machine.walk.walk()
    assert [one.name for one in machine.told[-1].programs] == ["post", "solver"]
    machine.runs(step, 12, "more")
    machine.clock.advance(59)
    await machine.walk.walk()
    assert len(machine.told) == 2
    machine.clock.advance(1)
    await machine.walk.walk()
    assert len(machine.told) == 3


async def test_of_very_many_steps_few_are_looked_at_at_once_and_the_newest_first(machine: Machine) -> None:
    for job_id in range(2 * MOST_STEPS):
        machine.runs(machine.step(job_id, "0"), 100 + job_id, f"p{job_id}")
    await machine.walk.walk()
    assert len(machine.told) == MOST_STEPS
    machine.clock.advance(600)  # by now the first ones are due again
    machine.runs(machine.step(900, "0"), 900, "newest")
    for _ in range(2):
        await machine.walk.walk()
    assert {told.programs[0].name for told in machine.told} == {"newest", *(f"p{n}" for n in range(2 * MOST_STEPS))}


async def test_a_step_of_the_same_name_in_another_life_is_told_anew(machine: Machine) -> None:
    first = machine.step(7, "0")
    machine.runs(first, 10, "a")
    await machine.walk.walk()
    machine.steps.clear()
    await machine.walk.walk()
    machine.step(7, "0")
    await machine.walk.walk()
    assert len(machine.told) == 2


async def test_a_process_that_ended_and_a_folder_that_went_are_nothing(machine: Machine) -> None:
    step = machine.step(7, "0")
    machine.runs(step, 10, "a")
    (machine.folder / "proc/10/stat").unlink()
    machine.steps.append(machine.step(8, "0"))
    (machine.folder / "job_8/step_0/user/task_0").rmdir()
    await machine.walk.walk()
    assert machine.told == []


@given(st.binary(max_size=80))
def test_any_text_of_a_stat_file_is_a_process_or_nothing(text: bytes) -> None:
    parse_stat(text)


@pytest.mark.parametrize("name", ["a) S 1 (b", "x y", "\x1b[31m", "é" * 7, ")))"])
def test_a_name_may_hold_anything(name: str) -> None:
    assert parse_stat(stat(name, 5, 3).encode()) == SeenProcess(name, 5, 3)


def test_the_most_that_was_seen_is_kept_and_few_programs_are() -> None:
    before = (StepProgram(name="a", processes=4, threads=4), StepProgram(name="b", processes=1, threads=1))
    now = programs_of([SeenProcess("a", 5, 9), *(SeenProcess(f"p{n}", 1, 1) for n in range(20))])
    joined = together(before, now)
    assert (joined[0].processes, joined[0].threads, len(joined)) == (4, 9, MOST_PROGRAMS)


def test_the_plugins_exit_keeps_the_programs_and_a_new_look_replaces_them() -> None:
    steps: dict[str, StepTotals] = {}
    seen = (StepProgram(name="a", processes=1, threads=1),)

    def take(role: StepRole, told: StepTotals, *, from_hook: bool) -> None:
        event = StepEvent("i", role, 1, "boot", 1, "n1", None, told, from_hook=from_hook)  # type: ignore[arg-type]
        reported_steps.take(steps, event)

    take(StepRole.START, StepTotals(step="0", started_ns=1), from_hook=False)
    take(StepRole.START, StepTotals(step="0", programs=seen), from_hook=True)
    take(StepRole.EXIT, StepTotals(step="0", ended_ns=9), from_hook=False)
    assert (steps["0"].programs, steps["0"].started_ns, steps["0"].ended_ns) == (seen, 1, 9)
    take(StepRole.START, StepTotals(step="0", programs=seen * 2), from_hook=True)
    assert len(steps["0"].programs) == 2
