"""Steps that the SPANK plugin told: exact over all nodes, with their own times and the ways their tasks ended."""

from __future__ import annotations

from slurmlens.events import ExitCount, Figure, FigureSource, StepProgram, StepTotals
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.views.job.steps import build_steps
from slurmlens.hub.views.job.view import StepView
from slurmlens.slurm.records import JobState
from testkit.job_parts import START_NS, S, exact, make_facts, make_node, make_record, make_steps, make_totals


def task_exit(value: float, *, complete: bool = True) -> Figure:
    return Figure(value=value, source=FigureSource.TASK_EXIT, complete=complete)


def told(*exits: ExitCount, cpu: Figure | None = None, begin_s: float = 1.0, end_s: float = 1.02) -> StepTotals:
    return StepTotals(
        step="0",
        cpu_s=cpu or task_exit(0.02),
        started_ns=START_NS + round(begin_s * S),
        ended_ns=START_NS + round(end_s * S),
        task_count=sum(one.tasks for one in exits),
        exits=exits,
        tag="warm-up",
    )


def facts(*steps: StepTotals, with_record: bool = True) -> JobFacts:
    nodes = tuple(
        make_node(f"c{number}", 31, totals=make_totals(steps=(step,))) for number, step in enumerate(steps, 1)
    )
    ended = make_steps(JobState.FAILED, 31, exit_code=7) if with_record else ()
    record = make_record(JobState.FAILED, 31, steps=ended)
    return make_facts(JobState.FAILED, "FAILED 7:0", 31, record=record, nodes=nodes)


def step_0(found: tuple[StepView, ...]) -> StepView:
    return next(step for step in found if step.step == "0")


GOOD = ExitCount(code=0, tasks=64, first_tasks=tuple(range(8)))


def test_a_step_is_exact_if_every_node_read_it_at_its_tasks_exits() -> None:
    both = step_0(build_steps(facts(told(GOOD), told(GOOD, cpu=task_exit(0.03)))))
    assert (both.is_exact, both.cpu_complete, both.cpu_s) == (True, True, 0.05)
    assert not step_0(build_steps(facts(told(GOOD), told(GOOD, cpu=exact(0.03))))).is_exact
    assert not step_0(build_steps(facts(told(GOOD, cpu=task_exit(0.03, complete=False))))).is_exact


def test_its_begin_and_end_are_finer_than_the_schedulers_seconds() -> None:
    step = step_0(build_steps(facts(told(GOOD), told(GOOD, begin_s=0.99, end_s=1.5))))
    assert (step.started_ns, step.ended_ns) == (START_NS + 990_000_000, START_NS + 1_500_000_000)


def test_one_odd_task_of_128_is_named() -> None:
    odd = ExitCount(code=0, signal=9, tasks=1, first_tasks=(117,))
    almost = ExitCount(code=0, tasks=63, first_tasks=(64,))
    assert step_0(build_steps(facts(told(GOOD), told(almost, odd)))).exits_text == "127 × 0, 1 × signal 9 (task 117)"


def test_where_all_ended_well_or_one_ended_alone_nothing_is_added() -> None:
    assert step_0(build_steps(facts(told(GOOD)))).exits_text is None
    alone = ExitCount(code=7, tasks=1, first_tasks=(0,))
    assert step_0(build_steps(facts(told(alone)))).exits_text is None


def test_of_many_ways_to_end_the_most_frequent_are_told() -> None:
    ways = [ExitCount(code=code, tasks=10 - code, first_tasks=(code,)) for code in range(1, 8)]
    said = step_0(build_steps(facts(told(*ways)))).exits_text
    assert said is not None
    assert said.startswith("9 × 1")
    assert said.endswith("3 more ways")


def test_without_the_schedulers_word_the_worst_task_is_the_steps_exit() -> None:
    ways = (GOOD, ExitCount(code=7, tasks=1, first_tasks=(70,)))
    step = step_0(build_steps(facts(told(*ways), with_record=False)))
    assert (step.exit_text, step.tasks, step.tag) == ("7:0", 65, "warm-up")


def test_what_was_only_sampled_is_shown_as_before() -> None:
    step = step_0(build_steps(facts(StepTotals(step="0", samples=3, cpu_s=exact(1.0)))))
    assert (step.is_exact, step.exits_text, step.tag, step.cpu_s) == (False, None, None, 1.0)
    assert step.exit_text == "7:0"


def test_the_programs_of_all_nodes_are_one_list() -> None:
    main, helper = (
        StepProgram(name="lmp", processes=2, threads=8),
        StepProgram(name="python3", processes=1, threads=1),
    )
    steps = StepTotals(step="0", programs=(main, helper)), StepTotals(step="0", programs=(main,), modules="gcc:mpi")
    found = step_0(build_steps(facts(*steps)))
    shown = [(one.name, one.processes, one.threads) for one in found.programs]
    assert found.modules == "gcc:mpi"
    assert shown == [("lmp", 4, 16), ("python3", 1, 1)]
