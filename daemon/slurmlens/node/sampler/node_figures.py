"""Figures of the node itself: load, CPU, memory, network and pressure, as series beside those of its jobs.

Owns the names of the node's series and what their rates grew from. Reads four small files of procfs at most every
`LEAST_INTERVAL_S`; one that is missing or odd costs its own figures alone. Sources: proc_loadavg(5), proc_stat(5),
proc_meminfo(5), proc_pid_net(5). Used by `engine`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from slurmlens.cgroup.reading import Reading
from slurmlens.clock import NS_PER_S
from slurmlens.node.sampler.points import Lines
from slurmlens.wire.carbon import SeriesBlock, node_prefix

LEAST_INTERVAL_S = 10

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_KIB = 1024
_US_PER_S = 1_000_000

GAUGES = (
    "load_1min_count",
    "memory_total_bytes",
    "memory_available_bytes",
    "memory_used_bytes",
    "swap_used_bytes",
)
RATES = (
    "cpu_user_cores",
    "cpu_system_cores",
    "cpu_iowait_cores",
    "cpu_busy_cores",
    "network_received_bytes_per_second",
    "network_sent_bytes_per_second",
    "pressure_cpu_some_ratio",
    "pressure_memory_some_ratio",
    "pressure_memory_full_ratio",
    "pressure_io_some_ratio",
    "pressure_io_full_ratio",
)
"""Growth per second of what the kernel counts since boot; in seconds and bytes."""

Figures = dict[str, float]


class NodeFigures:
    """One node's figures, interval by interval."""

    def __init__(self, proc: Path, cluster: str, node: str, interval_s: float) -> None:
        self._proc = proc
        self._block_names: tuple[str, ...] = ()
        self._prefix = node_prefix(cluster, node)
        self._block = SeriesBlock(self._prefix, ())
        self._before: Figures = {}
        self._before_ns = 0
        self.retime(interval_s)

    def retime(self, interval_s: float) -> None:
        """Points at another interval from now on."""
        self._interval_ns = round(max(interval_s, LEAST_INTERVAL_S) * NS_PER_S)

    def is_due(self, tick_ns: int) -> bool:
        """Whether an interval ends at this aligned wall time."""
        return tick_ns - self._before_ns >= self._interval_ns or tick_ns % self._interval_ns == 0

    def lines(self, pressure: Reading | None, tick_ns: int) -> Lines:
        """The points of the interval that ends at `tick_ns`; rates begin with the second call."""
        gauges, totals = self._read(pressure)
        passed_s = (tick_ns - self._before_ns) / NS_PER_S
        rates = {
            name: max(0.0, total - self._before[name]) / passed_s
            for name, total in totals.items()
            if name in self._before and passed_s > 0
        }
        self._before, self._before_ns = totals, tick_ns
        figures = gauges | rates
        names = tuple(figures)
        if names != self._block_names:
            self._block_names, self._block = names, SeriesBlock(self._prefix, names)
        payload = self._block.encode(list(figures.values()), (tick_ns - self._interval_ns) // NS_PER_S)
        return Lines(payload, len(figures))

    def _read(self, pressure: Reading | None) -> tuple[Figures, Figures]:
        gauges = self._parsed("loadavg", parse_load) | self._parsed("meminfo", parse_memory)
        totals = self._parsed("stat", parse_cpu) | self._parsed("net/dev", parse_network)
        return gauges, totals | (_pressure(pressure) if pressure is not None else {})

    def _parsed(self, name: str, parse: Callable[[Iterable[str]], Figures]) -> Figures:
        try:
            with (self._proc / name).open(encoding="ascii", errors="replace") as file:
                return parse(file)
        except (OSError, ValueError, LookupError, StopIteration):
            return {}


def parse_load(lines: Iterable[str]) -> Figures:
    """`/proc/loadavg`. These parsers raise ValueError, LookupError or StopIteration for other texts."""
    return {"load_1min_count": float(next(iter(lines)).split()[0])}


def parse_memory(lines: Iterable[str]) -> Figures:
    """`/proc/meminfo`; used is what could not be had without swapping."""
    values = {key: int(rest.split()[0]) * _KIB for key, _, rest in (line.partition(":") for line in lines)}
    return {
        "memory_total_bytes": values["MemTotal"],
        "memory_available_bytes": values["MemAvailable"],
        "memory_used_bytes": values["MemTotal"] - values["MemAvailable"],
        "swap_used_bytes": values["SwapTotal"] - values["SwapFree"],
    }


def parse_cpu(lines: Iterable[str]) -> Figures:
    """The first line of `/proc/stat`, in seconds; guests are in user and nice already."""
    name, *words = next(iter(lines)).split()
    if name != "cpu":
        raise ValueError(name)
    user, nice, system, _idle, iowait, irq, softirq, steal = (int(word) / _TICKS_PER_S for word in words[:8])
    return {
        "cpu_user_cores": user + nice,
        "cpu_system_cores": system + irq + softirq,
        "cpu_iowait_cores": iowait,
        "cpu_busy_cores": user + nice + system + irq + softirq + steal,
    }


def parse_network(lines: Iterable[str]) -> Figures:
    """`/proc/net/dev`: all interfaces but the loopback, summed."""
    received = sent = 0
    for line in lines:
        name, found, rest = line.partition(":")
        if found and name.strip() != "lo":
            words = rest.split()
            received += int(words[0])
            sent += int(words[8])
    return {"network_received_bytes_per_second": received, "network_sent_bytes_per_second": sent}


def _pressure(reading: Reading) -> Figures:
    """Seconds of pressure since boot, under the names of the rates."""
    found = {}
    for name in RATES:
        if name.startswith("pressure_"):
            value = reading.get(name.removesuffix("_ratio") + "_us")
            if value is not None:
                found[name] = value / _US_PER_S
    return found
