"""The campaign behind P2, P3 and P7: the daemon and the bare C loop side by side, at 1 Hz on the same 200 jobs.

Owns the windows and their numbers; the cases only divide them. Runs once per benchmark, whoever asks first.

Both run at the same time, half an interval apart: what the machine does to one it does to the other within the same
second, where two runs after each other differed by more than what is looked for. Each window is a whole number of slow
tiers long, so that both read `memory.stat` equally often; it begins and ends between two ticks. Every round starts both
anew; start-up and the dense first samples are over when its first window begins.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, replace
from functools import cache

from bench.cpu_time import cpu_ns, system_share
from bench.file_schedule import Seen, watch
from bench.node_daemon import DaemonShape, NodeDaemon
from bench.reference_loop import ReferenceLoop
from bench.result import NotMeasurable, Pairs
from bench.setting import Setting

INTERVAL_S = 1.0
SLOW_EVERY = 6


@dataclass(frozen=True, slots=True)
class Window:
    """What one process cost in one window, and what it delivered meanwhile."""

    cpu_us: float
    seconds: float
    ticks: int = 0
    carbon_points: int = 0
    profile_values: int = 0

    @property
    def core_share(self) -> float:
        return self.cpu_us / 1e6 / self.seconds


@dataclass(frozen=True, slots=True)
class Campaign:
    """All windows, in the order they ran; the i-th of each list are of the same seconds."""

    seen: Seen
    seen_ticks: int
    daemon: tuple[Window, ...]
    loop: tuple[Window, ...]
    daemon_system_share: float

    @property
    def daemon_to_loop(self) -> Pairs:
        """CPU per tick: a daemon that leaves out ticks to keep its budget shall not look cheaper for that."""
        return Pairs(
            tuple(window.cpu_us / window.ticks for window in self.daemon),
            tuple(window.cpu_us / window.ticks for window in self.loop),
        )

    @property
    def left_out(self) -> int:
        """Ticks that the daemon did not do in its windows."""
        return sum(round(window.seconds / INTERVAL_S) - window.ticks for window in self.daemon)

    @property
    def core_share(self) -> float:
        return statistics.median(window.core_share for window in self.daemon)


@cache
def campaign(setting: Setting) -> Campaign:
    """Runs it, or hands back what it gave before."""
    seen, ticks = _watch_daemon(setting)
    schedule = seen.schedule(ticks)
    if not schedule:
        raise NotMeasurable("the daemon was not seen reading any counter of the tree")
    daemon: list[Window] = []
    loop: list[Window] = []
    share = 0.0
    for _ in range(setting.choose(3, 2)):
        with (
            ReferenceLoop(schedule, setting.new_folder(), INTERVAL_S) as reference,
            setting.daemon(_shape(setting)) as process,
        ):
            process.settle()
            for _ in range(setting.choose(4, 2)):
                one, other = _side_by_side(setting, process, reference)
                daemon.append(one)
                loop.append(other)
            share = system_share(process.pid)
    return Campaign(seen, ticks, tuple(daemon), tuple(loop), share)


def _side_by_side(setting: Setting, daemon: NodeDaemon, loop: ReferenceLoop) -> tuple[Window, Window]:
    """What both cost in one slow tier."""
    _await_quarter(INTERVAL_S)
    before_ns = cpu_ns(loop.pid)
    window = _window_of_daemon(setting, daemon, SLOW_EVERY)
    return window, Window((cpu_ns(loop.pid) - before_ns) / 1e3, SLOW_EVERY, SLOW_EVERY)


def _await_quarter(interval_s: float) -> None:
    """Sleeps until a quarter of an interval is over: the daemon's tick is done, the loop's is still to come."""
    time.sleep((0.25 - time.time() / interval_s) % 1 * interval_s)


def _shape(setting: Setting) -> DaemonShape:
    return DaemonShape(setting.tree.node, interval_s=INTERVAL_S)


def _watch_daemon(setting: Setting) -> tuple[Seen, int]:
    with setting.daemon(_shape(setting)) as daemon:
        daemon.settle()
        before = _ticks(daemon)
        seen = watch(daemon.pid, 2 * SLOW_EVERY, setting.new_folder())
        return seen, _ticks_in_window(seen, max(1, _ticks(daemon) - before))


def _ticks_in_window(seen: Seen, told: int) -> int:
    """Ticks that fell into the traced window: as often as most files were read, where that is what the daemon told but
    for the one tick that may lie on the edge."""
    most_often = statistics.mode(seen.reads.values()) if seen.reads else told
    return most_often if abs(most_often - told) <= 1 else told


def daemon_window(setting: Setting, shape: DaemonShape, seconds: int) -> Window:
    """A daemon of that shape, started for it, in its steady state."""
    with setting.daemon(shape) as daemon:
        daemon.settle()
        _await_quarter(shape.interval_s)
        return _window_of_daemon(setting, daemon, seconds)


def _window_of_daemon(setting: Setting, daemon: NodeDaemon, seconds: int) -> Window:
    before = _ticks(daemon)
    window = window_of(setting, daemon.pid, seconds)
    return replace(window, ticks=max(1, _ticks(daemon) - before))


def _ticks(daemon: NodeDaemon) -> int:
    return int(daemon.status()["sampler"]["ticks"])


def window_of(setting: Setting, pid: int, seconds: int) -> Window:
    """What a process costs and delivers in the next `seconds`."""
    before, cpu_before = setting.receivers.counts(), cpu_ns(pid)
    time.sleep(seconds)
    after, cpu_after = setting.receivers.counts(), cpu_ns(pid)
    return Window(
        (cpu_after - cpu_before) / 1e3,
        seconds,
        0,
        after["carbon_points"] - before["carbon_points"],
        after["profile_values"] - before["profile_values"],
    )
