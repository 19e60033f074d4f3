"""What the registry takes over from the daemon before it in this boot, and which remains it refuses."""

from __future__ import annotations

import contextlib

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from slurmlens.errors import DecodeError, UnsupportedVersion
from slurmlens.events import Figure, FigureSource, JobEnd, JobStart, StepTotals, Totals, Witness
from slurmlens.hook_events import StepRole
from slurmlens.node import registry as reg
from slurmlens.node.registry import memory
from testkit.registry_node import EARLIER_BOOT, Node, moment, place, step_event


def step_told(role: StepRole, step: str, at_s: float, *, read_s: float) -> reg.StepTold:
    """What the plugin said of a step of job 7, read by a daemon that began later."""
    told = StepTotals(step=step, ended_ns=moment(at_s).wall_ns if role is StepRole.EXIT else None)
    return reg.StepTold(moment(read_s), step_event(role, 7, at_s, told))


def test_a_running_job_goes_on_as_the_same_sighting_in_its_slot() -> None:
    before = Node()
    prolog = before.prolog(7, 1010.0, user_name="alice")
    before.appears(7, 1010.1)
    after = before.restarted(1100.0)
    after.appears(7, 1160.1)
    after.vanishes(7, 1200.0)
    after.epilog(7, 1200.1)
    (summary,) = after.summaries()
    assert summary.sighting == before.events(JobStart)[0].sighting
    assert (summary.start_ns, summary.start_witness, summary.slot) == (prolog.time_ns, Witness.HOOK, 0)
    assert summary.unseen_s == 60.0
    assert summary.job.user_name == "alice"
    assert after.events(JobStart) == []


def test_an_epilog_that_came_in_between_ends_it_with_the_totals_of_the_last_sample() -> None:
    before = Node()
    before.prolog(7, 1010.0)
    before.appears(7, 1010.1)
    used = Figure(value=12.5, source=FigureSource.PARENT_REST)
    after = before.restarted(1100.0, {1: Totals(samples=9, cpu_s=used)})
    after.epilog(7, 1130.0, read_s=1160.1)
    (end,), (summary,) = after.events(JobEnd), after.summaries()
    assert end.sighting == summary.sighting == before.events(JobStart)[0].sighting
    assert summary.totals.cpu_s == Figure(value=12.5, source=FigureSource.LAST_SAMPLE, complete=False)
    assert summary.unseen_s == 30.0


def test_the_next_daemon_is_told_what_the_steps_had_used_and_which_of_them_had_ended() -> None:
    before = Node()
    before.prolog(7, 1010.0)
    before.appears(7, 1010.1)
    exact, sampled = FigureSource.PARENT_REST, FigureSource.LAST_SAMPLE
    steps = (
        StepTotals(step="0", samples=4, cpu_s=Figure(value=3.0, source=exact), oom_kills=0),
        StepTotals(step="batch", samples=9, cpu_s=Figure(value=12.5, source=sampled), oom_kills=0),
    )
    after = before.restarted(1100.0, {1: Totals(samples=9, steps=steps)})
    after.appears(7, 1160.1)
    (watch,) = after.watches()
    running = StepTotals(step="batch", samples=9, cpu_s=Figure(value=12.5, source=sampled, complete=False))
    assert watch.earlier_steps == (steps[0], running)


def test_a_job_that_went_without_a_word_in_between_is_ended() -> None:
    before = Node()
    before.prolog(7, 1010.0)
    before.appears(7, 1010.1)
    after = before.restarted(1100.0)
    after.walked(1160.5)
    after.tick(1220.0)
    assert after.events(JobEnd) == []
    after.tick(1220.5)
    (end,), (summary,) = after.events(JobEnd), after.summaries()
    assert (end.witness, end.time_ns) == (Witness.CGROUP, moment(1160.0).wall_ns)
    assert summary.unseen_s == 60.0


