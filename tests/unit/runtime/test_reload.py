"""What SIGHUP asks for: good settings begin the program anew just after a tick, bad ones change nothing."""

from __future__ import annotations

import asyncio

import pytest

from slurmlens.clock import NS_PER_S
from slurmlens.errors import ConfigError
from slurmlens.runtime.reload import SettingsReload
from slurmlens.runtime.signals import StopRequest
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.manual_clock import ManualClock


@pytest.mark.parametrize(
    ("since_tick_s", "wait_s"), [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0), (1.9, 0.0), (2.0, 9.0), (9.5, 1.5)]
)
async def test_it_begins_anew_a_second_after_a_tick_so_that_it_misses_none(
    since_tick_s: float, wait_s: float, clock: ManualClock
) -> None:
    clock.advance(since_tick_s)
    reload = SettingsReload(list, Reporter(Counters(), clock), clock, 10 * NS_PER_S)
    assert reload.wait_s() == pytest.approx(wait_s)


async def test_a_program_without_ticks_begins_anew_at_once(clock: ManualClock) -> None:
    stop = StopRequest()
    SettingsReload(list, Reporter(Counters(), clock), clock)(stop)
    await stop.wait()
    assert stop.begins_anew


@pytest.mark.parametrize("raises", [True, False])
async def test_settings_that_cannot_be_used_stop_nothing_and_each_problem_is_reported(
    raises: bool, clock: ManualClock
) -> None:
    problems = [ConfigError("unknown key", key="a"), ConfigError("unknown key", key="b")]

    def examine() -> list[ConfigError]:
        if raises:
            raise problems[0]
        return problems

    counters, stop = Counters(), StopRequest()
    SettingsReload(examine, Reporter(counters, clock), clock)(stop)
    await asyncio.sleep(0)
    assert not stop.asked
    [refused] = [value for name, value in counters.snapshot().items() if "settings_refused" in name]
    assert refused == (1 if raises else 2)


async def test_settings_that_were_spoilt_while_a_tick_was_waited_for_stop_nothing(clock: ManualClock) -> None:
    answers = iter([[], [ConfigError("unknown key", key="a")]])
    counters, stop = Counters(), StopRequest()
    SettingsReload(lambda: next(answers), Reporter(counters, clock), clock)(stop)
    while not [name for name in counters.snapshot() if "settings_refused" in name]:
        await asyncio.sleep(0)
    assert not stop.asked


async def test_who_is_asked_to_end_while_it_is_to_begin_anew_ends() -> None:
    stop = StopRequest()
    stop.ask_to_begin_anew()
    stop.ask()
    assert (stop.begins_anew, stop.hurried.is_set()) == (False, False)
    stop.ask_to_begin_anew()
    assert not stop.begins_anew
