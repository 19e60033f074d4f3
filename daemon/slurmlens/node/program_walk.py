"""Which programs a job's steps run: a walk over their own processes, rare and in slices, for the hub.

Owns what was told of each step. A new step is looked at within `interval_s`, then after twice as long each time, in the
end once an hour; what differs from before is told as a step's event, which adds to what hooks and the plugin say.
Invariants: at most `MOST_STEPS` are looked at in one interval, the newest first, so that a node full of small jobs pays
no more than any other; only processes in a step's own folder are, at most `MOST_PROCESSES` of one step, so many at once
that the loop is held for no longer than a tick; names and threads alone are read, which every user may, no command
line and no environment; Slurm's own processes are left out; while the node is silenced nothing is looked at. A process
that lives between two looks is not seen. Source: proc_pid_stat(5). Made and run by `pipeline`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from slurmlens.cgroup.sighting import CgroupSeen
from slurmlens.clock import NS_PER_S, Clock, Moment
from slurmlens.config.programs import ProgramsConfig
from slurmlens.events import JobIdentity, Place, StepProgram, StepTotals, derived_id
from slurmlens.hook_events import StepEvent, StepRole
from slurmlens.node.sampler.process_io import pids_below

MOST_STEPS = 16
MOST_PROCESSES = 512
MOST_PROGRAMS = 8
"""Of a step, those that used most CPU time."""

LONGEST_WAIT_S = 3600.0
_AT_ONCE = 32
_DEPTH = 3
_SLURMS_OWN = frozenset({"slurmstepd", "slurm_script"})


class SeenProcess(NamedTuple):
    """One process: its program's name (15 characters at most), what it used (ticks), and its threads."""

    name: str
    cpu_ticks: int
    threads: int


@dataclass(slots=True)
class _WalkedStep:
    due_ns: int
    wait_ns: int
    told: tuple[StepProgram, ...] = ()


class ProgramWalk:
    """The stage; `run` it until cancelled. `steps` are those that are here now, by their names."""

    def __init__(
        self,
        config: ProgramsConfig,
        place: Place,
        proc: Path,
        steps: Callable[[], Sequence[CgroupSeen]],
        tell: Callable[[StepEvent], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._wait_ns = round(config.interval_s * NS_PER_S)
        self._place = place
        self._proc = proc
        self._steps = steps
        self._tell = tell
        self._clock = clock
        self._walked: dict[tuple[str, int, str], _WalkedStep] = {}
        self.is_silent = False

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(self._wait_ns / NS_PER_S)
            if not self.is_silent:
                await self.walk()

    async def walk(self) -> None:
        """Look at the steps whose turn it is, and tell what is new of them."""
        now_ns, before, self._walked = self._clock.monotonic_ns(), self._walked, {}
        due: list[tuple[CgroupSeen, str, _WalkedStep]] = []
        for seen in self._steps():
            if seen.step is None or seen.step == "extern":
                continue
            key = (seen.key, seen.life, seen.step)
            one = self._walked[key] = before.get(key) or _WalkedStep(now_ns, self._wait_ns)
            if one.due_ns <= now_ns:
                due.append((seen, seen.step, one))
        # the shorter its wait, the newer the step; of as new ones, who waits longest
        for seen, step, one in nsmallest(MOST_STEPS, due, key=lambda item: (item[2].wait_ns, item[2].due_ns)):
            await self._look(seen, step, one)
            one.wait_ns = min(2 * one.wait_ns, round(LONGEST_WAIT_S * NS_PER_S))
            one.due_ns = now_ns + one.wait_ns

    async def _look(self, seen: CgroupSeen, step: str, walked: _WalkedStep) -> None:
        programs = together(walked.told, programs_of(await self._processes(seen.place.cpu)))
        if programs != walked.told:
            walked.told = programs
            await self._tell(self._event(seen, step, programs))

    async def _processes(self, folder: Path) -> list[SeenProcess]:
        pids = islice(pids_below(folder, _DEPTH), MOST_PROCESSES)
        found: list[SeenProcess] = []
        while some := list(islice(pids, _AT_ONCE)):
            found += [seen for pid in some if (seen := self._process(pid)) is not None]
            await asyncio.sleep(0)  # others have their turn
        return found

    def _process(self, pid: int) -> SeenProcess | None:
        try:
            return parse_stat((self._proc / str(pid) / "stat").read_bytes())
        except OSError:  # it ended
            return None

    def _event(self, seen: CgroupSeen, step: str, programs: tuple[StepProgram, ...]) -> StepEvent:
        place, at = self._place, Moment(self._clock.wall_ns(), self._clock.boottime_ns())
        return StepEvent(
            id=derived_id(place.cluster, place.node, str(seen.job_id), step, "programs", str(at.boottime_ns)),
            role=StepRole.START,
            time_ns=at.wall_ns,
            boot_id=place.boot_id,
            boottime_ns=at.boottime_ns,
            node=place.node,
            job=JobIdentity(job_id=seen.job_id),
            told=StepTotals(step=step, programs=programs),
            from_hook=True,
        )


def parse_stat(text: bytes) -> SeenProcess | None:
    """The process in the text of `/proc/PID/stat`; None where it is none, or Slurm's own.

    Its name may hold anything.
    """
    begin, end = text.find(b"("), text.rfind(b")")
    words = text[end + 1 :].split()
    if begin < 0 or end < begin or len(words) < 18 or not all(words[at].isdigit() for at in (11, 12, 17)):
        return None
    name = text[begin + 1 : end].decode("utf-8", "replace").strip()
    if not name or name in _SLURMS_OWN:
        return None
    return SeenProcess(name, int(words[11]) + int(words[12]), int(words[17]))


def programs_of(processes: Iterable[SeenProcess]) -> tuple[StepProgram, ...]:
    """What the processes are, the program that used most CPU time first."""
    by_name: dict[str, list[SeenProcess]] = {}
    for seen in processes:
        by_name.setdefault(seen.name, []).append(seen)
    in_order = sorted(by_name.items(), key=lambda item: (-sum(seen.cpu_ticks for seen in item[1]), item[0]))
    return tuple(
        StepProgram(name=name, processes=len(own), threads=sum(seen.threads for seen in own))
        for name, own in in_order[:MOST_PROGRAMS]
    )


def together(before: Sequence[StepProgram], now: Sequence[StepProgram]) -> tuple[StepProgram, ...]:
    """Both, each program once with the most of it that was seen at one time; those of now first."""
    known = {program.name: program for program in before}
    joined = {program.name: _most(program, known.pop(program.name, program)) for program in now}
    return (*joined.values(), *known.values())[:MOST_PROGRAMS]


def _most(one: StepProgram, other: StepProgram) -> StepProgram:
    return StepProgram(
        name=one.name,
        processes=max(one.processes, other.processes),
        threads=max(one.threads, other.threads),
    )
