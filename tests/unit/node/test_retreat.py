"""A daemon that costs more than it may is silent for a while, for longer when it happens again, and comes back."""

from __future__ import annotations

from slurmlens.node.retreat import FORGIVEN_S, MOST_REST_S, REST_S, WINDOW_S, Retreat
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.manual_clock import ManualClock

SHARE = 0.25


class Daemon:
    """A process whose CPU time the test makes up; `silences` are the moments of each change, in seconds."""

    def __init__(self) -> None:
        self.clock, self.used_s, self.elapsed_s = ManualClock(), 0.0, 0.0
        self.changes: list[tuple[float, bool]] = []
        self.retreat = Retreat(SHARE, lambda: self.used_s, self._changed, self.clock, Reporter(Counters(), self.clock))

    def _changed(self, is_silent: bool) -> None:
        self.changes.append((self.elapsed_s, is_silent))

    def lives(self, seconds: float, share: float) -> None:
        for _ in range(round(seconds / WINDOW_S)):
            self.clock.advance(WINDOW_S)
            self.elapsed_s += WINDOW_S
            self.used_s += WINDOW_S * share
            self.retreat.look()

    @property
    def is_silent(self) -> bool:
        return bool(self.changes) and self.changes[-1][1]


def test_one_that_keeps_within_its_share_never_retreats() -> None:
    daemon = Daemon()
    daemon.lives(7200, SHARE)
    assert daemon.changes == []


def test_one_that_takes_more_is_silent_for_ten_minutes_and_comes_back() -> None:
    daemon = Daemon()
    daemon.lives(WINDOW_S, 0.01)
    daemon.lives(WINDOW_S, 0.9)
    daemon.lives(2 * REST_S, 0.01)
    assert daemon.changes == [(2 * WINDOW_S, True), (2 * WINDOW_S + REST_S, False)]


def test_each_time_it_is_silent_for_twice_as_long_but_not_for_ever() -> None:
    daemon = Daemon()
    daemon.lives(3 * 86_400, 0.9)
    begins = [at for at, is_silent in daemon.changes if is_silent]
    ends = [at for at, is_silent in daemon.changes if not is_silent]
    rests = [end - begin for begin, end in zip(begins, ends, strict=False)]
    assert rests[:4] == [REST_S, 2 * REST_S, 4 * REST_S, 8 * REST_S]
    assert rests[-1] == MOST_REST_S


def test_an_hour_within_its_share_is_forgiven() -> None:
    daemon = Daemon()
    for _ in range(2):
        daemon.lives(WINDOW_S, 0.9)
        assert daemon.is_silent
        daemon.lives(REST_S, 0.01)
        assert not daemon.is_silent
        daemon.lives(FORGIVEN_S, 0.01)
