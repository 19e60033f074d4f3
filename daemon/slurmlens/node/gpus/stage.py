"""The loop over GPUs: reads them through `slurmlens-probe`, joins them with jobs, makes points; keeps the newest state.

Owns the probe's process and the holdings. Invariants: no process is started where no driver is loaded; GPUs that hang
or whose probe fails are told as such, by what was known of them, never with old figures, and the daemon goes on;
processes are joined with jobs by the kernel's word (`/proc/PID/cgroup`), never by names. Made and run by `pipeline`;
the collectors' stage sends `told` to the hub.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from slurmlens.clock import NS_PER_S, Clock, Moment
from slurmlens.config.collectors import GpusConfig
from slurmlens.events import GpuHolding, GpuState, Place
from slurmlens.node.collectors.sessions import LEAST_UID
from slurmlens.node.gpus.allocation import CGROUP, HOOK, DevicesCgroups, by_devices, by_numbers
from slurmlens.node.gpus.holdings import GpuAllocation, Holdings
from slurmlens.node.gpus.reading import GpuReading, figures_of, readings_of
from slurmlens.node.probe.process import ProbeProcess
from slurmlens.runtime.intervals import next_interval
from slurmlens.telemetry.internal import InternalEvent, Reporter, lasting
from slurmlens.wire.carbon import system_lines

DRIVERS = ("proc/driver/nvidia/version", "dev/nvidiactl", "sys/module/amdgpu")
GPUS_HANG = lasting("gpus_hang", logging.WARNING, "the GPUs' driver does not answer; their probe was ended")
GPUS_UNREAD = lasting(
    "gpus_unread", logging.WARNING, "the GPUs' probe ends by itself or fails; nothing is read of them"
)
GPUS_ODD = InternalEvent("gpus_odd", logging.WARNING, "{count} GPUs told something that makes no sense")


class GpuJob(msgspec.Struct, frozen=True):
    """One running job; `numbers` are its GPUs as the Prolog was told, in Slurm's own counting."""

    sighting: str
    job_id: int
    numbers: str | None = None


class GpuStage:
    """The stage; `run` it until cancelled. `member` tells the job id of a process by the text of its cgroup file."""

    def __init__(
        self,
        config: GpusConfig,
        place: Place,
        root: Path,
        probe: ProbeProcess,
        jobs: Callable[[], Sequence[GpuJob]],
        member: Callable[[str], tuple[int, str | None] | None],
        points: Callable[[bytes, int], Awaitable[None]],
        reporter: Reporter,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._config = config
        self._place = place
        self._root = root
        self._probe = probe
        self._jobs = jobs
        self._member = member
        self._points = points
        self._reporter = reporter
        self._clock = clock
        self._sleep = sleep
        self._devices = DevicesCgroups(root)
        self._holdings = Holdings()
        self._states: tuple[GpuState, ...] = ()
        self._given: dict[str, GpuAllocation] = {}
        self.is_silent = False

    async def run(self) -> None:
        """Readings, until cancelled."""
        interval_ns = round(self._config.interval_s * NS_PER_S)
        try:
            while True:
                due_ns = await next_interval(interval_ns, self._clock, self._sleep)
                if not self.is_silent and (self._states or self._has_driver()):
                    await self._take(due_ns)
        finally:
            self._probe.kill()

    def told(self) -> tuple[tuple[GpuState, ...], tuple[GpuHolding, ...]]:
        """What the hub is to know now."""
        return self._states, self._holdings.told(self._now())

    async def _take(self, due_ns: int) -> None:
        told = await self._probe.ask("gpus", str(self._root), self._config.timeout_s)
        if told is None:
            hangs = self._probe.has_hung or self._probe.is_stuck
            self._reporter.report(GPUS_HANG if hangs else GPUS_UNREAD)
            self._states = tuple(_unread(state, "hangs" if hangs else "not read") for state in self._states)
            return
        self._reporter.over(GPUS_HANG)
        self._reporter.over(GPUS_UNREAD)
        readings, odd = readings_of(told)
        if odd:
            self._reporter.report(GPUS_ODD, count=odd)
        outsiders = self._join(readings)
        self._states = tuple(
            msgspec.structs.replace(
                one.state, outsiders=outsiders.get(one.state.uuid, ()), strangers=self._strangers(one.processes)
            )
            for one in readings
        )
        figures = [figure for reading in readings for figure in figures_of(reading)]
        if figures:
            lines = system_lines(self._place.cluster, self._place.node, figures, due_ns // NS_PER_S)
            await self._points(*lines)

    def _join(self, readings: Sequence[GpuReading]) -> Mapping[str, tuple[int, ...]]:
        states = [reading.state for reading in readings]
        jobs = self._jobs()
        allocations = [self._allocation(job, states) for job in jobs]
        self._given = {one.sighting: one for one in allocations}
        sightings = {job.job_id: job.sighting for job in jobs}
        users: dict[int, str] = {}
        for pid in {pid for reading in readings for pid, _ in reading.processes}:
            job_id = self._job_of(pid)
            if job_id is not None and job_id in sightings:
                users[pid] = sightings[job_id]
        return self._holdings.update(readings, allocations, users, self._now())

    def _allocation(self, job: GpuJob, states: Sequence[GpuState]) -> GpuAllocation:
        """What the job has; what is known of it does not change while it runs, so it is looked up once."""
        known = self._given.get(job.sighting)
        if known is not None and known.uuids is not None:
            return known
        text = self._devices.list_of(job.job_id)
        uuids, by = (None if text is None else by_devices(text, states)), CGROUP
        if uuids is None and job.numbers:
            uuids, by = by_numbers(job.numbers, states), HOOK
        return GpuAllocation(job.sighting, job.job_id, uuids, by if uuids is not None else "")

    def _job_of(self, pid: int) -> int | None:
        try:
            text = (self._root / f"proc/{pid}/cgroup").read_text("utf-8", "replace")
        except OSError:
            return None
        member = self._member(text)
        return None if member is None else member[0]

    def _strangers(self, processes: Sequence[tuple[int, int]]) -> tuple[int, ...]:
        """Who computes there outside any job: the users of processes that no job's cgroup holds. A process whose cgroup
        cannot be read has ended."""
        found = set()
        for pid, _ in processes:
            try:
                text = (self._root / f"proc/{pid}/cgroup").read_text("utf-8", "replace")
                uid = (self._root / f"proc/{pid}").stat().st_uid
            except OSError:
                continue
            if uid >= LEAST_UID and self._member(text) is None:
                found.add(uid)
        return tuple(sorted(found))

    def _has_driver(self) -> bool:
        return any((self._root / path).exists() for path in DRIVERS)

    def _now(self) -> Moment:
        return Moment(self._clock.wall_ns(), self._clock.boottime_ns())


def _unread(state: GpuState, problem: str) -> GpuState:
    """What is still true of a GPU of which nothing is heard: who it is."""
    return GpuState(
        uuid=state.uuid, pci=state.pci, minor=state.minor, model=state.model, part_of=state.part_of, problem=problem
    )
