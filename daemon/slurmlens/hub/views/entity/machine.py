"""How a node itself fares, from what its daemon told last: figures in groups, GPUs, what is odd; pure.

Fed with `hub.node_states`' facts. A figure stands in the group of its collector, in its unit's words; a
counter of errors that is 0 is left out, one that is not is odd and is said first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.events import GpuState, NodeReading
from slurmlens.hub.node_states.facts import NodeStateTold
from slurmlens.hub.views.entity.view import MachineFigure, MachineGpu, MachineGroup, MachineView
from slurmlens.node_metrics import NODE_METRIC_BY_NAME, NODE_METRICS, NodeMetric
from slurmlens.shown import format as fmt

GROUPS = {
    "cpu": "CPU",
    "load": "CPU",
    "pressure": "Pressure",
    "memory": "Memory",
    "numa": "Memory",
    "vmstat": "Memory",
    "edac": "Memory",
    "disk": "Disks",
    "filesystem": "File systems",
    "network": "Network",
    "tcp": "Network",
    "infiniband": "InfiniBand, Omni-Path",
    "nfs": "NFS",
    "lustre": "Lustre",
    "rapl": "Power",
    "hwmon": "Sensors",
    "thermal": "Sensors",
    "clock": "Clock",
}
STALE_INTERVALS = 3
_WHERE = "1 where "
"""How the table of metrics begins the text of what is so or not."""

FULL_RATIO = 0.95
_QUIET = frozenset(
    one.full_name
    for one in NODE_METRICS
    if any(word in one.name for word in ("error", "drop", "discard", "uncorrected", "hangs", "throttle", "resent"))
    or one.name in ("corrected_count", "oom_kills_count", "alarm_count", "link_downed_count", "link_recoveries_count")
    or one.name in ("retransmissions_per_second", "mount_timeouts_per_second", "read_only_count")
)
"""Figures that are worth a word only where they are not 0."""

_LOUD = frozenset(
    (
        "edac.uncorrected_count",
        "filesystem.hangs_count",
        "hwmon.alarm_count",
        "infiniband.receive_errors_count",
        "infiniband.send_discards_count",
        "infiniband.symbol_errors_count",
        "network.receive_errors_per_second",
        "network.send_errors_per_second",
    )
)


def build_machine(told: NodeStateTold | None, now_ns: int) -> MachineView | None:
    """What is shown; None where the node's daemon told no state."""
    if told is None:
        return None
    figures: dict[str, list[MachineFigure]] = {}
    for reading in told.readings:
        metric = NODE_METRIC_BY_NAME.get(reading.name)
        if metric is None or (reading.name in _QUIET and not reading.value):
            continue  # of a newer daemon, or nothing to tell
        figures.setdefault(GROUPS.get(metric.collector, metric.collector), []).append(_figure(metric, reading))
    order = list(dict.fromkeys(GROUPS.values()))
    names = sorted(figures, key=lambda name: order.index(name) if name in order else len(order))
    age_s = (now_ns - told.told_ns) / NS_PER_S
    return MachineView(
        told_ns=told.told_ns,
        is_stale=age_s > STALE_INTERVALS * told.interval_s,
        groups=tuple(MachineGroup(name=name, figures=tuple(figures[name])) for name in names),
        gpus=tuple(map(_gpu, told.gpus)),
        odd=tuple(_odd(told)),
    )


def _figure(metric: NodeMetric, reading: NodeReading) -> MachineFigure:
    return MachineFigure(
        name=reading.name,
        of=reading.of,
        value=reading.value,
        text=text_of(metric, reading.value),
        label=metric.text.removeprefix(_WHERE),
        is_odd=reading.name in _LOUD or _is_full(reading),
        ratio=min(1.0, reading.value) if metric.unit == "ratio" else None,
    )


def _is_full(reading: NodeReading) -> bool:
    return (
        reading.name.startswith("filesystem.") and reading.name.endswith("used_ratio") and reading.value >= FULL_RATIO
    )


def text_of(metric: NodeMetric, value: float) -> str:
    """A figure with its unit, as people read it."""
    if metric.unit == "ratio":
        return fmt.percent(value)
    if metric.unit == "bytes":
        return fmt.memory(value)
    if metric.unit == "bytes/s":
        return f"{fmt.volume(value)}/s"
    if metric.unit == "bit/s":
        return f"{fmt.digits(value / 1e9)} Gbit/s"
    if metric.unit == "Hz":
        return f"{fmt.digits(value / 1e9)} GHz"
    if metric.unit == "s":
        return f"{fmt.digits(value * 1000)} ms"
    if metric.text.startswith(_WHERE):
        return "yes" if value else "no"
    if metric.unit == "count":
        return f"{value:.0f}" if value == int(value) else fmt.digits(value)
    return f"{fmt.digits(value)} {metric.unit}"


def _gpu(gpu: GpuState) -> MachineGpu:
    return MachineGpu(
        uuid=gpu.uuid,
        pci=gpu.pci or None,
        model=gpu.model or None,
        part_of=gpu.part_of or None,
        problem=gpu.problem or None,
        utilisation_ratio=gpu.utilisation_ratio,
        memory_used_bytes=gpu.memory_used_bytes,
        memory_total_bytes=gpu.memory_total_bytes,
        power_watts=gpu.power_watts,
        temperature_celsius=gpu.temperature_celsius,
        notes=tuple(_gpu_notes(gpu)),
    )


def _gpu_notes(gpu: GpuState) -> Iterator[str]:
    if gpu.throttles:
        yield f"slowed: {', '.join(gpu.throttles)}"
    if gpu.xids:
        yield f"{fmt.count(gpu.xids, 'error')} of its driver (last: XID {gpu.xid})"
    if gpu.ecc_uncorrected_count:
        yield fmt.count(gpu.ecc_uncorrected_count, "uncorrected memory error")
    if gpu.is_split:
        yield "split into instances"


def _odd(told: NodeStateTold) -> Iterator[str]:
    """What an operator should look at, in sentences."""
    for reading in told.readings:
        metric = NODE_METRIC_BY_NAME.get(reading.name)
        if metric is not None and ((reading.name in _LOUD and reading.value) or _is_full(reading)):
            of = f"{reading.of}: " if reading.of else ""
            is_state = metric.text.startswith(_WHERE)
            yield of + (
                metric.text.removeprefix(_WHERE) if is_state else f"{metric.text}: {text_of(metric, reading.value)}"
            )
    yield from _lost_lanes(told.readings)
    for gpu in told.gpus:
        if gpu.problem:
            yield f"GPU {gpu.pci or gpu.uuid}: {gpu.problem}"
    for one in told.troubles:
        yield f"collector {one.collector}: {one.problem}"


def _lost_lanes(readings: Sequence[NodeReading]) -> Iterator[str]:
    """A port with fewer lanes than another of this node."""
    lanes = {one.of: one.value for one in readings if one.name == "infiniband.link_lanes_count"}
    most = max(lanes.values(), default=0)
    for port, count in lanes.items():
        if count < most:
            yield f"{port}: {count:g} lanes, where another port has {most:g}"
