"""When the sampler reads: on wall-clock multiples, densely at birth, within its budget, whatever the clock does."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
from hypothesis import given

from slurmlens.clock import Moment
from slurmlens.node.sampler.schedule import Schedule
from testkit.manual_clock import ManualClock

NS = 1_000_000_000
MS = 1_000_000


def now(clock: ManualClock) -> Moment:
    return Moment(clock.wall_ns(), clock.boottime_ns())


def schedule(clock: ManualClock, **settings: float) -> Schedule:
    known = {"interval_s": 10.0, "slow_every": 6, "budget_share": 0.01} | settings
    return Schedule(known["interval_s"], int(known["slow_every"]), known["budget_share"], now(clock))


def run(plan: Schedule, clock: ManualClock, seconds: float) -> list[tuple[float, object]]:
    """What is due in the next `seconds`, each with the boottime at which it was."""
    begin, end = clock.boottime_ns(), clock.boottime_ns() + round(seconds * NS)
    found = []
    while clock.boottime_ns() + plan.wait_ns(now(clock)) <= end:
        clock.advance(plan.wait_ns(now(clock)) / NS)
        due = plan.due(now(clock))
        if due:
            found.append(((clock.boottime_ns() - begin) / NS, due))
    return found


def test_ticks_fall_on_multiples_of_the_interval_and_every_sixth_is_slow(clock: ManualClock) -> None:
    clock.advance(3.7)
    ticks = [due for _, due in run(schedule(clock), clock, 130.0)]
    assert all(due.tick_ns % (10 * NS) == 0 for due in ticks)
    assert [due.tick_ns // NS % 60 for due in ticks if due.slow] == [0, 0]
    assert len(ticks) == 13


def test_nodes_that_start_at_different_moments_tick_together(clock: ManualClock) -> None:
    first = schedule(clock)
    clock.advance(7.3)
    second = schedule(clock)
    assert first.wait_ns(now(clock)) == second.wait_ns(now(clock))


def test_a_young_job_is_looked_at_densely_and_then_left_to_the_ticks(clock: ManualClock) -> None:
    plan = schedule(clock)
    clock.advance(0.001)
    plan.born(1, clock.boottime_ns())
    looks = [round(at_s * 1000) for at_s, due in run(plan, clock, 60.0) if due.young]
    assert looks[:8] == [20, 50, 100, 200, 400, 800, 1600, 3200]
    assert len(looks) <= 10


def test_a_forgotten_job_is_not_looked_at_again(clock: ManualClock) -> None:
    plan = schedule(clock)
    plan.born(1, clock.boottime_ns())
    plan.forget(1)
    assert not any(due.young for _, due in run(plan, clock, 30.0))


def test_a_look_at_a_regular_tick_is_not_made_twice(clock: ManualClock) -> None:
    plan = schedule(clock, interval_s=0.1)
    plan.born(1, clock.boottime_ns())
    clock.advance(0.1)
    due = plan.due(now(clock))
    assert due.tick_ns is not None
    assert due.young == ()


def test_somebody_who_asks_gets_one_second_for_one_job_and_for_as_long_as_asked(clock: ManualClock) -> None:
    plan = schedule(clock)
    clock.advance(0.5)
    plan.look_closely(1, 1.0, clock.boottime_ns(), clock.boottime_ns() + 5 * NS)
    looks = [at_s for at_s, due in run(plan, clock, 30.0) if due.young == (1,)]
    assert looks == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_ticks_that_were_slept_through_are_counted_and_not_made_up_for(clock: ManualClock) -> None:
    plan = schedule(clock)
    clock.advance(45.0)
    due = plan.due(now(clock))
    assert due.tick_ns == 1_795_420_840 * NS
    assert plan.cost().missed_ticks == 3
    assert not plan.due(now(clock))


def test_a_slow_tick_that_was_slept_through_is_made_with_the_next_one(clock: ManualClock) -> None:
    plan = schedule(clock)
    clock.advance(75.0)
    assert plan.due(now(clock)).slow


def test_a_wall_clock_that_is_set_back_does_not_stop_the_ticks(clock: ManualClock) -> None:
    plan = schedule(clock)
    clock.jump_wall(-3600)
    assert plan.wait_ns(now(clock)) <= 10 * NS


def test_a_sampler_that_is_too_dear_leaves_out_ticks_and_comes_back(clock: ManualClock) -> None:
    plan = schedule(clock, interval_s=1.0, budget_share=0.01)
    for _ in range(40):
        plan.spent(50 * MS)
    assert plan.cost().thinning == 8
    assert plan.interval_s == 8.0
    ticks = [due.tick_ns for _, due in run(plan, clock, 33.0)]
    assert [later - sooner for sooner, later in itertools.pairwise(ticks[1:])] == [8 * NS] * 3
    for _ in range(60):
        plan.spent(1 * MS)
    assert plan.cost().thinning == 1


def test_the_cost_is_told_as_a_share_of_one_core(clock: ManualClock) -> None:
    plan = schedule(clock, interval_s=10.0)
    plan.spent(5 * MS)
    cost = plan.cost()
    assert cost.share == 0.0005
    assert (cost.last_tick_s, cost.longest_tick_s, cost.ticks) == (0.005, 0.005, 1)


@given(st.lists(st.floats(-100.0, 100.0), max_size=30), st.sampled_from([0.1, 1.0, 10.0]))
def test_whatever_the_wall_clock_does_the_next_tick_is_near(jumps: list[float], interval_s: float) -> None:
    clock = ManualClock()
    plan = schedule(clock, interval_s=interval_s)
    for jump in jumps:
        clock.jump_wall(jump)
        assert 0 <= plan.wait_ns(now(clock)) <= 2 * interval_s * NS
        plan.due(now(clock))
