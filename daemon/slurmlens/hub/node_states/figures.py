"""The few figures of a node that are kept over time and shown at a glance: which, and how they are packed. Pure.

Owns `NODE_FIGURES`, the order in which they lie in a row, and their bins. A figure is made of a telling's readings: a
sum, a mean or the greatest over a node's devices. In a row each is two 32 bit floats, mean and greatest; what is not
known is NaN there and None elsewhere. New figures go at the end: rows of before are shorter and are read as well.
Fed by `keeping`; read by `read` for pages.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from slurmlens.events import MachineState

BIN_S = 300
"""Means and greatest values are kept of so long."""


class NodeFigureRow(NamedTuple):
    """One figure: its name (address and JSON), its words, its unit; `sources` are readings that are summed, `less` ones
    that are taken off; `greatest`: over devices the greatest counts, not
    the sum."""

    name: str
    title: str
    unit: str
    sources: tuple[str, ...]
    less: tuple[str, ...] = ()
    greatest: bool = False


NODE_FIGURES = (
    NodeFigureRow("cpu", "CPU busy", "cores", ("cpu.user_cores", "cpu.system_cores")),
    NodeFigureRow("load", "Load, 1 min", "count", ("load.load_1min_count",)),
    NodeFigureRow("memory", "Memory used", "bytes", ("memory.total_bytes",), less=("memory.available_bytes",)),
    NodeFigureRow("pressure_cpu", "CPU pressure", "ratio", ("pressure.cpu_some_ratio",)),
    NodeFigureRow("pressure_memory", "Memory pressure", "ratio", ("pressure.memory_some_ratio",)),
    NodeFigureRow("pressure_io", "I/O pressure", "ratio", ("pressure.io_some_ratio",)),
    NodeFigureRow("disk_read", "Disks, read", "bytes/s", ("disk.read_bytes_per_second",)),
    NodeFigureRow("disk_written", "Disks, written", "bytes/s", ("disk.written_bytes_per_second",)),
    NodeFigureRow("disk_busy", "Busiest disk", "ratio", ("disk.busy_ratio",), greatest=True),
    NodeFigureRow(
        "disk_latency",
        "Slowest disk's latency",
        "s",
        ("disk.read_latency_seconds", "disk.write_latency_seconds"),
        greatest=True,
    ),
    NodeFigureRow("network_received", "Network, received", "bytes/s", ("network.received_bytes_per_second",)),
    NodeFigureRow("network_sent", "Network, sent", "bytes/s", ("network.sent_bytes_per_second",)),
    NodeFigureRow("fabric_received", "InfiniBand, received", "bytes/s", ("infiniband.received_bytes_per_second",)),
    NodeFigureRow("fabric_sent", "InfiniBand, sent", "bytes/s", ("infiniband.sent_bytes_per_second",)),
    NodeFigureRow(
        "files_read",
        "Lustre, NFS: read",
        "bytes/s",
        ("lustre.read_bytes_per_second", "nfs.mount_read_bytes_per_second"),
    ),
    NodeFigureRow(
        "files_written",
        "Lustre, NFS: written",
        "bytes/s",
        ("lustre.written_bytes_per_second", "nfs.mount_written_bytes_per_second"),
    ),
    NodeFigureRow("temperature", "Hottest sensor", "°C", ("hwmon.temperature_celsius",), greatest=True),
    NodeFigureRow("power", "CPU power", "W", ("rapl.power_watts",)),
    NodeFigureRow("gpu", "GPUs busy", "ratio", ()),
    NodeFigureRow("gpu_power", "GPU power", "W", ()),
    NodeFigureRow("cores", "Cores", "count", ("cpu.cores_count",)),
)
FIGURE_BY_NAME = {one.name: one for one in NODE_FIGURES}
_HEAD = struct.Struct("<BH")
_VERSION = 1
NOT_KNOWN = math.nan


class FigureBin(msgspec.Struct):
    """Some tellings of one node, joined: of each figure its mean and its greatest value; NaN is not known."""

    count: int
    means: list[float]
    highs: list[float]


def told_figures(state: MachineState) -> FigureBin:
    """What one telling says."""
    values = [_value(row, state) for row in NODE_FIGURES]
    return FigureBin(1, values, list(values))


def joined(one: FigureBin, other: FigureBin) -> FigureBin:
    """Both together; a figure that one of them does not know is the other's."""
    count = one.count + other.count
    means = []
    for mean, more in zip(one.means, other.means, strict=True):
        if math.isnan(mean) or math.isnan(more):
            means.append(more if math.isnan(mean) else mean)
        else:
            means.append(mean + (more - mean) * other.count / count)
    highs = [_greatest(pair) for pair in zip(one.highs, other.highs, strict=True)]
    return FigureBin(min(count, 0xFFFF), means, highs)


def pack(one: FigureBin) -> bytes:
    """As it lies in a row."""
    floats = [_single(value) for pair in zip(one.means, one.highs, strict=True) for value in pair]
    return _HEAD.pack(_VERSION, one.count) + struct.pack(f"<{len(floats)}f", *floats)


def unpack(blob: bytes) -> FigureBin:
    """Of a row; figures that came later than the row are not known."""
    _, count = _HEAD.unpack_from(blob)
    number = (len(blob) - _HEAD.size) // 4
    floats = list(struct.unpack_from(f"<{number}f", blob, _HEAD.size))
    floats += [NOT_KNOWN] * (2 * len(NODE_FIGURES) - number)
    floats = floats[: 2 * len(NODE_FIGURES)]
    return FigureBin(count, floats[0::2], floats[1::2])


def known(value: float) -> float | None:
    """A kept value as the rest of the hub has it."""
    return None if math.isnan(value) else value


def _value(row: NodeFigureRow, state: MachineState) -> float:
    if row.name == "gpu":
        busy = [gpu.utilisation_ratio for gpu in state.gpus if gpu.utilisation_ratio is not None]
        return sum(busy) / len(busy) if busy else NOT_KNOWN
    if row.name == "gpu_power":
        return _sum([gpu.power_watts for gpu in state.gpus if gpu.power_watts is not None and not gpu.part_of])
    found = [one.value for one in state.readings if one.name in row.sources and _counts(row, one.of)]
    if row.greatest:
        return max(found, default=NOT_KNOWN)
    taken_off = [one.value for one in state.readings if one.name in row.less]
    if row.less and not taken_off:
        return NOT_KNOWN
    return _sum(found) - sum(taken_off)


def _counts(row: NodeFigureRow, of: str) -> bool:
    """Parts of a package are in the package's power already, the loop interface carries nothing anywhere."""
    if row.name == "power":
        return of.startswith("package") and of.count("-") == 1
    return not (row.name.startswith("network_") and of == "lo")


def _sum(values: Sequence[float]) -> float:
    return sum(values) if values else NOT_KNOWN


def _greatest(values: Iterable[float]) -> float:
    return max((value for value in values if not math.isnan(value)), default=NOT_KNOWN)


def _single(value: float) -> float:
    """What a 32 bit float can hold; a counter that went mad is not known."""
    return value if math.isnan(value) or abs(value) < 3e38 else NOT_KNOWN
