"""What the SPANK plugin tells of steps: it goes over what was sampled, survives a restart, and finds its job."""

from __future__ import annotations

import msgspec
import pytest

from slurmlens.events import ExitCount, Figure, FigureSource, JobMessage, JobStart, StepTotals, Totals
from slurmlens.hook_events import StepRole
from slurmlens.node import registry as reg
from slurmlens.node.registry import reported_steps
from slurmlens.node.registry.reported_steps import MOST_STEPS, overlay
from testkit.registry_node import Node, moment, step_event


def exact(value: float, *, complete: bool = True) -> Figure:
    return Figure(value=value, source=FigureSource.TASK_EXIT, complete=complete)


def sampled(value: float) -> Figure:
    return Figure(value=value, source=FigureSource.LAST_SAMPLE, complete=False)


def starts(node: Node, job_id: int, step: str, at_s: float, **asked: float) -> list[reg.Instruction]:
    told = StepTotals(step=step, started_ns=moment(at_s).wall_ns, task_count=1, tag="mine")
    return node.handle(reg.StepTold(moment(at_s), step_event(StepRole.START, job_id, at_s, told, **asked)))


def ends(node: Node, job_id: int, step: str, at_s: float, cpu_s: float) -> list[reg.Instruction]:
    exits = (ExitCount(code=0, tasks=1, first_tasks=(0,)),)
    told = StepTotals(step=step, ended_ns=moment(at_s).wall_ns, cpu_s=exact(cpu_s), exits=exits)
    return node.handle(reg.StepTold(moment(at_s), step_event(StepRole.EXIT, job_id, at_s, told)))


def a_whole_job(node: Node, job_id: int = 7) -> None:
    node.prolog(job_id, 1000.0)
    starts(node, job_id, "extern", 1000.1)
    starts(node, job_id, "batch", 1000.2)
    starts(node, job_id, "0", 1000.3)
    ends(node, job_id, "0", 1000.4, 0.02)
    ends(node, job_id, "batch", 1000.5, 0.05)
    node.handle(
        reg.StepTold(
            moment(1000.6),
            step_event(StepRole.EXIT, job_id, 1000.6, StepTotals(step="extern", ended_ns=moment(1000.6).wall_ns)),
        )
    )


def test_a_job_that_no_sample_saw_has_exact_figures() -> None:
    node = Node()
    a_whole_job(node)
    node.epilog(7, 1001.0)
    totals = node.summaries()[0].totals
    assert [step.step for step in totals.steps] == ["0", "batch", "extern"]
    assert totals.steps[0].cpu_s == exact(0.02)
    assert totals.steps[0].started_ns == moment(1000.3).wall_ns
    assert totals.steps[0].tag == "mine"
    assert totals.cpu_s is not None
    assert (totals.cpu_s.value, totals.cpu_s.source, totals.cpu_s.complete) == (
        pytest.approx(0.07),
        FigureSource.TASK_EXIT,
        True,
    )


def test_a_step_that_ends_after_its_jobs_epilog_is_in_the_jobs_sum() -> None:
    """A cancelled job's extern step: slurmstepd tells of it last, behind the job's cgroup and its Epilog."""
    node = Node()
    node.prolog(7, 1000.0)
    node.appears(7, 1000.1)
    starts(node, 7, "extern", 1000.1)
    starts(node, 7, "batch", 1000.2)
    ends(node, 7, "batch", 1000.5, 0.05)
    node.epilog(7, 1000.6)
    node.vanishes(7, 1000.7)
    assert node.summaries() == []
    said = ends(node, 7, "extern", 1001.0, 0.01)
    assert not [one for one in said if isinstance(one, reg.StepUnplaced)]
    (summary,) = node.summaries()
    assert {step.step: step.cpu_s for step in summary.totals.steps} == {"batch": exact(0.05), "extern": exact(0.01)}


