"""How often slurmctld is asked."""

from __future__ import annotations

from slurmlens.clock import NS_PER_S
from slurmlens.slurm.politeness import MAX_PAUSE_S, Politeness
from testkit.manual_clock import ManualClock


def requests_in(clock: ManualClock, politeness: Politeness, seconds: float, took_s: float, well: bool = True) -> int:
    """How many requests are made in so many seconds by one who asks whenever it may."""
    end_ns = clock.monotonic_ns() + round(seconds * NS_PER_S)
    count = 0
    while (due_ns := politeness.next_ns(clock.monotonic_ns())) < end_ns:
        clock.advance((due_ns - clock.monotonic_ns()) / NS_PER_S)
        politeness.began(clock.monotonic_ns())
        clock.advance(took_s)
        politeness.ended(clock.monotonic_ns(), well=well)
        count += 1
    return count


def test_at_most_two_requests_a_minute_by_default(clock: ManualClock) -> None:
    assert requests_in(clock, Politeness(30), 600, took_s=0.1) == 20


def test_a_slow_scheduler_is_asked_no_more_than_a_tenth_of_the_time(clock: ManualClock) -> None:
    assert requests_in(clock, Politeness(30), 3600, took_s=12.0) <= 3600 / (12 + 120) + 2


def test_failures_back_off_and_success_comes_back(clock: ManualClock) -> None:
    politeness = Politeness(30)
    failed = requests_in(clock, politeness, 3600, took_s=0.1, well=False)
    assert failed <= 10
    assert politeness.failures == failed
    clock.advance(MAX_PAUSE_S)
    assert requests_in(clock, politeness, 60, took_s=0.1) == 2
    assert politeness.failures == 0
