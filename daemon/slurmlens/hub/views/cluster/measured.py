"""What nodes measured of themselves, as lines of the USE table: pure.

Owns the formulas of utilisation, saturation and errors for CPU, memory, network, disks, file systems and GPUs as nodes'
daemons told them, and of the daemons themselves. A resource that no node told anything of has no line; a node that was
silent for three of its intervals counts for nothing but its silence. Fed with `hub.node_states.figures`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from msgspec.structs import replace

from slurmlens.clock import NS_PER_S
from slurmlens.hub.node_states.resource_hours import MeasuredResource
from slurmlens.hub.node_states.resources import FULL_RATIO, UseFigures, UseFiguresTold
from slurmlens.hub.views.cluster.view import ResourceLine, UseCell
from slurmlens.shown import format as fmt
from slurmlens.shown.text import visible

STALE_INTERVALS = 3
LEAST_INTERVAL_S = 20.0
WAITING_RATIO = 0.1
"""A share of time that some task waited, from which on a node counts as saturated (PSI, `some`)."""

NOT_MEASURED = UseCell(text="not measured")


class Measured(NamedTuple):
    """Nodes that told lately, and those in service that did not."""

    fresh: Sequence[UseFiguresTold]
    silent: Sequence[str]


def measured(told: Iterable[UseFiguresTold], in_service: Iterable[str], now_ns: int) -> Measured:
    """Of these nodes; what a node out of service measures is not counted."""
    by_name = {one.node: one for one in told}
    names = list(in_service)
    fresh = [by_name[name] for name in names if name in by_name and not _is_stale(by_name[name], now_ns)]
    known = {one.node for one in fresh}
    return Measured(fresh, [name for name in names if name not in known])


def _is_stale(told: UseFiguresTold, now_ns: int) -> bool:
    interval_s = max(LEAST_INTERVAL_S, told.figures.interval_s)
    return now_ns - told.told_ns > STALE_INTERVALS * interval_s * NS_PER_S


Courses = Mapping[MeasuredResource, tuple[float | None, ...]]
"""The share of each resource in each of the last hours, the oldest first."""


def measured_lines(of: Measured, courses: Courses) -> Iterator[ResourceLine]:
    """Those that something is known of."""
    lines = (
        (MeasuredResource.CPU, _cpu(of)),
        (MeasuredResource.MEMORY, _memory(of)),
        (MeasuredResource.NETWORK, _network(of)),
        (MeasuredResource.DISK, _disks(of)),
        (None, _file_systems(of)),
        (MeasuredResource.GPU, _gpus(of)),
    )
    for resource, line in lines:
        if line is not None and resource is not None and resource in courses:
            line = replace(line, utilisation=replace(line.utilisation, course=courses[resource]))
        if line is not None:
            yield line
    if of.fresh:
        yield _daemons(of)


def _cpu(of: Measured) -> ResourceLine | None:
    busy, cores = _sums(of, lambda one: (one.busy_cores, one.cores))
    if not cores:
        return None
    queueing = [one for one in of.fresh if (one.figures.run_queue or 0.0) > (one.figures.cores or 0.0)]
    return ResourceLine(
        name="CPU, measured",
        utilisation=UseCell(text=f"{fmt.digits(busy)} of {cores:.0f} cores busy", ratio=busy / cores),
        saturation=_nodes_cell(queueing, lambda one: one.run_queue, "with more tasks than cores", fmt.digits),
        errors=NOT_MEASURED,
        formulas=(
            "cores busy in user mode, kernel and interrupts / cores online, over nodes that told (/proc/stat)",
            "nodes with more tasks that run or could run than cores (procs_running, /proc/stat), and the most of them",
            "not measured: a core that fails takes its node down",
        ),
    )


def _memory(of: Measured) -> ResourceLine | None:
    used, total = _sums(of, lambda one: (one.memory_used_bytes, one.memory_bytes))
    if not total:
        return None
    waiting = [one for one in of.fresh if _waits(one.figures.memory_pressure, one.figures.swapped_pages_per_second)]
    broken = sum(one.figures.memory_errors or 0 for one in of.fresh)
    return ResourceLine(
        name="Memory, measured",
        utilisation=UseCell(text=f"{fmt.memory(used)} of {fmt.memory(total)} in use", ratio=used / total),
        saturation=_nodes_cell(waiting, lambda one: one.memory_pressure, "waiting for memory or swapping", fmt.percent),
        errors=_errors(broken, "uncorrected memory error", [one for one in of.fresh if one.figures.memory_errors]),
        formulas=(
            "(MemTotal - MemAvailable) / MemTotal, over nodes that told (/proc/meminfo)",
            f"nodes where some task waited for memory {WAITING_RATIO:.0%} of the time or more (PSI), or that swap",
            "errors that memory controllers could not correct since boot (EDAC)",
        ),
    )


def _waits(pressure: float | None, swapped: float | None) -> bool:
    return (pressure or 0.0) >= WAITING_RATIO or (swapped or 0.0) > 0


def _network(of: Measured) -> ResourceLine | None:
    traffic, capacity = _sums(of, lambda one: (one.traffic_bits_per_second, one.link_bits_per_second))
    told = [one for one in of.fresh if one.figures.drops_per_second is not None]
    if not capacity and not told:
        return None
    busiest = _worst(of.fresh, lambda one: one.link_ratio)
    words = (
        f"{fmt.digits(traffic / 1e9)} of {fmt.digits(capacity / 1e9)} Gbit/s" if capacity else "no link told its speed"
    )
    if busiest is not None:
        words += f", fullest link {fmt.percent(busiest.figures.link_ratio or 0.0)} on {visible(busiest.node)}"
    faulty = [one for one in of.fresh if one.figures.network_errors]
    return ResourceLine(
        name="Network",
        utilisation=UseCell(text=words, ratio=traffic / capacity if capacity else None, address=_page(busiest)),
        saturation=_nodes_cell(
            [one for one in told if one.figures.drops_per_second],
            lambda one: one.drops_per_second,
            "dropping packets",
            lambda value: f"{fmt.digits(value)}/s",
        ),
        errors=_nodes_cell(faulty, lambda one: one.network_errors, "with link errors", fmt.digits, tone="bad"),
        formulas=(
            "the fuller direction of each link in bit/s / its speed, summed over links that tell their speed"
            " (/proc/net/dev, /sys/class/net, /sys/class/infiniband)",
            "packets a second given up for want of room, and connections that no program took (/proc/net/dev, netstat)",
            "broken packets a second on interfaces; errors, discards and losses of link on fabrics since boot",
        ),
    )


def _disks(of: Measured) -> ResourceLine | None:
    told = [one for one in of.fresh if one.figures.disk_busy_ratio is not None]
    if not told:
        return None
    mean = sum(one.figures.disk_busy_ratio or 0.0 for one in told) / len(told)
    worst = _worst(told, lambda one: one.disk_busy_ratio)
    words = f"{fmt.percent(mean)} busy in the mean"
    if worst is not None:
        words += f", {fmt.percent(worst.figures.disk_busy_ratio or 0.0)} on {visible(worst.node)}"
    waiting = [one for one in of.fresh if (one.figures.io_pressure or 0.0) >= WAITING_RATIO]
    return ResourceLine(
        name="Disks",
        utilisation=UseCell(text=words, ratio=min(1.0, mean), address=_page(worst)),
        saturation=_nodes_cell(waiting, lambda one: one.io_pressure, "waiting for I/O", fmt.percent),
        errors=UseCell(text="in the log", address="/logs?text=%22I%2FO+error%22"),
        formulas=(
            "share of time that each node's busiest disk had anything to do, mean over nodes (/proc/diskstats)",
            f"nodes where some task waited for I/O {WAITING_RATIO:.0%} of the time or more (PSI)",
            "disks count no errors: the kernel's lines do",
        ),
    )


def _file_systems(of: Measured) -> ResourceLine | None:
    told = [one for one in of.fresh if one.figures.fullest is not None]
    if not told:
        return None
    worst = max(told, key=_fullness)
    fullest = worst.figures.fullest
    full = [one for one in told if one.figures.full_file_systems]
    broken = [one for one in of.fresh if one.figures.broken_file_systems]
    mount = visible(fullest.mount) if fullest is not None else ""
    return ResourceLine(
        name="File systems",
        utilisation=UseCell(
            text=f"fullest: {mount} on {visible(worst.node)}", ratio=min(1.0, _fullness(worst)), address=_page(worst)
        ),
        saturation=_nodes_cell(full, lambda one: float(one.full_file_systems or 0), "with full ones", fmt.digits),
        errors=_nodes_cell(
            broken, lambda one: float(one.broken_file_systems or 0), "where one hangs", fmt.digits, tone="bad"
        ),
        formulas=(
            "the larger of used bytes / bytes that users may have and used inodes / inodes, of the fullest (statvfs)",
            f"nodes with file systems that are {FULL_RATIO:.0%} full or more, and how many of them",
            "file systems that did not answer statvfs in time, and roots that are mounted read-only",
        ),
    )


def _fullness(one: UseFiguresTold) -> float:
    return one.figures.fullest.used_ratio if one.figures.fullest is not None else 0.0


def _gpus(of: Measured) -> ResourceLine | None:
    count = sum(one.figures.gpus for one in of.fresh)
    if not count:
        return None
    told = sum(one.figures.gpus for one in of.fresh if one.figures.busy_gpus is not None)
    busy = sum(one.figures.busy_gpus or 0.0 for one in of.fresh)
    slowed = [one for one in of.fresh if one.figures.throttled_gpus]
    broken = sum(one.figures.broken_gpus for one in of.fresh)
    words = f"{fmt.digits(busy)} of {told} GPUs busy" if told else "how busy they are is not told"
    return ResourceLine(
        name="GPU, measured",
        utilisation=UseCell(text=words, ratio=busy / told if told else None),
        saturation=_nodes_cell(slowed, lambda one: float(one.throttled_gpus), "with slowed GPUs", fmt.digits),
        errors=_errors(broken, "broken GPU", [one for one in of.fresh if one.figures.broken_gpus]),
        formulas=(
            "share of time that anything ran on each GPU, summed / GPUs that told it (NVML, amdgpu in sysfs)",
            "nodes with GPUs whose clock power or heat holds down, and how many of them",
            "GPUs that do not answer or have memory errors that were not corrected",
        ),
    )


def _daemons(of: Measured) -> ResourceLine:
    whole = len(of.fresh) + len(of.silent)
    return ResourceLine(
        name="slurmlens",
        utilisation=UseCell(text=f"{len(of.fresh)} of {whole} nodes tell", ratio=len(of.fresh) / whole),
        saturation=UseCell(text="queues and delays", address="/status"),
        errors=UseCell(text="none silent", tone="good")
        if not of.silent
        else UseCell(
            text=f"{fmt.count(len(of.silent), 'node')} silent, first {visible(of.silent[0])}",
            tone="warn",
            address=f"/nodes/{quote(of.silent[0], safe='')}",
        ),
        formulas=(
            f"nodes in service whose daemon told its state within {STALE_INTERVALS} intervals / nodes in service",
            "backlog and delay of each program and its receivers stand on the page of the status",
            "nodes in service whose daemon did not",
        ),
    )


_Pair = tuple[float | None, float | None]


def _sums(of: Measured, pair: Callable[[UseFigures], _Pair]) -> tuple[float, float]:
    """Over nodes that told both."""
    known = [(part, whole) for part, whole in (pair(one.figures) for one in of.fresh) if None not in (part, whole)]
    return sum(part or 0.0 for part, _ in known), sum(whole or 0.0 for _, whole in known)


def _worst(told: Iterable[UseFiguresTold], figure: Callable[[UseFigures], float | None]) -> UseFiguresTold | None:
    return max(
        (one for one in told if figure(one.figures) is not None),
        key=lambda one: figure(one.figures) or 0.0,
        default=None,
    )


def _page(one: UseFiguresTold | None) -> str | None:
    return None if one is None else f"/nodes/{quote(one.node, safe='')}"


def _nodes_cell(
    nodes: Sequence[UseFiguresTold],
    figure: Callable[[UseFigures], float | None],
    words: str,
    written: Callable[[float], str],
    tone: str = "warn",
) -> UseCell:
    """How many nodes, which is the worst and how bad it is; a link to that one."""
    if not nodes:
        return UseCell(text="none", tone="good")
    worst = _worst(nodes, figure) or nodes[0]
    most = figure(worst.figures)
    text = f"{fmt.count(len(nodes), 'node')} {words}: {visible(worst.node)}"
    return UseCell(text=text if most is None else f"{text} {written(most)}", tone=tone, address=_page(worst))


def _errors(count: float, one: str, nodes: Sequence[UseFiguresTold]) -> UseCell:
    if not count:
        return UseCell(text="none", tone="good")
    text = f"{fmt.count(round(count), one)}, first on {visible(nodes[0].node)}"
    return UseCell(text=text, tone="bad", address=_page(nodes[0]))