def test_a_step_whose_end_is_never_told_keeps_its_job_waiting_for_a_moment_only() -> None:
    node = Node()
    node.prolog(7, 1000.0)
    starts(node, 7, "extern", 1000.1)
    node.epilog(7, 1000.6)
    node.tick(1000.6 + 2.1)
    (summary,) = node.summaries()
    assert [step.step for step in summary.totals.steps] == ["extern"]


def test_what_was_told_goes_with_the_order_to_sum_up() -> None:
    node = Node()
    node.prolog(7, 1000.0)
    node.appears(7, 1000.1)
    ends(node, 7, "0", 1000.4, 0.02)
    node.epilog(7, 1001.0)
    node.vanishes(7, 1001.1)
    order = next(one for one in node.said if isinstance(one, reg.Summarise))
    assert [step.step for step in order.reported_steps] == ["0"]


def test_a_step_told_twice_is_a_step_told_once() -> None:
    once, twice = Node(), Node()
    a_whole_job(once)
    a_whole_job(twice)
    ends(twice, 7, "0", 1000.4, 0.02)
    starts(twice, 7, "0", 1000.3)
    for node in (once, twice):
        node.epilog(7, 1001.0)
    assert once.summaries()[0].totals == twice.summaries()[0].totals


def test_a_restart_in_mid_job_forgets_no_step() -> None:
    node = Node()
    a_whole_job(node)
    later = node.restarted(1002.0)
    later.epilog(7, 1063.0)
    assert [step.step for step in later.summaries()[0].totals.steps] == ["0", "batch", "extern"]


def test_a_restart_a_moment_after_its_first_step_forgets_nothing() -> None:
    node = Node()
    node.appears(7, 1000.1)
    starts(node, 7, "batch", 1000.2)
    ends(node, 7, "0", 1000.4, 0.02)
    later = node.restarted(1000.5, after_s=1.0)
    later.appears(7, 1001.6)
    later.vanishes(7, 1002.0)
    later.tick(1100.0, 1103.0)
    assert [step.step for step in later.summaries()[0].totals.steps] == ["0", "batch"]
    assert [start.sighting for start in node.events(JobStart)] == [later.summaries()[0].sighting]


def test_a_step_is_the_first_sign_of_a_job_that_nobody_saw() -> None:
    node = Node()
    starts(node, 7, "batch", 1000.2)
    node.appears(7, 1000.3)
    assert [watch.job_id for watch in node.watches()] == [7]
    ends(node, 7, "batch", 1000.5, 1.0)
    node.vanishes(7, 1000.6)
    node.tick(1100.0)
    assert node.summaries()[0].totals.steps[0].cpu_s == exact(1.0)


def test_a_job_that_only_its_steps_told_of_ends_with_them() -> None:
    node = Node()
    starts(node, 7, "batch", 1000.2)
    starts(node, 7, "0", 1000.3)
    ends(node, 7, "0", 1000.4, 0.5)
    node.tick(1030.0)
    assert node.summaries() == [], "the batch script runs on"
    ends(node, 7, "batch", 1040.0, 1.0)
    node.tick(1042.0)
    assert node.summaries() == []
    node.tick(1050.0)
    summary = node.summaries()[0]
    assert summary.end_ns == moment(1040.0).wall_ns
    assert [step.step for step in summary.totals.steps] == ["0", "batch"]


def test_a_job_whose_next_step_begins_has_not_left() -> None:
    node = Node()
    starts(node, 7, "batch", 1000.2)
    ends(node, 7, "batch", 1000.4, 0.5)
    starts(node, 7, "0", 1001.0)
    node.tick(1030.0)
    assert node.summaries() == []


def test_a_prolog_that_is_read_after_its_steps_start_is_the_same_run() -> None:
    node = Node()
    starts(node, 7, "batch", 1000.2)
    node.prolog(7, 1000.0, read_s=1000.4)
    node.epilog(7, 1001.0)
    node.tick(1004.0)
    assert len(node.summaries()) == 1


