"""A node's registry without a daemon: stimuli in, all it said kept; restarts with what it remembered."""

from __future__ import annotations

from typing import TypeVar

from slurmlens.clock import NS_PER_S, Moment
from slurmlens.events import JobIdentity, JobSummary, Place, StepTotals, Totals
from slurmlens.hook_events import HookEvent, HookRole, StepEvent, StepRole
from slurmlens.node import registry as reg
from slurmlens.node.registry import memory

BOOT = "11111111-2222-3333-4444-555555555555"
EARLIER_BOOT = "00000000-2222-3333-4444-555555555555"
STARTED_S = 1000.0
_EPOCH_OF_BOOT_S = 1_795_420_800

Event = TypeVar("Event")


def moment(at_s: float) -> Moment:
    """So many seconds after the boot."""
    since_boot_ns = round(at_s * NS_PER_S)
    return Moment(_EPOCH_OF_BOOT_S * NS_PER_S + since_boot_ns, since_boot_ns)


def place(boot: str = BOOT) -> Place:
    return Place("demo", "n0", boot)


def step_event(role: StepRole, job_id: int, at_s: float, told: StepTotals, **asked: float) -> StepEvent:
    """What the plugin says of a step, by no hook."""
    at = moment(at_s)
    return StepEvent(
        id=f"{role.value}-{job_id}-{told.step}-{at_s}",
        role=role,
        time_ns=at.wall_ns,
        boot_id=BOOT,
        boottime_ns=at.boottime_ns,
        node="n0",
        job=JobIdentity(job_id=job_id, user_id=2000),
        told=told,
        **asked,  # type: ignore[arg-type]
    )


class Node:
    """A registry and everything it said; the same hook of the same job and time is the same event, whoever reads it."""

    def __init__(self, started_s: float = STARTED_S, left: memory.Memory | None = None, **settings: float) -> None:
        known = reg.RegistrySettings(**settings)  # type: ignore[arg-type]
        self.registry = reg.Registry(place(), known, moment(started_s), left)
        self.registry.validate()
        self.said: list[reg.Instruction] = []

    def handle(self, stimulus: reg.Stimulus) -> list[reg.Instruction]:
        answer = self.registry.handle(stimulus)
        self.registry.validate()
        self.said += answer
        return answer

    def prolog(
        self, job_id: int, at_s: float, *, read_s: float | None = None, boot: str = BOOT, **job: str | int
    ) -> HookEvent:
        return self._hook(HookRole.PROLOG, job_id, at_s, read_s, boot, job)

    def epilog(
        self, job_id: int, at_s: float, *, read_s: float | None = None, boot: str = BOOT, **job: str | int
    ) -> HookEvent:
        return self._hook(HookRole.EPILOG, job_id, at_s, read_s, boot, job)

    def appears(self, job_id: int, at_s: float, name: str | None = None) -> list[reg.Instruction]:
        identity = JobIdentity(job_id=job_id, user_id=2000)
        return self.handle(reg.CgroupAppeared(moment(at_s), name or f"job_{job_id}", identity))

    def vanishes(self, job_id: int, at_s: float, name: str | None = None) -> list[reg.Instruction]:
        return self.handle(reg.CgroupVanished(moment(at_s), name or f"job_{job_id}"))

    def walked(self, at_s: float) -> list[reg.Instruction]:
        return self.handle(reg.TreeWalked(moment(at_s)))

    def tick(self, *times_s: float) -> None:
        for at_s in times_s:
            self.handle(reg.TimePassed(moment(at_s)))

    def events(self, kind: type[Event]) -> list[Event]:
        return [one.event for one in self.said if isinstance(one, reg.Emit) and isinstance(one.event, kind)]

    def summaries(self) -> list[JobSummary]:
        return [one.draft for one in self.said if isinstance(one, reg.Summarise)]

    def watches(self) -> list[reg.Watch]:
        return [one for one in self.said if isinstance(one, reg.Watch)]

    def restarted(self, at_s: float, totals: dict[int, Totals] | None = None, *, after_s: float = 60.0) -> Node:
        """The next daemon, that begins so much later with what this one had in its file at that time."""
        left = memory.decode(memory.encode(self.registry.remembered(moment(at_s), totals or {})))
        return Node(at_s + after_s, left)

    def _hook(
        self, role: HookRole, job_id: int, at_s: float, read_s: float | None, boot: str, job: dict[str, str | int]
    ) -> HookEvent:
        begin = moment(at_s)
        event = HookEvent(
            id=f"{role.value}-{job_id}-{at_s}",
            role=role,
            time_ns=begin.wall_ns,
            boot_id=boot,
            boottime_ns=begin.boottime_ns,
            cluster=None,
            node=None,
            job=JobIdentity(job_id=job_id, **job),  # type: ignore[arg-type]
        )
        self.handle(reg.HookSeen(moment(at_s if read_s is None else read_s), event))
        return event
