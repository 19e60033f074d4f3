"""What each job makes of the GPUs it has: sans-IO, told readings and times.

Owns the running totals of every (sighting, GPU), and which GPUs are used by jobs they were not given to. Invariants: a
job has what its allocation says; only where nothing says so, it has what its processes use, and that is marked; how
busy a GPU was is added up over the time in which it told it; a holding that has ended is told `TOLD_AFTER_END` times
more, so that one lost event costs nothing. Fed by `stage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from slurmlens.clock import NS_PER_S, Moment
from slurmlens.events import GpuHolding, GpuState
from slurmlens.node.gpus.reading import GpuReading

TOLD_AFTER_END = 3
LONGEST_STEP_S = 120.0
"""A longer time between two readings was not watched."""

PROCESSES = "processes"


class GpuAllocation(msgspec.Struct, frozen=True):
    """One running job: what it was given, and how that is known; None: not known."""

    sighting: str
    job_id: int
    uuids: frozenset[str] | None = None
    by: str = ""


@dataclass(slots=True)
class _Running:
    """One holding; `used_ns` is when the GPU was last seen busy."""

    job_id: int
    by: str
    since: Moment
    last_ns: int
    used_ns: int
    energy_before: float | None
    seen_s: float = 0.0
    busy_s: float = 0.0
    energy_joules: float | None = None
    memory_peak_bytes: int = 0
    processes: int = 0
    is_shared: bool = False
    ended_tellings: int | None = None


Key = tuple[str, str]
"""Sighting and UUID."""


class Holdings:
    """All holdings of a node."""

    def __init__(self) -> None:
        self._running: dict[Key, _Running] = {}

    def update(
        self, readings: Sequence[GpuReading], jobs: Sequence[GpuAllocation], users: Mapping[int, str], now: Moment
    ) -> dict[str, tuple[int, ...]]:
        """One more look; `users` is the sighting of each process on a GPU that belongs to a job. Returns, by UUID, jobs
        that use what was given to others."""
        by_sighting = {job.sighting: job for job in jobs}
        outsiders: dict[str, tuple[int, ...]] = {}
        seen: set[Key] = set()
        for reading in readings:
            uuid = reading.state.uuid
            using = {users[pid] for pid, _ in reading.processes if pid in users}
            holders = {job.sighting: job.by for job in jobs if job.uuids is not None and uuid in job.uuids}
            for sighting in using & by_sighting.keys():
                if by_sighting[sighting].uuids is None and not reading.state.is_split:
                    holders.setdefault(sighting, PROCESSES)
            known = {key[0] for key in self._running if key[1] == uuid and key[0] in by_sighting}
            for sighting in known - holders.keys():
                if by_sighting[sighting].uuids is None:  # its processes have gone for now
                    holders[sighting] = PROCESSES
            for sighting, by in holders.items():
                seen.add((sighting, uuid))
                self._look(by_sighting[sighting], by, reading, users, len(holders) > 1, now)
            outside = {by_sighting[one].job_id for one in using if one in by_sighting and one not in holders}
            if outside and not reading.state.is_split:
                outsiders[uuid] = tuple(sorted(outside))
        self._end(by_sighting.keys(), seen)
        return outsiders

    def told(self, now: Moment) -> tuple[GpuHolding, ...]:
        """All that run, and those that ended lately; counts a telling of the latter."""
        found = [self._holding(key, one, now) for key, one in self._running.items()]
        for key, one in list(self._running.items()):
            if one.ended_tellings is not None:
                one.ended_tellings += 1
                if one.ended_tellings > TOLD_AFTER_END:
                    del self._running[key]
        return tuple(found)

    def _look(
        self, job: GpuAllocation, by: str, reading: GpuReading, users: Mapping[int, str], is_shared: bool, now: Moment
    ) -> None:
        state, key = reading.state, (job.sighting, reading.state.uuid)
        one = self._running.get(key)
        now_ns = now.boottime_ns
        if one is None:
            one = self._running[key] = _Running(job.job_id, by, now, now_ns, now_ns, state.energy_joules)
        own = [size for pid, size in reading.processes if users.get(pid) == job.sighting]
        one.by, one.processes, one.is_shared = by, len(own), one.is_shared or is_shared
        passed_s = (now_ns - one.last_ns) / NS_PER_S
        one.last_ns = now_ns
        memory_bytes = sum(own) if is_shared or not state.memory_used_bytes else state.memory_used_bytes
        one.memory_peak_bytes = max(one.memory_peak_bytes, memory_bytes)
        self._add_energy(one, state)
        if state.utilisation_ratio is None:
            if own:
                one.used_ns = now_ns
            return
        if passed_s <= LONGEST_STEP_S:
            one.seen_s += passed_s
            one.busy_s += passed_s * state.utilisation_ratio
        if state.utilisation_ratio > 0:
            one.used_ns = now_ns

    def _add_energy(self, one: _Running, state: GpuState) -> None:
        before, one.energy_before = one.energy_before, state.energy_joules
        if before is not None and state.energy_joules is not None and state.energy_joules >= before:
            one.energy_joules = (one.energy_joules or 0.0) + state.energy_joules - before

    def _end(self, running: Iterable[str], seen: set[Key]) -> None:
        sightings = set(running)
        for key, one in self._running.items():
            if key[0] not in sightings and one.ended_tellings is None and key not in seen:
                one.ended_tellings = 0
                one.processes = 0

    def _holding(self, key: Key, one: _Running, now: Moment) -> GpuHolding:
        sighting, uuid = key
        return GpuHolding(
            uuid=uuid,
            sighting=sighting,
            job_id=one.job_id,
            by=one.by,
            since_ns=one.since.wall_ns,
            told_ns=now.wall_ns,
            seen_s=round(one.seen_s, 3),
            busy_s=round(one.busy_s, 3),
            idle_s=round(max(0, one.last_ns - one.used_ns) / NS_PER_S, 3),
            memory_peak_bytes=one.memory_peak_bytes,
            energy_joules=one.energy_joules,
            processes=one.processes,
            is_shared=one.is_shared,
            has_ended=one.ended_tellings is not None,
        )
