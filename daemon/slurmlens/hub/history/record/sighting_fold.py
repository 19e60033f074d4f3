"""What a sighting's events add up to, folded one after another: pure, and the same in whatever order they come.

Owns the fact columns of `sightings`. The summary is a sighting's last word; without it, its start and its end each hold
their half; profile deltas only prove that it was there. A row keeps who reported which identity (`tellers`), so that an
event that comes late finds its place without the others being read again. Fed by `storing` with new events only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeGuard

import msgspec

from slurmlens.events import JobEnd, JobStart, Witness
from slurmlens.hub.history.conclude.tellers import Teller, Tellers, decode_tellers, encode_tellers
from slurmlens.wire.received import ReceivedEvent, ReceivedProfile, ReceivedSummary, SightingEvent

FactRow = dict[str, Any]

_encoder = msgspec.json.Encoder()


NO_FACTS: FactRow = {
    "start_witness": None,
    "end_ns": None,
    "end_witness": None,
    "summary_id": None,
    "slot": None,
    "tellers": b"{}",
    "totals": None,
    "prolog_restart_count": None,
    "unseen_s": None,
    "samples": None,
    "cpu_s": None,
    "memory_peak_bytes": None,
    "oom_kills": None,
    "closed_ns": None,
    "closed_reason": None,
    "run": None,
    "held_reason": None,
    "held_since_ns": None,
    "detail": 0,
}
"""A sighting before its first event; the columns that an event always has are not among these."""


def is_sighting_event(event: ReceivedEvent) -> TypeGuard[SightingEvent]:
    """Whether an event is about a sighting (a heartbeat is about a node)."""
    return isinstance(event, SightingEvent)


def job_id_of(event: SightingEvent) -> int:
    """Which job a sighting's event is about."""
    return event.job_id if isinstance(event, ReceivedProfile) else event.job.job_id


def fold(row: FactRow, events: Iterable[SightingEvent], heard_ns: int) -> None:
    """Takes events that are new into the sighting's row; `heard_ns` is when they came."""
    told = None
    for event in events:
        _fold_times(row, event)
        if not isinstance(event, ReceivedProfile):
            told = _fold_teller(row, told or decode_tellers(row["tellers"]), event)
    if told is not None:
        row["tellers"] = encode_tellers(told)
    row["heard_ns"] = max(heard_ns, row["heard_ns"] or 0)
    row["detail"] = 0  # what was taken away by age may be there again


def _fold_times(row: FactRow, event: SightingEvent) -> None:
    first_ns = row.get("first_boottime_ns")
    place = event.boottime_ns, job_id_of(event), event.boot_id
    if first_ns is None or place < (first_ns, row["job_id"], row["boot_id"]):
        row["first_boottime_ns"], row["job_id"], row["boot_id"] = place
    if first_ns is None:
        row["last_boottime_ns"], row["start_ns"] = event.boottime_ns, _begins(event)
        return
    row["last_boottime_ns"] = max(row["last_boottime_ns"], event.boottime_ns)
    if row["start_witness"] is None:
        row["start_ns"] = min(row["start_ns"], _begins(event))


def _fold_teller(row: FactRow, told: Tellers, event: JobStart | JobEnd | ReceivedSummary) -> Tellers:
    teller = Teller(event.boottime_ns, event.id, event.job)
    if isinstance(event, JobStart):
        if told.start is not None and _place(told.start) <= _place(teller):
            return told
        row["prolog_restart_count"] = event.job.restart_count if event.witness is Witness.HOOK else None
        if told.summary is None:
            row.update(start_ns=event.time_ns, start_witness=event.witness.value, slot=event.slot)
        return Tellers(teller, told.summary, told.end)
    if isinstance(event, JobEnd):
        if told.end is not None and _place(told.end) >= _place(teller):
            return told
        if told.summary is None:
            row.update(end_ns=event.time_ns, end_witness=event.witness.value)
        return Tellers(told.start, told.summary, teller)
    if told.summary is not None and _place(told.summary) >= _place(teller):
        return told
    row.update(_of_summary(event))
    return Tellers(told.start, teller, told.end)


def _place(teller: Teller) -> tuple[int, str]:
    return teller.boottime_ns, teller.id


def _of_summary(summary: ReceivedSummary) -> FactRow:
    totals = summary.totals
    return {
        "start_ns": summary.start_ns,
        "start_witness": summary.start_witness.value,
        "end_ns": summary.end_ns,
        "end_witness": summary.end_witness.value,
        "slot": summary.slot,
        "summary_id": summary.id,
        "unseen_s": summary.unseen_s,
        "totals": _encoder.encode(totals),
        "samples": totals.samples,
        "cpu_s": totals.cpu_s.value if totals.cpu_s else None,
        "memory_peak_bytes": totals.memory_peak_bytes.value if totals.memory_peak_bytes else None,
        "oom_kills": totals.oom_kills,
    }


def _begins(event: SightingEvent) -> int:
    if isinstance(event, ReceivedSummary):
        return event.start_ns
    return event.profile.start_ns if isinstance(event, ReceivedProfile) else event.time_ns
