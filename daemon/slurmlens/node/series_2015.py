"""The node's series of 2015, where configured: network, context switches and processes, under the ancestor's names.

Owns what rates grew from and which programs have series. Invariants: a figure that cannot be had makes no series; at
most `programs` programs ever get series of their own in one run of the daemon, and what is left out is counted; the
look at all processes takes no time of the event loop's (it costs some 0.1 ms a process, in a thread of its own).
Made by `pipeline`, which takes the points; reads the machine through psutil, which knows every kernel's `/proc`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

import psutil

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.series_2015 import NodeSeries2015Config
from slurmlens.runtime.intervals import next_interval
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire import series_2015
from slurmlens.wire.series_2015 import Point

LEFT_OUT = InternalEvent(
    "programs_2015_left_out",
    logging.DEBUG,
    "{user}'s {program} gets no series of 2015: [series_2015] programs is reached",
)

Points = Callable[[bytes, int], Awaitable[None]]
"""Takes lines of carbon plaintext and their number."""

ROOT = "root"
LOOPBACK = "lo"

_FIGURES: tuple[tuple[tuple[str, ...], Callable[[psutil.Process], Iterable[float]]], ...] = (
    (("num_threads",), lambda process: (process.num_threads(),)),
    (("cpu_user", "cpu_system"), lambda process: process.cpu_times()[:2]),
    (("ctx_sw_vol", "ctx_sw_invol"), lambda process: process.num_ctx_switches()),
    (("ctx_fds",), lambda process: (process.num_fds(),)),
)
"""What is reported of a running process, and how it is read."""


@dataclass(frozen=True, slots=True)
class Census:
    """All processes at one moment: how many by user and by state, and what those do that run, by user and program."""

    users: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    programs: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)

    @classmethod
    def taken(cls) -> Census:
        """Of this machine, now; this process itself is left out, for it always runs when it looks."""
        census = cls()
        for process in psutil.process_iter():
            if process.pid != os.getpid():
                census._add(process)
        return census

    def _add(self, process: psutil.Process) -> None:
        try:
            with process.oneshot():
                user, state = process.username(), process.status()
                figures = dict(_figures(process)) if state == psutil.STATUS_RUNNING else {}
                name = _program(process) if figures else ""
        except psutil.Error:
            return  # it has ended meanwhile
        self.states[state] += 1
        if user != ROOT:
            self.users[user] += 1
        sums = self.programs.setdefault((user, name), {}) if figures else {}
        for figure, value in figures.items():
            sums[figure] = sums.get(figure, 0) + value


def _figures(process: psutil.Process) -> Iterator[tuple[str, float]]:
    for names, read in _FIGURES:
        try:
            yield from zip(names, read(process), strict=True)
        except psutil.AccessDenied:
            continue  # the open files of another user


def _program(process: psutil.Process) -> str:
    """Its name; of a Python program its script's, without the ending."""
    name: str = process.name()
    if name.rstrip(".0123456789") != "python":
        return name
    try:
        scripts = [argument for argument in process.cmdline()[1:2] if argument.endswith(".py")]
    except psutil.AccessDenied:
        return name
    return PurePath(scripts[0]).stem if scripts else name


class Series2015:
    """The stage; `run` it until cancelled."""

    def __init__(
        self,
        config: NodeSeries2015Config,
        host: str,
        points: Points,
        reporter: Reporter,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._config = config
        self._host = host
        self._points = points
        self._reporter = reporter
        self._clock = clock
        self._sleep = sleep
        self._before: dict[str, int] = {}
        self._before_ns = 0
        self._programs: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Points at every whole multiple of the interval, stamped with it."""
        interval_ns = round(self._config.interval_s * NS_PER_S)
        while True:
            due_ns = await next_interval(interval_ns, self._clock, self._sleep)
            census = await asyncio.to_thread(Census.taken)
            points = [*self.rates(self._clock.monotonic_ns()), *self.counts(census)]
            lines = series_2015.lines(points, due_ns // NS_PER_S)
            await self._points(b"".join(lines), len(lines))

    def rates(self, now_ns: int) -> Iterator[Point]:
        """What grew since the last call, a second; nothing at the first, and nothing of what is new."""
        totals = {"ctxt": psutil.cpu_stats().ctx_switches}
        interfaces = {name: one for name, one in psutil.net_io_counters(pernic=True).items() if name != LOOPBACK}
        for name, one in interfaces.items():
            totals |= {f"rx {name}": one.bytes_recv, f"tx {name}": one.bytes_sent}
        passed_s = (now_ns - self._before_ns) / NS_PER_S
        grown = {
            key: max(0, total - self._before[key]) / passed_s
            for key, total in totals.items()
            if key in self._before and passed_s > 0
        }
        self._before, self._before_ns = totals, now_ns
        if "ctxt" in grown:
            yield series_2015.context_switches(self._host, grown["ctxt"])
        for name in interfaces:
            if f"rx {name}" in grown:
                yield from series_2015.network(self._host, name, grown[f"rx {name}"], grown[f"tx {name}"])

    def counts(self, census: Census) -> Iterator[Point]:
        """Processes by user and state, and those programs that have series."""
        kind = self._config.type
        for user, count in census.users.items():
            yield series_2015.processes(kind, self._host, "user", user, count)
        for state, count in census.states.items():
            yield series_2015.processes(kind, self._host, "state", state, count)
        for (user, name), figures in census.programs.items():
            if self._has_series(user, name):
                yield from series_2015.program(kind, self._host, user, name, figures.items())

    def _has_series(self, user: str, name: str) -> bool:
        if (user, name) in self._programs:
            return True
        if len(self._programs) >= self._config.programs:
            self._reporter.report(LEFT_OUT, user=user, program=name)
            return False
        self._programs.add((user, name))
        return True
