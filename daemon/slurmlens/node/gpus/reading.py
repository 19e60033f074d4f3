"""What `slurmlens-probe` tells of one GPU, checked; and its points.

Owns the type and the way from it to `events.GpuState` and to series. A GPU that is told oddly spoils only itself.
Fed by `stage`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from slurmlens.events import GpuState

_FIGURES = (
    "utilisation_ratio",
    "memory_busy_ratio",
    "memory_used_bytes",
    "memory_total_bytes",
    "power_watts",
    "temperature_celsius",
    "clock_hertz",
    "memory_clock_hertz",
    "ecc_corrected_count",
    "ecc_uncorrected_count",
    "pcie_replays_count",
    "nvlink_errors_count",
)


class GpuReading(msgspec.Struct, frozen=True):
    """A GPU now, and the processes on it: (process id, bytes) each."""

    state: GpuState
    processes: tuple[tuple[int, int], ...] = ()


def readings_of(told: Any) -> tuple[list[GpuReading], int]:
    """Of the probe's answer, and how many of it make no sense."""
    found: list[GpuReading] = []
    odd = 0
    for one in told if isinstance(told, list) else ():
        try:
            processes = msgspec.convert(one.get("processes", ()), tuple[tuple[int, int], ...])
            found.append(GpuReading(msgspec.convert(one, GpuState), processes))
        except (msgspec.ValidationError, AttributeError):
            odd += 1
    return found, odd


def figures_of(reading: GpuReading) -> Iterator[tuple[str, str, str, float]]:
    """(collector, of, name, value) of its series."""
    state = reading.state
    for name in _FIGURES:
        value = getattr(state, name)
        if value is not None:
            yield "gpu", state.uuid, name, value
    if not state.problem:
        yield "gpu", state.uuid, "throttled_count", float(bool(state.throttles))
        yield "gpu", state.uuid, "xid_errors_count", float(state.xids)
        yield "gpu", state.uuid, "processes_count", float(len(reading.processes))