def test_an_end_of_a_job_that_nobody_knows_is_told_and_left_out() -> None:
    node = Node()
    answer = ends(node, 7, "0", 1000.5, 1.0)
    assert isinstance(answer[0], reg.StepUnplaced)


def test_a_second_run_of_a_job_has_its_own_steps() -> None:
    node = Node()
    a_whole_job(node)
    node.epilog(7, 1001.0)
    node.prolog(7, 1100.0)
    starts(node, 7, "batch", 1100.2)
    ends(node, 7, "batch", 1100.5, 3.0)
    node.epilog(7, 1101.0)
    assert [step.step for step in node.summaries()[1].totals.steps] == ["batch"]


def test_a_users_interval_is_asked_of_the_sampler() -> None:
    node = Node()
    node.prolog(7, 1000.0)
    assert starts(node, 7, "batch", 1000.2, interval_s=2.0) == [reg.ReadOften(7, 2.0)]


def test_a_users_interval_holds_where_the_cgroup_is_seen_later_and_after_a_restart() -> None:
    node = Node()
    node.prolog(7, 1000.0)
    starts(node, 7, "batch", 1000.2, interval_s=2.0)
    assert reg.ReadOften(7, 2.0) in node.appears(7, 1000.3)
    later = node.restarted(1010.0)
    assert reg.ReadOften(7, 2.0) in later.appears(7, 1071.0)


def test_of_steps_without_end_the_latest_are_kept() -> None:
    known: dict[str, StepTotals] = {}
    for number in range(MOST_STEPS + 10):
        told = StepTotals(step=str(number), ended_ns=number)
        reported_steps.take(known, step_event(StepRole.EXIT, 7, 1000.0 + number, told))
    assert len(known) == MOST_STEPS
    assert str(MOST_STEPS + 9) in known


# --- over what was sampled


def test_an_exact_step_replaces_a_sampled_one_and_keeps_its_samples() -> None:
    totals = Totals(samples=9, steps=(StepTotals(step="0", samples=3, cpu_s=sampled(1.0), oom_kills=1),))
    step = overlay(totals, {"0": StepTotals(step="0", cpu_s=exact(1.5))}).steps[0]
    assert (step.samples, step.cpu_s, step.oom_kills) == (3, exact(1.5), 1)


def test_figures_that_the_plugin_did_not_read_stay_as_they_were_sampled() -> None:
    totals = Totals(samples=9, steps=(StepTotals(step="extern", samples=3, cpu_s=sampled(1.0)),))
    told = {"extern": StepTotals(step="extern", ended_ns=5)}
    assert overlay(totals, told).steps[0].cpu_s == sampled(1.0)


@pytest.mark.parametrize("source", [FigureSource.PARENT_REST, FigureSource.TASK_EXIT])
def test_a_jobs_own_exact_figure_stays(source: FigureSource) -> None:
    own = Figure(value=2.0, source=source, complete=True)
    totals = overlay(Totals(samples=9, cpu_s=own), {"0": StepTotals(step="0", cpu_s=exact(1.5))})
    assert totals.cpu_s == own


def test_a_rest_that_comes_to_less_than_the_exact_steps_gives_way_to_their_sum() -> None:
    rest = Figure(value=1.9, source=FigureSource.PARENT_REST, complete=True)
    told = {"0": StepTotals(step="0", cpu_s=exact(1.5)), "batch": StepTotals(step="batch", cpu_s=exact(0.5))}
    assert overlay(Totals(samples=9, cpu_s=rest), told).cpu_s == exact(2.0)


def test_a_share_of_what_several_jobs_used_gives_way_to_the_sum_of_exact_steps() -> None:
    split = Figure(value=2.0, source=FigureSource.PARENT_REST_SPLIT, complete=True)
    extern = StepTotals(step="extern", samples=2, cpu_s=sampled(0.25))
    told = {"0": StepTotals(step="0", cpu_s=exact(1.5)), "batch": StepTotals(step="batch", cpu_s=exact(0.5))}
    totals = overlay(Totals(samples=9, cpu_s=split, steps=(extern,)), told)
    assert totals.cpu_s == exact(2.25)


