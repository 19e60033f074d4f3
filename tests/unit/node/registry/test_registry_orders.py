"""Whatever the order of stimuli: every told start gets one summary, hooks are told once, slots are never shared, and
nothing leaks."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from slurmlens.clock import Moment
from slurmlens.events import JobEnd, JobIdentity, JobStart, JobSummary, Place
from slurmlens.hook_events import HookEvent, HookRole
from slurmlens.node import registry as reg

NS = 1_000_000_000
BOOTS = ("this", "earlier")
JOBS = st.integers(1, 3)
SLOTS = 2


class AnyOrder(RuleBasedStateMachine):
    """Stimuli in any order at all, as no Slurm would send them; only time goes forward."""

    @initialize()
    def begin(self) -> None:
        self.now_ns = 1000 * NS
        self.registry = reg.Registry(Place("c", "n", BOOTS[0]), reg.RegistrySettings(slots=SLOTS), self.at())
        self.sent: list[HookEvent] = []
        self.there: dict[str, int] = {}
        self.folders = 0
        self.told: list[JobStart | JobEnd] = []
        self.summaries: list[JobSummary] = []
        self.watched: set[tuple[int, str]] = set()

    def at(self) -> Moment:
        return Moment(self.now_ns + 10**18, self.now_ns)

    def handle(self, stimulus: reg.Stimulus) -> None:
        self.now_ns += 1000
        for one in self.registry.handle(stimulus):
            match one:
                case reg.Emit(event) if isinstance(event, (JobStart, JobEnd)):
                    self.told.append(event)
                case reg.Summarise(number, draft):
                    self.summaries.append(draft)
                    self.watched = {(owner, name) for owner, name in self.watched if owner != number}
                case reg.Watch():
                    assert all(name != one.cgroup for _, name in self.watched), "one cgroup for two sightings"
                    self.watched.add((one.number, one.cgroup))
                case reg.Unwatch():
                    self.watched.remove((one.number, one.cgroup))

    @rule(seconds=st.floats(0.001, 200.0))
    def time_passes(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS)

    @rule()
    def tick(self) -> None:
        self.handle(reg.TimePassed(self.at()))

    @rule(role=st.sampled_from(HookRole), job_id=JOBS, ago_s=st.floats(0.0, 30.0), boot=st.sampled_from(BOOTS))
    def hook(self, role: HookRole, job_id: int, ago_s: float, boot: str) -> None:
        at_ns = self.now_ns - round(ago_s * NS) + len(self.sent)  # no two at one nanosecond
        event = HookEvent(
            id=f"hook-{len(self.sent)}",
            role=role,
            time_ns=at_ns + 10**18,
            boot_id=boot,
            boottime_ns=at_ns,
            cluster=None,
            node=None,
            job=JobIdentity(job_id=job_id),
        )
        self.sent.append(event)
        self.handle(reg.HookSeen(self.at(), event))

    @rule(which=st.integers(0, 50))
    def hook_again(self, which: int) -> None:
        if self.sent:
            self.handle(reg.HookSeen(self.at(), self.sent[which % len(self.sent)]))

    @rule(job_id=JOBS, fresh=st.booleans())
    def cgroup_appears(self, job_id: int, fresh: bool) -> None:
        self.folders += fresh
        name = f"job_{job_id}#{self.folders}"
        if self.there.get(name) is None:
            self.there[name] = job_id
            self.handle(reg.CgroupAppeared(self.at(), name, JobIdentity(job_id=job_id)))

    @rule(which=st.integers(0, 50))
    def cgroup_vanishes(self, which: int) -> None:
        if self.there:
            name = sorted(self.there)[which % len(self.there)]
            del self.there[name]
            self.handle(reg.CgroupVanished(self.at(), name))

    @invariant()
    def is_valid(self) -> None:
        if hasattr(self, "registry"):
            self.registry.validate()
            assert self.registry.deadline_ns() is not None

    def teardown(self) -> None:
        if not hasattr(self, "registry"):
            return
        for name in list(self.there):
            self.handle(reg.CgroupVanished(self.at(), name))
        for _ in range(2):
            self.now_ns += 8 * 86_400 * NS
            self.handle(reg.TimePassed(self.at()))
        self.registry.validate()
        assert self.registry.sightings() == []
        assert self.watched == set()
        self.every_told_start_has_one_summary_and_an_end()
        self.every_hook_is_told_once()

    def every_told_start_has_one_summary_and_an_end(self) -> None:
        started = {event.sighting for event in self.told if isinstance(event, JobStart)}
        ended = {event.sighting for event in self.told if isinstance(event, JobEnd)}
        summed = [summary.sighting for summary in self.summaries]
        assert sorted(summed) == sorted(started)
        assert started <= ended

    def every_hook_is_told_once(self) -> None:
        told = [event.id for event in self.told]
        assert len(told) == len(set(told))
        assert {event.id for event in self.sent} <= set(told)


TestAnyOrder = pytest.mark.thorough(AnyOrder.TestCase)
TestAnyOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
