"""A summary that is owed when the daemon is killed: the next one sends it, once, and makes nothing up."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from slurmlens.events import (
    Figure,
    FigureSource,
    HookEvent,
    HookRole,
    JobEnd,
    JobIdentity,
    JobStart,
    JobSummary,
    Profile,
    Totals,
    Witness,
)
from slurmlens.node import registry as reg
from slurmlens.node.registry import memory
from slurmlens.node.registry.roster import OWED_SUMMARIES
from slurmlens.node.registry.sighting import Place

NS = 1_000_000_000
BOOT, EARLIER_BOOT = "this", "earlier"
USED = Figure(value=12.5, source=FigureSource.PARENT_REST)


def moment(at_s: float) -> reg.Moment:
    return reg.Moment(1_795_420_800 * NS + round(at_s * NS), round(at_s * NS))


def hook(role: HookRole, job_id: int, at_s: float, boot: str = BOOT) -> reg.HookSeen:
    at = moment(at_s)
    event = HookEvent(
        id=f"{role.value}-{job_id}-{at_s}",
        role=role,
        time_ns=at.wall_ns,
        boot_id=boot,
        boottime_ns=at.boottime_ns,
        cluster=None,
        node=None,
        job=JobIdentity(job_id=job_id),
    )
    return reg.HookSeen(at, event)


class Daemon:
    """A registry, and what it said."""

    def __init__(self, started_s: float = 1000.0, left: memory.Memory | None = None) -> None:
        settings = reg.RegistrySettings()
        self.registry = reg.Registry(Place("demo", "n0", BOOT), settings, moment(started_s), left)
        self.registry.validate()
        self.events: list[object] = []
        self.summaries: list[JobSummary] = []
        self.watched = 0

    def handle(self, *stimuli: reg.Stimulus) -> None:
        for stimulus in stimuli:
            for one in self.registry.handle(stimulus):
                match one:
                    case reg.Emit(event):
                        self.events.append(event)
                    case reg.Summarise(_, draft):
                        self.summaries.append(draft)
                    case reg.Watch():
                        self.watched += 1
            self.registry.validate()

    def told(self, kind: type) -> list:  # type: ignore[type-arg]
        return [event for event in self.events if isinstance(event, kind)]

    def killed(self, at_s: float, totals: dict[int, Totals] | None = None) -> Daemon:
        """The next daemon, ten seconds later, with what stood in the file."""
        left = memory.decode(memory.encode(self.registry.remembered(moment(at_s), totals or {})))
        return Daemon(at_s + 10.0, left)


def ran(daemon: Daemon, *, cgroup_stays: bool, job_id: int = 7) -> None:
    cgroup = f"job_{job_id}"
    daemon.handle(hook(HookRole.PROLOG, job_id, 1010.0))
    daemon.handle(reg.CgroupAppeared(moment(1010.1), cgroup, JobIdentity(job_id=job_id)))
    if not cgroup_stays:
        daemon.handle(reg.CgroupVanished(moment(1039.0), cgroup))
    daemon.handle(hook(HookRole.EPILOG, job_id, 1040.0))


def tick(at_s: float) -> reg.Tick:
    return reg.Tick(moment(at_s))


def vanished_unheard(daemon: Daemon) -> None:
    daemon.handle(reg.CgroupAppeared(moment(1010.1), "job_7", JobIdentity(job_id=7)), tick(1013.0))
    daemon.handle(reg.CgroupVanished(moment(1039.0), "job_7"), tick(1045.0))


@pytest.mark.parametrize(
    "ended",
    [
        pytest.param(lambda daemon: ran(daemon, cgroup_stays=True), id="while its cgroup was there"),
        pytest.param(lambda daemon: ran(daemon, cgroup_stays=False), id="while it was summed up"),
        pytest.param(vanished_unheard, id="without an Epilog"),
    ],
)
def test_the_next_daemon_sends_what_the_killed_one_owed(ended: Callable[[Daemon], None]) -> None:
    before = Daemon()
    ended(before)
    after = before.killed(1041.0)
    after.handle(tick(1053.1), tick(1060.0), tick(1200.0))
    (summary,), (end,) = after.summaries, before.told(JobEnd)
    before.handle(tick(1100.0))  # what the killed one would have said
    (same,) = before.summaries
    assert (summary.id, summary.sighting) == (same.id, end.sighting)
    assert (summary.start_ns, summary.end_ns, summary.slot) == (same.start_ns, same.end_ns, same.slot)
    assert (summary.start_witness, summary.end_witness) == (same.start_witness, end.witness)
    assert summary.totals == Totals(samples=0), "what nobody kept is unknown"
    assert summary.unseen_s > 20.0, "and counts as not watched"
    assert after.events == [event for event in after.events if not isinstance(event, JobStart | JobEnd)]


def test_what_was_measured_when_its_end_was_told_is_told_as_incomplete() -> None:
    before = Daemon()
    ran(before, cgroup_stays=True)
    after = before.killed(1041.0, {1: Totals(samples=9, cpu_s=USED)})
    after.handle(tick(1060.0))
    (summary,) = after.summaries
    assert summary.totals.cpu_s == Figure(value=12.5, source=FigureSource.LAST_SAMPLE, complete=False)
    assert summary.unseen_s == 0.0


def test_what_was_summed_up_but_not_safe_is_sent_as_it_was_but_for_its_profile() -> None:
    before = Daemon()
    ran(before, cgroup_stays=False)
    (draft,) = before.summaries
    measured = _with(draft, Totals(samples=9, cpu_s=USED), Profile(start_ns=0, width_s=1.0, columns={}))
    before.registry.summed_up(measured)
    after = before.killed(1041.0)
    after.handle(tick(1060.0))
    assert after.summaries == [_with(measured, measured.totals, None)]
    third = after.killed(1070.0)
    third.handle(tick(1100.0))
    assert third.summaries == after.summaries, "killed again: still owed, still the same"


def test_what_is_safe_is_owed_no_more() -> None:
    before = Daemon()
    ran(before, cgroup_stays=False)
    before.registry.settled(before.summaries[0].id)
    before.registry.settled("of nobody")
    after = before.killed(1041.0)
    after.handle(tick(1060.0))
    assert after.summaries == []


def test_hooks_that_are_read_again_say_the_same_and_begin_no_run() -> None:
    before = Daemon()
    ran(before, cgroup_stays=False)
    for later_s in (1051.0, 1060.0):  # before and after it is summed up
        after = before.killed(1041.0)
        after.handle(tick(later_s))
        after.handle(hook(HookRole.PROLOG, 7, 1010.0), hook(HookRole.EPILOG, 7, 1040.0), tick(1100.0))
        assert after.told(JobStart) == before.told(JobStart)
        assert after.told(JobEnd) == before.told(JobEnd)
        assert len(after.summaries) == 1
        assert after.registry.sightings() == []


def test_a_cgroup_that_outlives_its_told_end_is_no_new_run() -> None:
    before = Daemon()
    ran(before, cgroup_stays=True)
    after = before.killed(1041.0)
    after.handle(reg.CgroupAppeared(moment(1051.0), "job_7", JobIdentity(job_id=7)), tick(1060.0))
    after.handle(reg.CgroupVanished(moment(1061.0), "job_7"), tick(1200.0))
    assert (after.told(JobStart), after.watched, len(after.summaries)) == ([], 0, 1)


def test_the_next_run_of_the_job_has_the_cgroup_that_outlived_the_last_one() -> None:
    before = Daemon()
    ran(before, cgroup_stays=True)
    after = before.killed(1041.0)
    after.handle(reg.CgroupAppeared(moment(1051.0), "job_7", JobIdentity(job_id=7)))
    after.handle(hook(HookRole.PROLOG, 7, 1051.5), tick(1060.0))
    assert len(after.summaries) == 1
    (fresh,) = after.registry.sightings()
    assert fresh.cgroups == {"job_7"}
    assert fresh.key != after.summaries[0].sighting


def test_a_run_that_only_the_cgroup_tree_tells_of_after_the_owed_one_is_a_run() -> None:
    before = Daemon()
    ran(before, cgroup_stays=False)
    after = before.killed(1041.0)
    after.handle(reg.CgroupAppeared(moment(1051.0), "job_7#2", JobIdentity(job_id=7)), tick(1060.0))
    (start,) = after.told(JobStart)
    assert start.witness is Witness.CGROUP


def test_what_an_earlier_boots_hooks_left_is_owed_too() -> None:
    before = Daemon()
    before.handle(hook(HookRole.PROLOG, 7, 10.0, EARLIER_BOOT), hook(HookRole.EPILOG, 7, 20.0, EARLIER_BOOT))
    after = before.killed(1041.0)
    after.handle(tick(1060.0))
    assert after.summaries == before.summaries
    assert after.summaries[0].boot_id == EARLIER_BOOT


def test_no_more_is_owed_than_the_file_is_to_hold() -> None:
    daemon = Daemon()
    for job_id in range(1, OWED_SUMMARIES + 3):
        ran(daemon, cgroup_stays=False, job_id=job_id)
    left = daemon.registry.remembered(moment(1041.0), {})
    assert [one.summary.job.job_id for one in left.ended] == list(range(3, OWED_SUMMARIES + 3))


def _with(summary: JobSummary, totals: Totals, profile: Profile | None) -> JobSummary:
    return msgspec.structs.replace(summary, totals=totals, profile=profile)
