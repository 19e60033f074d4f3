"""P5: CPU per emitted metric against Debian's collectd on the same jobs, each at 1 Hz to a carbon of its own kind.

A metric is a line that reached carbon; what the hub gets of the same readings is not counted. The tree is cut to as
many jobs as the daemon has series for (docs/adr/0016): beyond its slots a node's jobs share one series while all are
read, and a figure per line would tell how far beyond they are, not what a line costs.
"""

from __future__ import annotations

import statistics
import time

from bench.collectd import Collectd
from bench.node_daemon import DaemonShape
from bench.result import Goal, NotMeasurable, Pairs, Result, Row, interleave
from bench.setting import Setting
from bench.steady_state import INTERVAL_S, SLOW_EVERY, Window, daemon_window, window_of

ROWS = (
    Row(
        "P5",
        "CPU per emitted metric / collectd `cgroups` + `write_graphite`",
        Goal(1 / 5, "≤ 1/5"),
        Goal(1 / 8, "≤ 1/8"),
        "collectd from Debian's package on the same jobs",
    ),
)
SLOTS = 64
"""As many as there can be."""


def measure(setting: Setting) -> list[Result]:
    seconds = SLOW_EVERY * setting.choose(2, 1)
    shape = DaemonShape(setting.tree.node, interval_s=INTERVAL_S, slots=SLOTS)
    with setting.tree.cut_to(SLOTS):
        ours: list[Window] = []
        theirs: list[Window] = []
        interleave(
            lambda: _noted(ours, daemon_window(setting, shape, seconds)),
            lambda: _noted(theirs, _collectd_window(setting, seconds)),
            setting.choose(3, 2),
        )
    pairs = Pairs(_per_metric(ours), _per_metric(theirs))
    costs = f"{statistics.median(pairs.ours):.1f} µs against {statistics.median(pairs.reference):.1f} µs"
    often = (
        f"{_per_second(ours[0])} metrics a second of {SLOTS} jobs and their steps, collectd {_per_second(theirs[0])}"
    )
    return [ROWS[0].measured(pairs.ratio, f"{costs}; {often}")]


def _collectd_window(setting: Setting, seconds: int) -> Window:
    with Collectd(setting.tree, setting.new_folder(), setting.receivers.carbon_port, INTERVAL_S) as collectd:
        time.sleep(3 * INTERVAL_S)
        return window_of(setting, collectd.pid, seconds)


def _noted(windows: list[Window], window: Window) -> float:
    if not window.carbon_points:
        raise NotMeasurable("no metric reached carbon")
    windows.append(window)
    return window.cpu_us


def _per_metric(windows: list[Window]) -> tuple[float, ...]:
    return tuple(window.cpu_us / window.carbon_points for window in windows)


def _per_second(window: Window) -> int:
    return round(window.carbon_points / window.seconds)
