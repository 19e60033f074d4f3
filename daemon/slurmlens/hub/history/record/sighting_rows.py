"""What a sighting's events add up to: pure, and the same in whatever order they came.

Owns the projection of `events` to the fact columns of `sightings`. The summary is a sighting's last word; without it,
its start and its end each tell their half; profile deltas only prove that it was there. Fed by `sighting_writer`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

import msgspec

from slurmlens.events import AnyEvent, JobEnd, JobIdentity, JobProfile, JobStart, JobSummary, Witness

Row = Mapping[str, Any]
SightingEvent = JobStart | JobEnd | JobProfile | JobSummary

_encoder = msgspec.json.Encoder()


def is_sighting_event(event: AnyEvent) -> TypeGuard[SightingEvent]:
    """Whether an event tells of a sighting (a heartbeat tells of a node)."""
    return isinstance(event, SightingEvent)


def job_id_of(event: SightingEvent) -> int:
    """Which job a sighting's event is about."""
    return event.job_id if isinstance(event, JobProfile) else event.job.job_id


def facts_of(events: Iterable[SightingEvent]) -> dict[str, Any]:
    """The fact columns of one sighting from all its events, of which there must be one at least."""
    ordered = sorted(events, key=lambda event: (event.boottime_ns, event.id))
    start = next((event for event in ordered if isinstance(event, JobStart)), None)
    end = next((event for event in reversed(ordered) if isinstance(event, JobEnd)), None)
    summary = next((event for event in reversed(ordered) if isinstance(event, JobSummary)), None)
    facts: dict[str, Any] = {
        "job_id": job_id_of(ordered[0]),
        "boot_id": ordered[0].boot_id,
        "first_boottime_ns": ordered[0].boottime_ns,
        "last_boottime_ns": ordered[-1].boottime_ns,
        "start_ns": min(_begins(event) for event in ordered),
        "identity": _encoder.encode(_identity(start, end, summary)),
        "prolog_restart_count": start.job.restart_count if start and start.witness is Witness.HOOK else None,
    }
    if start:
        facts |= {"start_ns": start.time_ns, "start_witness": start.witness.value, "slot": start.slot}
    if end:
        facts |= {"end_ns": end.time_ns, "end_witness": end.witness.value}
    if summary:
        facts |= _of_summary(summary)
    return facts


def moved_facts(facts: dict[str, Any], row: Row | None, new: Iterable[SightingEvent]) -> dict[str, Any]:
    """The facts with what the row knows of deltas that are not read again: first and last sign of the sighting."""
    times = [event.boottime_ns for event in new]
    moved = dict(facts)
    if row is None:
        return moved
    moved["first_boottime_ns"] = min(*times, row["first_boottime_ns"])
    moved["last_boottime_ns"] = max(*times, row["last_boottime_ns"])
    if not row["start_witness"] and "start_witness" not in facts:
        moved["start_ns"] = min(*(_begins(event) for event in new), row["start_ns"])
    return moved


def _of_summary(summary: JobSummary) -> dict[str, Any]:
    totals = summary.totals
    return {
        "start_ns": summary.start_ns,
        "start_witness": summary.start_witness.value,
        "end_ns": summary.end_ns,
        "end_witness": summary.end_witness.value,
        "slot": summary.slot,
        "summary_id": summary.id,
        "unseen_s": summary.unseen_s,
        "samples": totals.samples,
        "cpu_s": totals.cpu_s.value if totals.cpu_s else None,
        "memory_peak_bytes": totals.memory_peak_bytes.value if totals.memory_peak_bytes else None,
        "oom_kills": totals.oom_kills,
    }


def _begins(event: SightingEvent) -> int:
    if isinstance(event, JobSummary):
        return event.start_ns
    return event.profile.start_ns if isinstance(event, JobProfile) else event.time_ns


def _identity(start: JobStart | None, end: JobEnd | None, summary: JobSummary | None) -> JobIdentity | None:
    """What was told of the job, field by field, the start first: an Epilog's restart count misleads."""
    told = [event.job for event in (start, summary, end) if event]
    if not told:
        return None
    values = {name: _first(getattr(job, name) for job in told) for name in JobIdentity.__struct_fields__}
    return JobIdentity(**values)


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)
