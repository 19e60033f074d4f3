"""COLLECTORS: CPU of reading the node itself, against psutil on the same host in the same run.

What is compared are the collectors whose figures psutil has as well: CPU, memory, load, disks, interfaces. What a round
over all collectors costs as a share of a core at the default interval stands beside it, and the dearest of them.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import time
import urllib.request
from collections.abc import Callable, Collection

import psutil

from bench.cpu_time import cpu_ns
from bench.result import Goal, NotMeasurable, Result, Row, interleave
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
PEER = Row(
    "COLLECTORS",
    "CPU of a round over all collectors / a scrape of node_exporter",
    Goal(1.0),
    Goal(0.3),
    "node_exporter with its defaults on the same host, asked over HTTP",
)
ROWS = (ROUND, SHARE, PEER)
PORT = 19_917
READY_TIMEOUT_S = 15.0


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
    return [ROUND.measured(pairs.ratio, f"{len(SAME)} collectors"), SHARE.measured(share, note), _peer(setting)]


def _peer(setting: Setting) -> Result:
    """Rounds and scrapes by turns. A scrape is all that node_exporter does: it keeps nothing between two."""
    program = shutil.which("node_exporter") or shutil.which("prometheus-node-exporter")
    if program is None:
        return PEER.no_figure("not measured: needs node_exporter on the PATH (Go: github.com/prometheus/node_exporter)")
    address = f"127.0.0.1:{PORT}"
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([program, f"--web.listen-address={address}"], stdout=quiet, stderr=quiet)
    try:
        _await_answer(address)
        everything = _Rounds(COLLECTORS)
        pairs = interleave(everything.take, lambda: _scrape_us(process.pid, address), setting.choose(30, 10))
    finally:
        process.terminate()
        process.wait()
    costs = f"{statistics.median(pairs.ours):.0f} µs against {statistics.median(pairs.reference):.0f} µs"
    return PEER.measured(pairs.ratio, costs)


def _await_answer(address: str) -> None:
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            _scrape(address)
        except OSError as error:
            if time.monotonic() > deadline_s:
                raise NotMeasurable(f"node_exporter does not answer: {error}") from error
            time.sleep(0.1)
        else:
            return


def _scrape(address: str) -> bytes:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return bytes(answer.read())


def _scrape_us(pid: int, address: str) -> float:
    before_ns = cpu_ns(pid)
    _scrape(address)
    return (cpu_ns(pid) - before_ns) / 1e3


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
