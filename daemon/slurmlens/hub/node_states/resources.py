"""A node's state boiled down to what a page of all nodes shows of it: pure.

Owns `UseFigures` and how each is computed from readings. Made when a state is kept, so that a page of ten thousand
nodes reads some hundred bytes of each instead of decoding all that its daemon told. None is not told, never 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from slurmlens.events import GpuState
from slurmlens.hub.node_states.facts import NodeStateTold

BITS = 8.0
FULL_RATIO = 0.9
_BUSY_CORES = ("cpu.user_cores", "cpu.nice_cores", "cpu.system_cores", "cpu.irq_cores", "cpu.softirq_cores")
_SWAPPED = ("vmstat.swapped_in_pages_per_second", "vmstat.swapped_out_pages_per_second")
_LINK_ERRORS = ("network.receive_errors_per_second", "network.send_errors_per_second")
_DROPS = (
    "network.receive_drops_per_second",
    "network.send_drops_per_second",
    "tcp.listen_drops_per_second",
)
_FABRIC_ERRORS = (
    "infiniband.receive_errors_count",
    "infiniband.send_discards_count",
    "infiniband.link_downed_count",
)


class FullFileSystem(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A file system by its mount point: the larger of its shares of bytes and inodes in use."""

    mount: str
    used_ratio: float


class UseFigures(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One node. Network: the sum over links that tell their speed, each by its fuller direction; `link_ratio` is the
    busiest one's. Disks: the busiest one's. GPUs: sums over those that answer."""

    interval_s: float = 0.0
    cores: float | None = None
    busy_cores: float | None = None
    run_queue: float | None = None
    cpu_pressure: float | None = None
    memory_bytes: float | None = None
    memory_used_bytes: float | None = None
    memory_pressure: float | None = None
    swapped_pages_per_second: float | None = None
    memory_errors: float | None = None
    traffic_bits_per_second: float | None = None
    link_bits_per_second: float | None = None
    link_ratio: float | None = None
    drops_per_second: float | None = None
    network_errors: float | None = None
    disk_busy_ratio: float | None = None
    disk_queue: float | None = None
    io_pressure: float | None = None
    fullest: FullFileSystem | None = None
    full_file_systems: int | None = None
    broken_file_systems: int | None = None
    gpus: int = 0
    busy_gpus: float | None = None
    gpu_memory_ratio: float | None = None
    throttled_gpus: int = 0
    broken_gpus: int = 0


class UseFiguresTold(NamedTuple):
    """A node's figures and when its daemon told what they are of."""

    node: str
    told_ns: int
    figures: UseFigures


def figures_of(told: NodeStateTold) -> UseFigures:
    """What this state comes to."""
    by_name: dict[str, dict[str, float]] = defaultdict(dict)
    for reading in told.readings:
        by_name[reading.name][reading.of] = reading.value
    total, available = _first(by_name, "memory.total_bytes"), _first(by_name, "memory.available_bytes")
    traffic, capacity, busiest = _links(by_name)
    fullest = _fullest(by_name)
    # whole GPUs: an instance of one that is split is part of it
    gpus = [gpu for gpu in told.gpus if not gpu.part_of]
    answering = [gpu.utilisation_ratio for gpu in gpus if gpu.utilisation_ratio is not None]
    return UseFigures(
        interval_s=told.interval_s,
        cores=_first(by_name, "cpu.cores_count"),
        busy_cores=_sum(by_name, _BUSY_CORES),
        run_queue=_first(by_name, "load.run_queue_count"),
        cpu_pressure=_first(by_name, "pressure.cpu_some_ratio"),
        memory_bytes=total,
        memory_used_bytes=None if total is None or available is None else max(0.0, total - available),
        memory_pressure=_first(by_name, "pressure.memory_some_ratio"),
        swapped_pages_per_second=_sum(by_name, _SWAPPED),
        memory_errors=_sum(by_name, ("edac.uncorrected_count",)),
        traffic_bits_per_second=traffic,
        link_bits_per_second=capacity,
        link_ratio=busiest,
        drops_per_second=_sum(by_name, _DROPS),
        network_errors=_sum(by_name, (*_LINK_ERRORS, *_FABRIC_ERRORS)),
        disk_busy_ratio=max(by_name["disk.busy_ratio"].values(), default=None),
        disk_queue=_sum(by_name, ("disk.queue_count",)),
        io_pressure=_first(by_name, "pressure.io_some_ratio"),
        fullest=max(fullest, key=lambda one: one.used_ratio, default=None),
        full_file_systems=sum(one.used_ratio >= FULL_RATIO for one in fullest) if fullest else None,
        broken_file_systems=_broken(by_name),
        gpus=len(gpus),
        busy_gpus=sum(answering) if answering else None,
        gpu_memory_ratio=_gpu_memory(gpus),
        throttled_gpus=sum(bool(gpu.throttles) for gpu in gpus),
        broken_gpus=sum(bool(gpu.problem or gpu.ecc_uncorrected_count) for gpu in gpus),
    )


_ByName = Mapping[str, Mapping[str, float]]


def _first(by_name: _ByName, name: str) -> float | None:
    return next(iter(by_name.get(name, {}).values()), None)


def _sum(by_name: _ByName, names: Iterable[str]) -> float | None:
    told = [value for name in names for value in by_name.get(name, {}).values()]
    return sum(told) if told else None


def _links(by_name: _ByName) -> tuple[float | None, float | None, float | None]:
    """Bits a second that go over links whose speed is known, what they could carry, and the fullest one's share."""
    traffic = capacity = 0.0
    busiest: float | None = None
    for kind in ("network", "infiniband"):
        received = by_name.get(f"{kind}.received_bytes_per_second", {})
        sent = by_name.get(f"{kind}.sent_bytes_per_second", {})
        for of, speed in by_name.get(f"{kind}.link_bits_per_second", {}).items():
            if speed <= 0 or (of not in received and of not in sent):
                continue
            now = BITS * max(received.get(of, 0.0), sent.get(of, 0.0))
            traffic, capacity = traffic + now, capacity + speed
            busiest = max(busiest or 0.0, now / speed)
    return (None, None, None) if busiest is None else (traffic, capacity, busiest)


def _fullest(by_name: _ByName) -> list[FullFileSystem]:
    bytes_used = by_name.get("filesystem.used_ratio", {})
    files_used = by_name.get("filesystem.files_used_ratio", {})
    return [FullFileSystem(mount, max(ratio, files_used.get(mount, 0.0))) for mount, ratio in bytes_used.items()]


def _broken(by_name: _ByName) -> int | None:
    """File systems that do not answer, and a root that nothing may be written to; what else is mounted read-only may be
    meant so."""
    hanging = by_name.get("filesystem.hangs_count", {})
    if not hanging and "filesystem.used_ratio" not in by_name:
        return None
    read_only = by_name.get("filesystem.read_only_count", {}).get("/", 0.0)
    return sum(value > 0 for value in hanging.values()) + (read_only > 0)


def _gpu_memory(gpus: Iterable[GpuState]) -> float | None:
    told = [(gpu.memory_used_bytes, gpu.memory_total_bytes) for gpu in gpus]
    known = [(used, total) for used, total in told if used is not None and total]
    return sum(used for used, _ in known) / sum(total for _, total in known) if known else None
