"""Which sightings are to be closed, since nobody will report their end any more: pure.

A sighting is closed where its node is heard of and no longer lists it, was booted anew, or is silent although the
scheduler ended or forgot the run, or never knew it; and where the end was reported but the summary did not come.
That a node lists a sighting proves little where it never had a cgroup: the daemon then waits for an Epilog, for days if
that was lost, and the scheduler is believed after a while. One that had a cgroup is ended by its node when that goes.
Invariants: a sighting is closed only on the word of its node or of the scheduler, never by guess, and nobody's silence
counts while the hub itself was away. `history.reconcile` reads what is judged here and writes what comes of it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history.facts import ClosedReason

END_GRACE_NS = 120 * NS_PER_S
"""How long an Epilog, a retry and a jittered summary may take after the scheduler's or the node's end."""

SUMMARY_GRACE_NS = 15 * NS_PER_S
"""How long after the end a node that lists nothing of it may still hold back its summary."""

LISTED_GRACE_NS = 240 * NS_PER_S
"""How long a node may list what the scheduler has ended: it cleans up, or it waits for an Epilog that never came."""

SILENT_BEATS = 3
"""Heartbeats in a row that a silent node has left out."""


class RunIs(enum.Enum):
    """What the scheduler says of the run that a sighting belongs to.

    FORGOTTEN: it is over, and nobody knows since when. NONE: no run of the scheduler's fits the sighting.
    """

    OPEN = "open"
    ENDED = "ended"
    FORGOTTEN = "forgotten"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class OpenSighting:
    """A sighting without a summary, as far as closing cares; `run_end_ns` is the scheduler's.

    `run_heard_ns` is when the scheduler last said something new of the run, or was found to have forgotten it.
    """

    rid: int
    cluster: str
    node: str
    sighting: str
    job_id: int
    boot_id: str
    first_boottime_ns: int
    last_boottime_ns: int
    heard_ns: int
    end_ns: int | None
    run: RunIs
    run_end_ns: int | None
    run_heard_ns: int | None = None

    @property
    def told_more(self) -> bool:
        """Whether its node told more of it than its begin."""
        return told_more(self.first_boottime_ns, self.last_boottime_ns)


@dataclass(frozen=True, slots=True)
class Heard:
    """A node's last heartbeat; `heard_ns` is when it came. Where two daemons claim the name, it `is_contested`."""

    heard_ns: int
    boot_id: str
    boottime_ns: int
    interval_s: float
    running: frozenset[str]
    is_contested: bool = False


@dataclass(frozen=True, slots=True)
class Now:
    """The moment of judging. `listening_since_ns`: since when this hub runs; `scheduler_ns`: its last answer."""

    now_ns: int
    listening_since_ns: int
    scheduler_ns: int | None

    def silent_ns(self, since_ns: int) -> int:
        """How long something has failed to come that could have come since then."""
        return self.now_ns - max(since_ns, self.listening_since_ns)

    @property
    def scheduler_answers(self) -> bool:
        """Whether what the hub believes of the queue is of now."""
        return self.scheduler_ns is not None and self.now_ns - self.scheduler_ns <= END_GRACE_NS


@dataclass(frozen=True, slots=True)
class Verdict:
    """A sighting to be closed, why, and the latest time at which it can have ended."""

    sighting: OpenSighting
    reason: ClosedReason
    closed_ns: int


def told_more(first_boottime_ns: int, last_boottime_ns: int) -> bool:
    """Whether a node told more of a sighting than its begin, by its first and its last event.

    Where that was not the end, the job had a cgroup: without one there is a Prolog and nothing else.
    """
    return last_boottime_ns > first_boottime_ns


def opens_again(reason: ClosedReason, *, told_more: bool) -> bool:
    """Whether a closed sighting of which no end was told runs again as soon as its node lists it."""
    return reason is not ClosedReason.RUN_ENDED and (told_more or not reason.holds_for_one_run)


def verdicts(sightings: Iterable[OpenSighting], heard: Mapping[tuple[str, str], Heard], now: Now) -> list[Verdict]:
    """The sightings to be closed now."""
    decided = (_verdict(sighting, heard.get((sighting.cluster, sighting.node)), now) for sighting in sightings)
    return [verdict for verdict in decided if verdict]


