"""The flag file silences the sampler and only that; told once for each change."""

from __future__ import annotations

from pathlib import Path

from slurmlens.clock import NS_PER_S, Moment
from slurmlens.node.kill_switch import KillSwitch
from slurmlens.node.sampler.schedule import Schedule
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.manual_clock import ManualClock


def test_each_change_of_the_flag_is_told_once(tmp_path: Path) -> None:
    flag, changes = tmp_path / "off", list[bool]()
    counters = Counters()
    switch = KillSwitch([tmp_path / "other", flag], changes.append, Reporter(counters, ManualClock()))
    switch.look()
    flag.touch()
    switch.look()
    switch.look()
    flag.unlink()
    switch.look()
    assert changes == [True, False]


def test_a_flag_that_cannot_be_looked_at_silences_nothing(tmp_path: Path) -> None:
    changes = list[bool]()
    (tmp_path / "file").touch()
    KillSwitch([tmp_path / "file" / "off"], changes.append, Reporter(Counters(), ManualClock())).look()
    assert changes == []


def _at(seconds: float) -> Moment:
    return Moment(round(seconds * NS_PER_S), round(seconds * NS_PER_S))


def test_a_silent_schedule_has_nothing_due_and_misses_no_tick() -> None:
    schedule = Schedule(10.0, 6, 0.02, _at(1000))
    schedule.born(1, _at(1000).boottime_ns)
    schedule.silence(True, _at(1000))
    assert not schedule.due(_at(1100))
    assert schedule.wait_ns(_at(1100)) > 0
    schedule.silence(False, _at(1105))
    schedule.due(_at(1105))
    due = schedule.due(_at(1110))
    assert due.tick_ns == _at(1110).wall_ns
    assert schedule.cost().missed_ticks == 0


def test_silence_that_is_told_again_moves_no_tick() -> None:
    schedule = Schedule(10.0, 6, 0.02, _at(1000))
    schedule.silence(False, _at(1005))
    assert schedule.due(_at(1010)).tick_ns == _at(1010).wall_ns