@pytest.mark.parametrize("with_hooks", [True, False], ids=["with hooks", "without"])
def test_a_running_job_is_not_ended_by_a_first_walk_that_takes_longer_than_the_grace(with_hooks: bool) -> None:
    before = Node()
    if with_hooks:
        before.prolog(7, 1010.0)
    before.appears(7, 1010.1)
    before.tick(1013.0)
    after = before.restarted(1100.0)
    after.tick(1166.0, 1221.0, 1500.0)
    assert after.registry.deadline_ns() == moment(1560.0).boottime_ns, "nothing but the heartbeat is waited for"
    after.appears(7, 1550.0)
    after.walked(1551.0)
    after.tick(1700.0)
    assert after.events(JobStart) == after.events(JobEnd) == []
    assert [one.cgroups for one in after.registry.sightings()] == [{"job_7"}]


@pytest.mark.parametrize(("with_hooks", "grace_s"), [(True, 60.0), (False, 5.0)], ids=["with hooks", "without"])
def test_one_that_ended_in_between_is_ended_a_grace_after_the_first_walk_however_late(
    with_hooks: bool, grace_s: float
) -> None:
    before = Node()
    if with_hooks:
        before.prolog(7, 1010.0)
    before.appears(7, 1010.1)
    before.tick(1013.0)
    after = before.restarted(1100.0)
    after.walked(1500.0)
    assert after.registry.deadline_ns() <= moment(1500.0 + grace_s).boottime_ns
    after.tick(1499.9 + grace_s)
    assert after.events(JobEnd) == []
    after.walked(1500.0 + grace_s)  # the stage began anew
    after.tick(1500.0 + grace_s)
    (end,) = after.events(JobEnd)
    assert (end.witness, end.time_ns) == (Witness.CGROUP, moment(1160.0).wall_ns)


def test_an_epilog_that_is_read_during_the_first_walk_says_when_and_why() -> None:
    before = Node()
    before.prolog(7, 1010.0)
    before.appears(7, 1010.1)
    after = before.restarted(1100.0)
    after.tick(1300.0)
    after.epilog(7, 1130.0, read_s=1301.0)
    after.walked(1400.0)
    after.tick(1500.0)
    (end,) = after.events(JobEnd)
    assert (end.witness, end.time_ns) == (Witness.HOOK, moment(1130.0).wall_ns)


def test_a_prolog_of_its_next_run_in_between_says_by_when_it_had_ended() -> None:
    before = Node()
    before.prolog(7, 1010.0)
    before.appears(7, 1010.1)
    after = before.restarted(1100.0)
    after.prolog(7, 1130.0, read_s=1161.0)
    (end,), (start,) = after.events(JobEnd), after.events(JobStart)
    assert end.time_ns == start.time_ns == moment(1130.0).wall_ns


def test_a_daemon_that_is_killed_before_its_first_walk_leaves_the_question_to_the_next() -> None:
    before = Node()
    before.appears(7, 1010.1)
    before.tick(1013.0)
    third = before.restarted(1100.0).restarted(1200.0)
    third.tick(1400.0)
    assert third.events(JobEnd) == []
    third.walked(1401.0)
    third.tick(1406.0)
    assert [end.time_ns for end in third.events(JobEnd)] == [moment(1260.0).wall_ns]


def test_a_cgroup_that_had_gone_before_the_restart_ended_then_and_its_epilog_has_its_grace_again() -> None:
    before = Node()
    before.prolog(7, 1010.0)
    before.appears(7, 1010.1)
    before.vanishes(7, 1095.0)
    after = before.restarted(1100.0)
    after.tick(1219.0)
    assert after.events(JobEnd) == []
    after.tick(1220.0)
    (end,), (summary,) = after.events(JobEnd), after.summaries()
    assert (end.witness, end.time_ns) == (Witness.CGROUP, moment(1095.0).wall_ns)
    assert summary.unseen_s == 0.0


def test_a_steps_begin_from_before_the_walk_does_not_keep_a_job_that_has_gone() -> None:
    before = Node()
    before.appears(7, 1010.1)
    before.tick(1013.0)
    after = before.restarted(1100.0)
    after.handle(step_told(StepRole.START, "0", 1120.0, read_s=1161.0))
    after.walked(1300.0)
    after.tick(1305.0)
    assert [end.time_ns for end in after.events(JobEnd)] == [moment(1160.0).wall_ns]


