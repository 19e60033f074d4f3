"""What SIGHUP asks of a daemon: good settings are applied by beginning anew in the same process, others are refused.

Beginning anew keeps the process id and all that a restart keeps (spool, sightings, profiles), and systemd sees a unit
that reloads. Nothing is closed for settings that cannot be used: the program goes on with the ones it has. Owns
nothing; `signals` calls it, each program's `main` wires it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

from slurmlens.clock import NS_PER_S, Clock, next_whole_ns
from slurmlens.errors import ConfigError
from slurmlens.runtime.signals import StopRequest
from slurmlens.telemetry.internal import InternalEvent, Reporter

BEGINS_ANEW = -1
"""What a program's `serve` returns instead of an exit status where `begin_anew` is to follow."""
AFTER_A_TICK_S = 1.0
ACCEPTED = InternalEvent("settings_accepted", logging.INFO, "the settings are good: beginning anew with them")
REFUSED = InternalEvent(
    "settings_refused", logging.ERROR, "settings not applied, the ones from before stay in use: {problem}"
)


class SettingsReload:
    """Called at SIGHUP; `examine` returns or raises what is wrong with the settings that are there now.

    `interval_ns`: the program ticks at whole multiples of it, and begins anew just after one, so that it misses none.
    """

    def __init__(
        self,
        examine: Callable[[], Iterable[ConfigError]],
        reporter: Reporter,
        clock: Clock,
        interval_ns: int | None = None,
    ) -> None:
        self._examine = examine
        self._reporter = reporter
        self._clock = clock
        self._interval_ns = interval_ns

    def __call__(self, stop: StopRequest) -> None:
        """Report every problem, or ask `stop` to begin anew."""
        if self._are_good():
            self._reporter.report(ACCEPTED)
            asyncio.get_running_loop().call_later(self.wait_s(), self._ask, stop)

    def _ask(self, stop: StopRequest) -> None:
        """What was good when it was asked for may have been edited since, and would end the program that begins."""
        if self._are_good():
            stop.ask_to_begin_anew()

    def _are_good(self) -> bool:
        problems = self._problems()
        for problem in problems:
            self._reporter.report(REFUSED, problem=problem)
        return not problems

    def _problems(self) -> list[ConfigError]:
        try:
            return list(self._examine())
        except ConfigError as error:
            return [error]

    def wait_s(self) -> float:
        """Seconds until a tick has just been taken; 0 for a program without ticks."""
        if self._interval_ns is None:
            return 0.0
        interval_s, now_ns = self._interval_ns / NS_PER_S, self._clock.wall_ns()
        after_s = min(AFTER_A_TICK_S, interval_s / 4)
        until_tick_s = (next_whole_ns(now_ns, self._interval_ns) - now_ns) / NS_PER_S
        is_just_after = after_s <= interval_s - until_tick_s < 2 * after_s
        return 0.0 if is_just_after else (until_tick_s + after_s) % interval_s


def begin_anew() -> NoReturn:
    """Replace this process's program by itself, with the same arguments; descriptors close by themselves."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606  # the very program that runs
