"""The campaign behind P2, P3 and P7: the daemon and the bare C loop in turn, at 1 Hz on the same 200 jobs.

Owns the windows of one round and their numbers; the cases only divide them. Runs once per benchmark, whoever
asks first.

Each window is a whole number of slow tiers long, so that every side reads `memory.stat` equally often. A round
starts each anew; start-up and the dense first samples are over when its window begins.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, replace
from functools import cache

from bench.cpu_time import cpu_ns, system_share
from bench.file_schedule import Seen, watch
from bench.node_daemon import DaemonShape, NodeDaemon
from bench.reference_loop import Schedule, run_loop
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
    """All windows, in the order they ran; the i-th of each list belong to one round."""

    seen: Seen
    seen_ticks: int
    daemon: tuple[Window, ...]
    loop: tuple[Window, ...]
    daemon_system_share: float

    @property
    def daemon_to_loop(self) -> Pairs:
        """CPU per tick: a daemon that leaves out ticks to keep its budget shall not look cheaper for that."""
        return Pairs(tuple(w.cpu_us / w.ticks for w in self.daemon), tuple(w.cpu_us / w.ticks for w in self.loop))

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
    rounds, seconds = setting.choose(3, 2), SLOW_EVERY * setting.choose(2, 1)
    daemon, loop = [], []
    share = 0.0
    for _ in range(rounds):
        window, share = daemon_window(setting, _shape(setting), seconds)
        daemon.append(window)
        loop.append(_loop_window(setting, schedule, seconds))
    return Campaign(seen, ticks, tuple(daemon), tuple(loop), share)


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


def daemon_window(setting: Setting, shape: DaemonShape, seconds: int) -> tuple[Window, float]:
    """The daemon in its steady state, and which share of its time it has spent in the kernel so far."""
    with setting.daemon(shape) as daemon:
        daemon.settle()
        # Ticks are aligned: a window that begins in the middle between two holds as many as it is long.
        time.sleep((0.5 - time.time() / shape.interval_s) % 1 * shape.interval_s)
        before = _ticks(daemon)
        window = window_of(setting, daemon.pid, seconds)
        return replace(window, ticks=max(1, _ticks(daemon) - before)), system_share(daemon.pid)


def _ticks(daemon: NodeDaemon) -> int:
    return int(daemon.status()["sampler"]["ticks"])


def _loop_window(setting: Setting, schedule: Schedule, seconds: int) -> Window:
    run = run_loop(schedule, setting.new_folder(), INTERVAL_S, round(seconds / INTERVAL_S))
    if run.failed:
        raise NotMeasurable(f"the reference loop failed to read {run.failed} times")
    return Window(run.cpu_us, seconds, run.ticks)


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
