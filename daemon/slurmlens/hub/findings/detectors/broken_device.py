"""Counters that only a broken device makes grow: one step of one is enough. Pure.

Owns the table of them: which kinds of lines (and of NVIDIA's codes) a sound device never has, by the field that names
the device. Corrected memory errors are no such counter one by one: `CORRECTED_AN_HOUR` of one module are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.claims import Claim, FindingKind
from slurmlens.hub.findings.observed import LoggedEvent, Observed
from slurmlens.hub.inventory.entities import Entity
from slurmlens.shown import format as fmt

DEVICE_XIDS = frozenset({48, 62, 63, 64, 74, 79, 92, 94, 95, 110, 119, 120, 136, 140, 143, *range(144, 151)})
"""NVIDIA's catalogue: memory, link, or lost; 13, 31, 43 and 45 are the application's."""
CORRECTED_AN_HOUR = 10
SCORE, STORM_SCORE = 6.0, 3.0


class _Counter(NamedTuple):
    """A row: which lines count, which field names the device, what it is called, and how many an hour are too many."""

    kind: str
    device: str
    what: str
    counts: Callable[[LoggedEvent], bool] = lambda event: True
    least: int = 1
    score: float = SCORE


def _is_uncorrected(event: LoggedEvent) -> bool:
    return event.fields.get("severity") == "UE"


COUNTERS = (
    _Counter("gpu_error", "pci", "GPU", lambda event: event.fields.get("xid") in DEVICE_XIDS),
    _Counter("gpu_gone", "pci", "GPU"),
    _Counter("nvswitch_error", "switch", "NVSwitch"),
    _Counter("memory_error", "dimm", "memory module", _is_uncorrected),
    _Counter(
        "memory_error",
        "dimm",
        "memory module",
        lambda event: event.fields.get("severity") == "CE",
        CORRECTED_AN_HOUR,
        STORM_SCORE,
    ),
    _Counter("machine_check", "bank", "processor", lambda event: "bank" in event.fields),
    _Counter("memory_page_failed", "page", "memory page"),
    _Counter("disk_error", "device", "disk"),
    _Counter("disk_gone", "device", "disk"),
    _Counter("file_system_down", "device", "file system"),
    _Counter("slot_power_low", "pci", "slot"),
)


def broken_devices(observed: Observed) -> Iterator[Claim]:
    """One claim for each device."""
    begin_ns = observed.now_ns - 3600 * NS_PER_S
    for row in COUNTERS:
        found: dict[tuple[str, str], list[LoggedEvent]] = {}
        for event in observed.events:
            if event.kind == row.kind and event.time_ns >= begin_ns and row.counts(event):
                found.setdefault((event.node, str(event.fields.get(row.device, "?"))), []).append(event)
        for (node, device), events in found.items():
            count = sum(_steps(event) for event in events)
            if count >= row.least:
                yield _claim(row, node, device, events, count)


def _steps(event: LoggedEvent) -> int:
    """One line can say 8821."""
    told = event.fields.get("count")
    return max(event.count, told) if isinstance(told, int) else event.count


def _claim(row: _Counter, node: str, device: str, events: Sequence[LoggedEvent], count: int) -> Claim:
    kind = row.kind.replace("_", " ")
    usual = "a sound one has none" if row.least == 1 else f"a sound one has less than {row.least}"
    jobs = tuple(dict.fromkeys(event.job_id for event in events if event.job_id is not None))
    values: dict[str, str | int | float] = {"node": node, "device": device, "count": count}
    if isinstance(xid := events[-1].fields.get("xid"), int):
        values["xid"] = xid
    return Claim(
        kind=FindingKind.BROKEN_DEVICE,
        subject=Entity("node", node),
        detail=f"{row.what} {device}",
        score=row.score,
        basis=f"{fmt.count(count, 'event')} '{kind}' within an hour; {usual}",
        from_ns=min(event.time_ns for event in events),
        to_ns=max(event.time_ns for event in events),
        jobs=jobs,
        sentence=f"{node}: {row.what} {device} is breaking: {count} × '{kind}' ({events[-1].text[:100]}).",
        hint=f"{node}: a {row.what} is breaking.",
        values=values,
    )
