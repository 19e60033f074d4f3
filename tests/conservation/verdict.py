"""The judge's rules: pure. What was accepted against what one receiver has; every breach is a `Finding` with its rule.

    lost        an accepted event never arrived
    unknown     an event arrived that nobody accepted, or of a job that nobody had
    altered     it arrived with another payload
    reordered   of one job, a later event was there before an earlier one (by first arrival)
    repeated    more came again than can have been on its way when something broke: places are not kept
    garbled     more unreadable lines than there were faults that can tear one

Arriving twice is no breach by itself: delivery is at least once, and what comes again is taken out by its id.
"""

from __future__ import annotations

import enum
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conservation.ledger import Accepted

SHOWN = 5


class Rule(enum.Enum):
    """What can be broken. The last three are about processes and metrics; see `ordeal` and `metrics`."""

    LOST = "lost"
    UNKNOWN = "unknown"
    ALTERED = "altered"
    REORDERED = "reordered"
    REPEATED = "repeated"
    GARBLED = "garbled"
    CRASHED = "crashed"
    POINTS_LOST = "points lost"
    POINTS_UNKNOWN = "points unknown"


@dataclass(frozen=True)
class Arrival:
    """One event as a receiver has it; `payload` is flat, the job's identity included."""

    id: str
    kind: str
    by_hook: bool
    job_id: int | None
    payload: Mapping[str, object]


@dataclass(frozen=True)
class Finding:
    """A breach: which rule, at which receiver, how often, and some of the cases."""

    rule: Rule
    receiver: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.receiver}: {self.rule.value} {self.count}: " + "; ".join(self.examples)


@dataclass
class Store:
    """What a receiver has: its events in the order of their arrival, and lines of which nobody can make anything."""

    arrivals: list[Arrival] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def take(self, lines: Iterable[bytes]) -> Store:
        """Add lines of JSON as they came in."""
        for line in lines:
            try:
                self.arrivals.append(arrival(json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                self.unreadable.append(f"{type(error).__name__}: {line[:80]!r}")
        return self


def arrival(document: dict[str, Any]) -> Arrival:
    """One document of `docs/events.md`, read without the product's decoder."""
    event = document["slurm"]
    job = event.get("job", {})
    return Arrival(
        id=event["id"],
        kind=event["kind"],
        by_hook=event["kind"] in ("job-start", "job-end") and event["witness"] == "hook",
        job_id=job.get("job_id", event.get("job_id")),
        payload=job | {name: event[name] for name in ("time_ns", "boot_id", "boottime_ns")},
    )


@dataclass(frozen=True)
class Balance:
    """One receiver's account."""

    receiver: str
    accepted: int
    delivered: int
    twice: int
    own: int
    unreadable: int
    findings: tuple[Finding, ...]


def judge(
    receiver: str,
    accepted: Mapping[str, Accepted],
    store: Store,
    *,
    own_jobs: Iterable[int] = (),
    torn_allowed: int = 0,
    again_allowed: int | None = None,
) -> Balance:
    """Compare; `accepted` in the order of acceptance. `own_jobs` had no hook: the daemon may speak of them.
    `again_allowed` is how many may come again, None for any number.
    """
    known_jobs = {event.job_id for event in accepted.values()} | set(own_jobs) | {None}
    first: dict[str, Arrival] = {}
    by_hook = own = 0
    strange: list[str] = []
    altered: list[str] = []
    for one in store.arrivals:
        if not one.by_hook:
            own += 1
            if one.job_id not in known_jobs:
                strange.append(f"{one.kind} {one.id} of job {one.job_id}")
            continue
        by_hook += 1
        made = accepted.get(one.id)
        if made is None:
            strange.append(f"{one.kind} {one.id}")
            continue
        first.setdefault(one.id, one)
        altered += _differences(made, one)
    breaches = {
        Rule.LOST: [f"{event.kind} {event.id} of job {event.job_id}" for event in _missing(accepted, first)],
        Rule.UNKNOWN: strange,
        Rule.ALTERED: altered,
        Rule.REORDERED: _reordered(accepted, list(first)),
        Rule.REPEATED: _too_often(by_hook - len(first), again_allowed),
        Rule.GARBLED: store.unreadable if len(store.unreadable) > torn_allowed else [],
    }
    findings = tuple(
        Finding(rule, receiver, len(cases), tuple(cases[:SHOWN])) for rule, cases in breaches.items() if cases
    )
    return Balance(receiver, len(accepted), len(first), by_hook - len(first), own, len(store.unreadable), findings)


def _too_often(again: int, allowed: int | None) -> list[str]:
    return (
        [f"{again} came again, {allowed} can have been on their way"] if allowed is not None and again > allowed else []
    )


def _missing(accepted: Mapping[str, Accepted], first: Mapping[str, Arrival]) -> list[Accepted]:
    return [event for event in accepted.values() if event.id not in first]


def _differences(made: Accepted, got: Arrival) -> list[str]:
    told = {"kind": got.kind, **got.payload}
    return [
        f"{made.id} {name}: {told.get(name)!r} instead of {value!r}"
        for name, value in {"kind": made.kind, **made.payload}.items()
        if told.get(name) != value
    ]


def _reordered(accepted: Mapping[str, Accepted], arrived: Sequence[str]) -> list[str]:
    """Ids that came when a later one of their job had come already."""
    place: dict[str, int] = {}
    of_job: Counter[int] = Counter()
    for event in accepted.values():
        place[event.id] = of_job[event.job_id]
        of_job[event.job_id] += 1
    latest: dict[int, int] = {}
    late: list[str] = []
    for event_id in arrived:
        job_id = accepted[event_id].job_id
        if place[event_id] < latest.get(job_id, -1):
            late.append(f"{event_id} of job {job_id} after a later one")
        latest[job_id] = max(latest.get(job_id, -1), place[event_id])
    return late
