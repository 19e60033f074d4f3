"""One node's result from several sightings: the totals of them."""

from __future__ import annotations

from slurmlens.events import ExitCount, Figure, FigureSource, StepTotals, Totals
from slurmlens.hub.history.conclude.merge import merge_totals


def figure(value: float, source: FigureSource = FigureSource.LAST_SAMPLE, complete: bool = True) -> Figure:
    return Figure(value=value, source=source, complete=complete)


def test_the_latest_counters_win_and_the_highest_peak() -> None:
    before = Totals(samples=5, cpu_s=figure(10), memory_peak_bytes=figure(9e9), oom_kills=1)
    after = Totals(samples=3, cpu_s=figure(30), memory_peak_bytes=figure(2e9), oom_kills=0)
    found = merge_totals([before, after])
    assert found is not None
    assert (found.samples, found.cpu_s, found.oom_kills) == (8, figure(30), 1)
    assert found.memory_peak_bytes == figure(9e9)


def test_what_only_the_earlier_sighting_knows_is_kept_and_not_complete() -> None:
    found = merge_totals([Totals(samples=1, cpu_s=figure(10)), Totals(samples=1)])
    assert found is not None
    assert found.cpu_s == figure(10, complete=False)


def test_growth_of_the_whole_node_is_summed_over_sightings() -> None:
    parts = [Totals(samples=1, pressure_io_some_s=figure(value, FigureSource.NODE)) for value in (2.0, 3.0)]
    found = merge_totals(parts)
    assert found is not None
    assert found.pressure_io_some_s == figure(5.0, FigureSource.NODE, complete=False)


def test_steps_are_joined_by_name() -> None:
    first = Totals(samples=1, steps=(StepTotals(step="batch", samples=2, cpu_s=figure(1)), StepTotals(step="0")))
    second = Totals(samples=1, steps=(StepTotals(step="batch", samples=3, cpu_s=figure(4)), StepTotals(step="1")))
    found = merge_totals([first, second])
    assert found is not None
    assert [(step.step, step.samples) for step in found.steps] == [("batch", 5), ("0", 0), ("1", 0)]
    assert found.steps[0].cpu_s == figure(4)


def test_nothing_measured_is_unavailable() -> None:
    assert merge_totals([]) is None
    assert merge_totals([Totals(samples=0)]) == Totals(samples=0)


def test_what_the_plugin_told_of_a_step_outlives_a_sighting_that_knows_less() -> None:
    exits = (ExitCount(code=7, tasks=1, first_tasks=(3,)),)
    first = StepTotals(step="0", cpu_s=figure(1), started_ns=10, ended_ns=20, exits=exits, tag="mine")
    found = merge_totals([Totals(samples=1, steps=(first,)), Totals(samples=1, steps=(StepTotals(step="0"),))])
    assert found is not None
    step = found.steps[0]
    assert (step.started_ns, step.ended_ns, step.exits, step.tag) == (10, 20, exits, "mine")


def test_a_step_began_when_the_first_sighting_says_so() -> None:
    parts = [Totals(samples=1, steps=(StepTotals(step="0", started_ns=begin),)) for begin in (10, 12)]
    found = merge_totals(parts)
    assert found is not None
    assert found.steps[0].started_ns == 10