def _verdict(sighting: OpenSighting, heard: Heard | None, now: Now) -> Verdict | None:
    if sighting.end_ns is not None:
        is_late = now.silent_ns(sighting.heard_ns) > END_GRACE_NS or _is_forgotten(sighting, heard)
        return Verdict(sighting, ClosedReason.NO_SUMMARY, sighting.end_ns) if is_late else None
    return _by_its_node(sighting, heard) or _by_the_scheduler(sighting, heard, now)


def _by_its_node(sighting: OpenSighting, heard: Heard | None) -> Verdict | None:
    """The node's heartbeat came after all that it reported of the sighting, and does not list it.

    The heartbeat must have come later, and not only be of a later time: a Prolog's event carries the time of the hook,
    and a daemon that starts reads it after its first heartbeat.
    """
    if heard is None or heard.heard_ns <= sighting.heard_ns or sighting.sighting in heard.running:
        return None
    run_end_ns = sighting.run_end_ns
    if heard.boot_id != sighting.boot_id:
        if heard.is_contested:  # then the other boot is another machine, and says nothing of this one's jobs
            return None
        return Verdict(sighting, ClosedReason.NODE_BOOTED, run_end_ns or sighting.heard_ns)
    if heard.boottime_ns > sighting.last_boottime_ns:
        return Verdict(sighting, ClosedReason.NOT_LISTED, run_end_ns or heard.heard_ns)
    return None


def _by_the_scheduler(sighting: OpenSighting, heard: Heard | None, now: Now) -> Verdict | None:
    """The run is over, or there is none, and the node that could say more is silent or has had its time."""
    is_silent = now.silent_ns(_last_sign_ns(sighting, heard)) > _patience_ns(heard)
    if sighting.run is RunIs.ENDED and sighting.run_end_ns is not None:
        over_ns = now.silent_ns(sighting.run_end_ns)
        is_listed = heard is not None and sighting.sighting in heard.running and not is_silent
        if over_ns > (LISTED_GRACE_NS if is_listed else END_GRACE_NS) and (not is_listed or now.scheduler_answers):
            return Verdict(sighting, ClosedReason.RUN_ENDED, sighting.run_end_ns)
    elif is_silent and sighting.run is RunIs.FORGOTTEN:
        return Verdict(sighting, ClosedReason.RUN_FORGOTTEN, sighting.heard_ns)
    elif is_silent and sighting.run is RunIs.NONE and now.scheduler_answers:
        return Verdict(sighting, ClosedReason.NO_RUN, sighting.heard_ns)
    # little grace for what was forgotten: Slurm knows a job until its clean-up is through, and for minutes more
    elif sighting.run is RunIs.FORGOTTEN and _is_listed_in_vain(sighting, now, END_GRACE_NS):
        return Verdict(sighting, ClosedReason.RUN_FORGOTTEN, _last_word_ns(sighting))
    elif sighting.run is RunIs.NONE and _is_listed_in_vain(sighting, now, LISTED_GRACE_NS):
        return Verdict(sighting, ClosedReason.NO_RUN, _last_word_ns(sighting))
    return None


def _is_listed_in_vain(sighting: OpenSighting, now: Now, grace_ns: int) -> bool:
    """Whether its node only waits for an Epilog, for all that is known, and has done so for long enough."""
    return not sighting.told_more and now.scheduler_answers and now.silent_ns(_last_word_ns(sighting)) > grace_ns


def _last_word_ns(sighting: OpenSighting) -> int:
    """When the sighting's node or the scheduler last said something new of it."""
    return max(sighting.heard_ns, sighting.run_heard_ns or 0)


def _last_sign_ns(sighting: OpenSighting, heard: Heard | None) -> int:
    """When the node last spoke of the sighting."""
    if heard is None or sighting.sighting not in heard.running:
        return sighting.heard_ns
    return max(sighting.heard_ns, heard.heard_ns)


def _patience_ns(heard: Heard | None) -> int:
    beats_ns = round(SILENT_BEATS * heard.interval_s * NS_PER_S) if heard else 0
    return max(END_GRACE_NS, beats_ns)


def _is_forgotten(ended: OpenSighting, heard: Heard | None) -> bool:
    """Its node spoke again, well after the end, and no longer knows the sighting: a daemon that only saw the Epilog."""
    if heard is None or ended.sighting in heard.running:
        return False
    return heard.heard_ns - ended.heard_ns > SUMMARY_GRACE_NS and heard.boottime_ns > ended.last_boottime_ns
