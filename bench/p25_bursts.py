"""P25: how long the daemon holds a CPU at a stretch, and how often it wakes with no job on the node.

A burst is what one thread uses between two voluntary sleeps; being preempted does not end it (see
`programs/bursts.c`).
"""

from __future__ import annotations

import statistics

from bench.default_state import default_state, watch_process
from bench.node_daemon import DaemonShape
from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting

BURST = Row(
    "P25",
    "longest uninterrupted burst per tick, 200 cgroups, default interval",
    Goal(2, "≤ 2 ms"),
    Goal(0.5, "≤ 0.5 ms"),
    "absolute",
    " ms",
)
IDLE = Row("P25", "wake-ups a second with no job", Goal(2), Goal(0.5), "absolute")
ROWS = (BURST, IDLE)


def measure(setting: Setting) -> list[Result]:
    return [_burst(setting), _idle(setting)]


def _burst(setting: Setting) -> Result:
    watched = default_state(setting)
    longest = watched.longest_per_tick_us()
    if not longest:
        raise NotMeasurable("the daemon never ran in the window")
    often = watched.wakeups / watched.seconds
    note = f"median of {len(longest)} ticks, worst {max(longest) / 1e3:.2f} ms; {often:.1f} wake-ups a second"
    return BURST.measured(statistics.median(longest) / 1e3, note)


def _idle(setting: Setting) -> Result:
    with setting.daemon(DaemonShape(setting.idle_node)) as daemon:
        daemon.settle()
        watched = watch_process(daemon.pid, setting.choose(20, 10))
    share = watched.cpu_us / watched.seconds / 1e6
    note = f"{watched.wakeups} in {watched.seconds:.0f} s, all threads; {share:.3%} of a core"
    return IDLE.measured(watched.wakeups / watched.seconds, note)
