"""One long look at the daemon as shipped: default intervals, default sinks, 200 jobs. Behind P7, P8 and P25.

Owns one window of one minute (a whole slow tier) and what was seen in it; runs once, whoever asks first.
"""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from bench.cpu_time import cpu_ns, resident_bytes
from bench.node_daemon import DaemonShape
from bench.programs import program
from bench.result import NotMeasurable
from bench.setting import Setting

DEFAULT_INTERVAL_S = 10
SETTLED_AFTER_S = 12
"""The first regular tick, which finds everything new, is over."""


@dataclass(frozen=True, slots=True)
class Watched:
    """`bursts` are (begin in ms, length in µs) of CPU use between two voluntary sleeps of one thread."""

    seconds: float
    cpu_us: float
    wakeups: int
    bursts: tuple[tuple[float, float], ...]
    resident_before_bytes: int
    resident_bytes: int

    def longest_per_tick_us(self) -> list[float]:
        """The longest burst of each interval of the window."""
        longest: dict[int, float] = {}
        for begin_ms, length_us in self.bursts:
            tick = int(begin_ms / 1e3 / DEFAULT_INTERVAL_S)
            longest[tick] = max(length_us, longest.get(tick, 0.0))
        return list(longest.values())


@cache
def default_state(setting: Setting) -> Watched:
    """The daemon with its defaults and 200 jobs, for a minute."""
    with setting.daemon(DaemonShape(setting.tree.node)) as daemon:
        time.sleep(SETTLED_AFTER_S)
        return watch_process(daemon.pid, setting.choose(6, 2) * DEFAULT_INTERVAL_S)


def watch_process(pid: int, seconds: int) -> Watched:
    """Watches one process through the kernel's context switch records."""
    before_us, resident_before = cpu_ns(pid) / 1e3, resident_bytes(pid)
    begin_s = time.monotonic()
    done = subprocess.run([program("bursts"), str(pid), str(seconds)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotMeasurable(done.stderr.strip() or "bursts failed")
    seen: dict[str, Any] = json.loads(done.stdout)
    if seen["lost"]:
        raise NotMeasurable("the kernel lost context switch records")
    return Watched(
        time.monotonic() - begin_s,
        cpu_ns(pid) / 1e3 - before_us,
        seen["wakeups"],
        tuple((begin_ms, length_us) for begin_ms, length_us in seen["bursts"]),
        resident_before,
        resident_bytes(pid),
    )