def test_a_step_that_the_plugin_did_not_tell_makes_no_sum() -> None:
    split = Figure(value=2.0, source=FigureSource.PARENT_REST_SPLIT, complete=True)
    other = StepTotals(step="1", samples=2, cpu_s=sampled(0.25))
    totals = overlay(Totals(samples=9, cpu_s=split, steps=(other,)), {"0": StepTotals(step="0", cpu_s=exact(1.5))})
    assert totals.cpu_s == split


def test_a_sum_that_nobody_watched_and_extern_did_not_close_is_a_lower_bound() -> None:
    totals = overlay(Totals(samples=0), {"0": StepTotals(step="0", cpu_s=exact(1.5))})
    assert totals.cpu_s == exact(1.5, complete=False)


def test_the_overlay_is_the_same_when_it_is_made_again() -> None:
    told = {"0": StepTotals(step="0", cpu_s=exact(1.5)), "extern": StepTotals(step="extern", ended_ns=1)}
    once = overlay(Totals(samples=0), told)
    assert overlay(once, told) == once
    assert msgspec.json.decode(msgspec.json.encode(once), type=Totals) == once


# --- hooks of tasks and of srun


def by_hook(role: StepRole, at_s: float, told: StepTotals, notify: str | None = None) -> reg.StepTold:
    said = msgspec.structs.replace(step_event(role, 7, at_s, told), notify=notify, from_hook=True)
    return reg.StepTold(moment(at_s), said)


def test_a_hooks_word_adds_what_the_plugin_did_not_tell_and_changes_nothing_that_it_did() -> None:
    steps: dict[str, StepTotals] = {}
    reported_steps.take(steps, step_event(StepRole.START, 7, 1.0, StepTotals(step="0", started_ns=1, task_count=2)))
    exits = (ExitCount(code=0, tasks=2),)
    reported_steps.take(
        steps, step_event(StepRole.EXIT, 7, 9.0, StepTotals(step="0", ended_ns=9, cpu_s=exact(1), exits=exits))
    )
    for word in (StepTotals(step="0", started_ns=3, tag="mine", command="gemm"), StepTotals(step="0", ended_ns=20)):
        role = StepRole.EXIT if word.ended_ns else StepRole.START
        reported_steps.take(steps, by_hook(role, 9.5, word).event)
    assert steps["0"] == StepTotals(
        step="0", started_ns=1, ended_ns=9, tag="mine", command="gemm", cpu_s=exact(1), exits=exits
    )


def test_without_a_plugin_the_last_task_that_ended_is_the_steps_end_in_any_order() -> None:
    steps: dict[str, StepTotals] = {}
    for at_s, word in (
        (1, StepTotals(step="0", started_ns=1)),
        (8, StepTotals(step="0", ended_ns=8)),
        (5, StepTotals(step="0", ended_ns=5)),
    ):
        role = StepRole.EXIT if word.ended_ns else StepRole.START
        reported_steps.take(steps, by_hook(role, at_s, word).event)
    assert (steps["0"].started_ns, steps["0"].ended_ns) == (1, 8)


def test_a_wish_to_be_told_is_sent_once_however_many_steps_repeat_it() -> None:
    node = Node()
    node.prolog(7, 1000.0)
    out: list[reg.Instruction] = []
    for number, words in enumerate(["failed", "failed", "failed a@b.org"]):
        out += node.handle(by_hook(StepRole.START, 1001.0 + number, StepTotals(step=str(number)), notify=words))
    events = [one.event for one in out if isinstance(one, reg.Emit)]
    sent = [one for one in events if isinstance(one, JobMessage)]
    assert [one.notify for one in sent] == ["failed", "failed a@b.org"]
    assert [one.text for one in sent] == ["asks for notices: failed", "asks for notices: failed a@b.org"]