def test_the_end_of_the_last_step_in_between_is_the_jobs_once_its_cgroup_was_not_found() -> None:
    before = Node()
    before.appears(7, 1010.1)
    before.tick(1013.0)
    after = before.restarted(1100.0)
    after.handle(step_told(StepRole.EXIT, "batch", 1130.0, read_s=1161.0))
    after.tick(1299.0)
    assert after.events(JobEnd) == []
    after.walked(1300.0)
    after.tick(1305.0)
    assert [end.time_ns for end in after.events(JobEnd)] == [moment(1130.0).wall_ns]


def test_a_cgroup_that_outlives_its_told_end_is_no_new_run_however_late_the_first_walk_finds_it() -> None:
    before = Node()
    before.prolog(7, 1010.0)
    before.appears(7, 1010.1)
    before.epilog(7, 1040.0)
    after = before.restarted(1041.0, after_s=10.0)
    after.tick(1060.0)
    after.appears(7, 1200.0)
    after.walked(1201.0)
    after.tick(1300.0)
    assert (after.events(JobStart), after.watches(), len(after.summaries())) == ([], [], 1)


def test_a_run_that_begins_after_the_first_walk_is_no_remains_of_one_that_was_told() -> None:
    before = Node()
    before.prolog(7, 1010.0)
    before.appears(7, 1010.1)
    before.epilog(7, 1040.0)
    after = before.restarted(1041.0, after_s=10.0)
    after.walked(1051.1)
    after.appears(7, 1052.0)
    after.tick(1060.0)
    assert len(after.events(JobStart)) == 1


def test_its_prolog_that_is_read_again_says_the_same_and_starts_no_second_run() -> None:
    before = Node()
    prolog = before.prolog(7, 1010.0)
    after = before.restarted(1100.0)
    after.handle(reg.HookSeen(moment(1160.1), prolog))
    assert after.events(JobStart) == before.events(JobStart)
    assert len(after.registry.sightings()) == 1


def test_two_restarts_add_up_what_nobody_saw() -> None:
    before = Node()
    before.prolog(7, 1010.0)
    before.appears(7, 1010.1)
    after = before.restarted(1100.0).restarted(1200.0)
    after.epilog(7, 1300.0)
    (summary,) = after.summaries()
    assert summary.unseen_s == 120.0


def test_memory_of_another_boot_is_nobodys() -> None:
    before = Node()
    before.prolog(7, 1010.0)
    kept = before.registry.remembered(moment(1100.0), {})
    assert reg.Registry(place(EARLIER_BOOT), reg.RegistrySettings(), moment(10.0), kept).sightings() == []


def test_a_slot_that_is_not_there_any_more_is_not_taken() -> None:
    before = Node(slots=4)
    for job_id in range(4):
        before.prolog(job_id, 1010.0)
    kept = before.registry.remembered(moment(1100.0), {})
    after = reg.Registry(place(), reg.RegistrySettings(slots=2), moment(1160.0), kept)
    after.validate()
    assert [one.slot for one in after.sightings()] == [0, 1, None, None]


def test_the_same_job_twice_in_a_memory_is_one() -> None:
    before = Node()
    before.prolog(7, 1010.0)
    kept = before.registry.remembered(moment(1100.0), {})
    twice = msgspec.structs.replace(kept, sightings=kept.sightings * 2)
    after = reg.Registry(place(), reg.RegistrySettings(), moment(1160.0), twice)
    after.validate()
    assert len(after.sightings()) == 1


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\xfe", b'{"version":1}', b"[" * 100_000])
def test_what_no_daemon_wrote_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        memory.decode(data)


def test_another_releases_memory_is_refused_as_such() -> None:
    kept = Node().registry.remembered(moment(1100.0), {})
    with pytest.raises(UnsupportedVersion):
        memory.decode(memory.encode(msgspec.structs.replace(kept, version=2)))


@given(st.binary())
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        memory.decode(data)
