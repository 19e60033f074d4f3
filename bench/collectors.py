"""COLLECTORS: CPU of reading the node itself, against psutil on the same host in the same run.

What is compared are the collectors whose figures psutil has as well: CPU, memory, load, disks, interfaces. What a round
over all collectors costs as a share of a core at the default interval stands beside it, and the dearest of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

import psutil

from bench.result import Goal, Result, Row, interleave
from bench.setting import Setting
from slurmlens.config.collectors import CollectorsConfig
from slurmlens.node.collectors.collecting import Collecting
from slurmlens.node.collectors.files import KeptFiles
from slurmlens.node.collectors.table import COLLECTORS, CollectorRow

ROUND = Row(
    "COLLECTORS",
    "CPU of reading CPU, memory, load, disks and interfaces / psutil's of the same",
    Goal(2.0),
    Goal(1.2),
    "psutil on the same host",
)
SHARE = Row(
    "COLLECTORS",
    "share of one core, all collectors, default interval",
    Goal(0.05, "< 0.05 %"),
    Goal(0.01, "< 0.01 %"),
    "one core",
    " %",
)
ROWS = (ROUND, SHARE)


SAME = frozenset(("cpu", "memory", "load", "disk", "network"))


def measure(setting: Setting) -> list[Result]:
    same = _Rounds([row for row in COLLECTORS if row.name in SAME])
    pairs = interleave(same.take, lambda: _cpu_us(_by_psutil), setting.choose(60, 20))
    everything = _Rounds(COLLECTORS)
    costs_us = sorted(everything.take() for _ in range(setting.choose(60, 20)))
    median_us = costs_us[len(costs_us) // 2]
    share = 100 * median_us / 1e6 / everything.interval_s
    known = sorted(everything.collecting.costs.items(), key=lambda item: -item[1].mean_s)
    dearest = ", ".join(f"{name} {cost.mean_s * 1e6:.0f} µs" for name, cost in known[:4])
    note = f"{median_us:.0f} µs a round of {len(known)} collectors each {everything.interval_s:.0f} s; {dearest}"
    return [ROUND.measured(pairs.ratio, f"{len(SAME)} collectors"), SHARE.measured(share, note)]


class _Rounds:
    """Rounds over this host, an interval apart, and what each costs."""

    def __init__(self, rows: Collection[CollectorRow]) -> None:
        config = CollectorsConfig()
        self.interval_s = config.interval_s
        self.collecting = Collecting(config, KeptFiles("/"), rows=rows)
        self._now_ns = 0
        self.take()

    def take(self) -> float:
        """One more round; its CPU time in µs."""
        self._now_ns += round(self.interval_s * 1e9)
        return _cpu_us(lambda: self.collecting.round(self._now_ns, {}))


def _by_psutil() -> None:
    psutil.cpu_times(percpu=True)
    psutil.cpu_stats()
    psutil.virtual_memory()
    psutil.swap_memory()
    psutil.disk_io_counters(perdisk=True)
    psutil.net_io_counters(pernic=True)
    psutil.getloadavg()


def _cpu_us(work: Callable[[], object]) -> float:
    began_ns = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - began_ns) / 1e3
