"""A simulated cluster with faults: what detectors observe, minute by minute, and what was really wrong.

Owns the simulator of the FINDINGS case. Seeded. Jobs of many shapes (balanced, imbalanced, with phases of output,
serial) start, run, and end on nodes; logs have their background of events. Faults of ten kinds are injected, one truth
interval each, into some days; other days are clean. What is observed has the types that the hub's stage fills.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.node_pasts import sound_past
from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.observed import (
    Exposure,
    LoggedEvent,
    NodeLoad,
    NodeMakeup,
    Observed,
    RateKey,
    RunLoad,
)
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.node_states.facts import NodeCourse
from slurmlens.slurm.records import JobState

NODES, CORES = 48, 16.0
MINUTE_NS = 60 * NS_PER_S
DAY_MINUTES = 1440
START_NS = 1_800_000_000 * NS_PER_S
USERS = tuple(f"user{number}" for number in range(12))
FAILURE_RATE = 0.04
"""Of sound jobs: their own programs fail."""
BACKGROUND = {"segfault": 0.05, "oom_kill": 0.08, "hung_task": 0.004, "credential_refused": 0.004, "throttled": 0.01}
"""Events a node and day that mean nothing."""


class Fault(NamedTuple):
    """One injected fault: what kind, where or in which job, and from when to when (minutes of the day)."""

    kind: str
    thing: str
    begin: int
    end: int


FAULT_KINDS = (
    "failing-node",
    "slow-node",
    "event-burst",
    "gpu-lost",
    "memory-uncorrectable",
    "corrected-storm",
    "server-away",
    "held-idle",
    "stopped",
    "drift",
)


@dataclass
class _Job:
    job_id: int
    user: str
    name: str
    nodes: tuple[str, ...]
    begin: int
    minutes: int
    level: float
    spread: dict[str, float]
    period: int
    low: float
    noise: float
    fails: bool
    idle_from: int | None = None

    @property
    def end(self) -> int:
        return self.begin + self.minutes


@dataclass
class Day:
    """One simulated day: everything that happens in it, asked for minute by minute."""

    seed: int
    fault_kinds: tuple[str, ...] = ()
    jobs: list[_Job] = field(default_factory=list)
    events: list[LoggedEvent] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._draw = random.Random(self.seed)
        self._names = [f"n{number:02}" for number in range(NODES)]
        self._schedule()
        self._background()
        for kind in self.fault_kinds:
            _INJECT[kind](self)
        self.events.sort(key=lambda event: event.time_ns)
        self._courses: dict[int, dict[str, list[float]]] = {}

    def _schedule(self) -> None:
        free = dict.fromkeys(self._names, 0)
        job_id = self.seed * 10_000
        for minute in range(0, DAY_MINUTES, 3):
            idle = [name for name in self._names if free[name] <= minute]
            while idle and self._draw.random() < 0.8:
                job_id += 1
                job = self._job(job_id, minute, idle)
                self.jobs.append(job)
                for name in job.nodes:
                    free[name] = job.end + 1
                idle = [name for name in self._names if free[name] <= minute]

    def _job(self, job_id: int, minute: int, idle: list[str]) -> _Job:
        draw = self._draw
        count = min(len(idle), draw.choice((1, 1, 1, 1, 2, 2, 4, 4, 8, 16)))
        nodes = tuple(sorted(draw.sample(idle, count)))
        user = draw.choice(USERS)
        imbalance = draw.choice((0.01, 0.02, 0.02, 0.05, 0.15))
        return _Job(
            job_id=job_id,
            user=user,
            name=f"{user}-{draw.randrange(4)}",
            nodes=nodes,
            begin=minute,
            minutes=min(600, max(4, round(draw.lognormvariate(3.6, 0.9)))),
            level=draw.choice((0.35, 0.7, 0.9, 0.96)),
            spread={node: draw.gauss(1.0, imbalance) for node in nodes},
            period=draw.choice((0, 0, 0, 12, 30)),
            low=draw.uniform(0.05, 0.5),
            noise=draw.choice((0.01, 0.03, 0.06)),
            fails=draw.random() < FAILURE_RATE,
        )

    def _background(self) -> None:
        for name in self._names:
            for kind, rate in BACKGROUND.items():
                for _ in range(_poisson(self._draw, rate)):
                    self._event(kind, name, self._draw.randrange(DAY_MINUTES))

    def _event(self, kind: str, node: str, minute: int, **fields: str | int) -> None:
        time_ns = START_NS + minute * MINUTE_NS + self._draw.randrange(MINUTE_NS)
        self.events.append(LoggedEvent(time_ns=time_ns, node=node, kind=kind, fields=fields, text=kind))

    def observed(self, minute: int) -> Observed:
        """What the stage would hand to detectors at this minute."""
        now_ns = START_NS + minute * MINUTE_NS
        running = [job for job in self.jobs if job.begin < minute < job.end]
        ended = [job for job in self.jobs if job.end <= minute]
        events = tuple(event for event in self.events if now_ns - 24 * 60 * MINUTE_NS <= event.time_ns < now_ns)
        week_s = 7 * 86_400.0
        rates = {
            RateKey(name, kind): Exposure(round(7 * rate * (1 + (hash_of(name, kind) % 5) / 4)), week_s)
            for name in self._names
            for kind, rate in BACKGROUND.items()
        }
        return Observed(
            now_ns=now_ns,
            runs=tuple(_placed(job, JobState.FAILED if job.fails else JobState.COMPLETED, over=True) for job in ended),
            loads=tuple(self._load(job, minute) for job in running),
            events=events,
            rates=rates,
            nodes={name: self._makeup(name, minute) for name in self._names},
            noise={"cpu_share": 0.06},
            courses=self._pasts(minute),
        )

    def _pasts(self, minute: int) -> tuple[NodeCourse, ...]:
        """Each sound node's past once in two hours; the hub looks at it every hour."""
        if self.fault_kinds:
            return ()
        now_s = START_NS // NS_PER_S + minute * 60
        due = range(minute % 120 // 2, NODES, 60)
        return tuple(sound_past(self.seed, number, now_s) for number in due)

    def _makeup(self, name: str, minute: int) -> NodeMakeup:
        drifted = any(fault.kind == "drift" and fault.thing == name and fault.begin <= minute for fault in self.faults)
        version = "24.05.4" if drifted else "24.11.1"
        return NodeMakeup(node=name, state="ALLOCATED", group="all", attributes={"slurm_version": version})

    def _load(self, job: _Job, minute: int) -> RunLoad:
        courses = self._courses.setdefault(job.job_id, {})
        nodes = []
        for name in job.nodes:
            course = courses.setdefault(name, [])
            while len(course) < minute - job.begin:
                course.append(self._cores(job, name, job.begin + len(course)))
            nodes.append(NodeLoad(node=name, cores=CORES, cpu=tuple(course)))
        placed = _placed(job, JobState.RUNNING, over=False)
        return RunLoad(run=placed, width_s=60.0, start_ns=START_NS + job.begin * MINUTE_NS, nodes=tuple(nodes))

    def _cores(self, job: _Job, name: str, minute: int) -> float:
        age = minute - job.begin
        if job.idle_from is not None and age >= job.idle_from:
            return 0.0
        level = job.level * job.spread[name]
        if job.period and age % job.period >= job.period - 2:
            level *= job.low
        level *= self._slowness(name, minute)
        draw = random.Random(hash_of(job.job_id, name, minute))
        return max(0.0, min(1.0, level * draw.gauss(1.0, job.noise))) * CORES

    def _slowness(self, name: str, minute: int) -> float:
        for fault in self.faults:
            if fault.kind == "slow-node" and fault.thing == name and fault.begin <= minute < fault.end:
                return 0.55
        return 1.0


def hash_of(*parts: object) -> int:
    """The same number in each process, which `hash` of a text is not."""
    value = 2166136261
    for byte in "/".join(map(str, parts)).encode():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def _poisson(draw: random.Random, mean: float) -> int:
    limit, product, count = math.exp(-mean), draw.random(), 0
    while product > limit:
        product *= draw.random()
        count += 1
    return count


def _placed(job: _Job, state: JobState, *, over: bool) -> PlacedRun:
    return PlacedRun(
        job_id=job.job_id,
        run=1,
        state=state,
        name=job.name,
        user=job.user,
        start_ns=START_NS + job.begin * MINUTE_NS,
        end_ns=START_NS + job.end * MINUTE_NS if over else None,
        nodes=job.nodes,
    )


def _window(day: Day, minutes: int) -> tuple[int, int]:
    begin = day._draw.randrange(240, DAY_MINUTES - minutes - 30)
    return begin, begin + minutes


def _failing_node(day: Day) -> None:
    """From now on every job on the node fails after a few minutes."""
    node = day._draw.choice(day._names)
    begin, end = _window(day, 480)
    minute = begin
    job_id = day.seed * 10_000 + 9_000
    day.jobs = [job for job in day.jobs if node not in job.nodes or job.end < begin or job.begin >= end]
    while minute < end:
        job = day._job(job_id, minute, [node])
        job.minutes, job.fails = day._draw.randrange(3, 25), True
        day.jobs.append(job)
        minute += job.minutes + day._draw.randrange(2, 20)
        job_id += 1
    day.faults.append(Fault("failing-node", node, begin, end))


def _slow_node(day: Day) -> None:
    """A node at 55 % for as long as one job of four nodes and more runs on it."""
    wide = [job for job in day.jobs if len(job.nodes) >= 4 and job.minutes >= 45 and job.begin > 60 and job.level > 0.6]
    job = day._draw.choice(wide)
    node = day._draw.choice(job.nodes)
    begin = job.begin + 15
    day.faults.append(Fault("slow-node", node, begin, min(job.end, DAY_MINUTES)))


def _event_burst(day: Day) -> None:
    node = day._draw.choice(day._names)
    begin, end = _window(day, 60)
    for _ in range(12):
        day._event("hung_task", node, day._draw.randrange(begin, end))
    day.faults.append(Fault("event-burst", node, begin, end))


def _one_event(kind: str, **fields: str | int) -> Callable[[Day], None]:
    def inject(day: Day) -> None:
        node = day._draw.choice(day._names)
        begin, end = _window(day, 60)
        day._event(fields_kind(kind), node, begin, **fields)
        day.faults.append(Fault(kind, node, begin, end))

    return inject


def fields_kind(kind: str) -> str:
    """The kind of line that a fault writes."""
    return {"gpu-lost": "gpu_error", "memory-uncorrectable": "memory_error"}[kind]


def _corrected_storm(day: Day) -> None:
    node = day._draw.choice(day._names)
    begin, end = _window(day, 60)
    for _ in range(20):
        day._event("memory_error", node, day._draw.randrange(begin, end), severity="CE", dimm="A1", count=3)
    day.faults.append(Fault("corrected-storm", node, begin, end))


def _server_away(day: Day) -> None:
    begin, end = _window(day, 30)
    for node in day._draw.sample(day._names, 20):
        day._event("nfs_silent", node, begin + day._draw.randrange(5), server="nfs1")
    day.faults.append(Fault("server-away", "nfs1", begin, end))


def _held_idle(day: Day) -> None:
    job = day._draw.choice([job for job in day.jobs if job.minutes >= 120 and job.end < DAY_MINUTES])
    job.idle_from = 0
    day.faults.append(Fault("held-idle", str(job.job_id), job.begin + 60, job.end))


def _stopped(day: Day) -> None:
    usable = [job for job in day.jobs if job.minutes >= 100 and job.level > 0.6 and job.end < DAY_MINUTES]
    job = day._draw.choice([one for one in usable if one.idle_from is None])
    job.idle_from = 40
    day.faults.append(Fault("stopped", str(job.job_id), job.begin + 40, job.end))


def _drift(day: Day) -> None:
    node = day._draw.choice(day._names)
    begin, _ = _window(day, 60)
    day.faults.append(Fault("drift", node, begin, DAY_MINUTES))


_INJECT: dict[str, Callable[[Day], None]] = {
    "failing-node": _failing_node,
    "slow-node": _slow_node,
    "event-burst": _event_burst,
    "gpu-lost": _one_event("gpu-lost", xid=79, pci="0000:3b:00"),
    "memory-uncorrectable": _one_event("memory-uncorrectable", severity="UE", dimm="A1", count=1),
    "corrected-storm": _corrected_storm,
    "server-away": _server_away,
    "held-idle": _held_idle,
    "stopped": _stopped,
    "drift": _drift,
}


def days(seed: int, count: int, *, faults: bool) -> Iterator[Day]:
    """Days with one fault of each kind in each, or clean ones."""
    for number in range(count):
        yield Day(seed + number, FAULT_KINDS if faults else ())
