"""One sighting: one run of one job as this node sees it, from its first sign to its summary.

Owns the record, its key, and the events that tell of it. A sighting's key and the ids of events that no hook has named
are made from what does not change when a hook's file is read again, so a restarted daemon says the same thing twice and
the hub takes it once.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable

import msgspec

from slurmlens.clock import NS_PER_S, Moment
from slurmlens.events import (
    EventKind,
    JobEnd,
    JobIdentity,
    JobMessage,
    JobProfile,
    JobStart,
    JobSummary,
    NodeHeartbeat,
    Place,
    Profile,
    StepTotals,
    Totals,
    Witness,
    derived_id,
)
from slurmlens.hook_events import HookEvent, StepEvent
from slurmlens.node.registry.memory import as_of_last_sample
from slurmlens.node.registry.reported_steps import overlay

STORY_LENGTH = 32


class SightingPhase(enum.Enum):
    """EARLY: seen in the cgroup tree, its Prolog may still come. OPEN: reported to the hub. ENDING: its end is
    reported, its cgroup is still there or a step's end not told yet. CLOSED: summarised."""

    EARLY = "early"
    OPEN = "open"
    ENDING = "ending"
    CLOSED = "closed"


class Sighting(msgspec.Struct, kw_only=True):
    """The record the registry keeps; `number` names it to the sampler, `key` to the hub.

    `first_seen` is part of the key and never changes once reported; `start` is the best known begin (the Prolog's
    time).
    """

    number: int
    place: Place
    job: JobIdentity
    first_seen: Moment
    start: Moment
    phase: SightingPhase
    start_witness: Witness
    slot: int | None
    cgroups: set[str] = msgspec.field(default_factory=set)
    gone: Moment | None = None
    awaits_walk: bool = False
    """It had a cgroup under an earlier daemon; whether that is still there the first whole look at the tree tells, and
    `gone` is only what holds if it is not."""
    start_id: str | None = None
    """The Prolog's event id."""
    unseen_ns: int = 0
    watched_until: Moment | None = None
    last_totals: Totals | None = None
    """Of a sighting that an earlier daemon watched: for how long in vain, until when, and what it measured."""
    reported_steps: dict[str, StepTotals] = msgspec.field(default_factory=dict)
    """What the SPANK plugin reported, by step."""
    asked_interval_s: float | None = None
    """How often the job's user wants its counters read."""
    asked_notices: str | None = None
    """Whom the job's user wants to be told of what; told to the hub."""
    end: Moment | None = None
    end_witness: Witness = Witness.CGROUP
    end_id: str | None = None
    """The Epilog's event id."""
    ending_since_ns: int = 0
    summary: JobSummary | None = None
    """What it comes to, once that is known: by the sampler, or by the file of an earlier daemon."""
    story: deque[tuple[int, str]] = msgspec.field(default_factory=lambda: deque(maxlen=STORY_LENGTH))

    @property
    def key(self) -> str:
        """The sighting's name for ever: cluster, node, boot, job, boottime of the first sign."""
        place = self.place
        return f"{place.cluster}:{place.node}:{place.boot_id}:{self.job.job_id}:{self.first_seen.boottime_ns}"

    @property
    def is_waited_for(self) -> bool:
        """More of it is to come: a cgroup is still there, or a step whose begin was told and whose end was not.

        slurmstepd tells of `extern` once the job's cgroup has gone; where a job is cancelled, that is after its Epilog.
        """
        return bool(self.cgroups) or any(step.ended_ns is None for step in self.reported_steps.values())

    @property
    def had_cgroup(self) -> bool:
        return bool(self.cgroups) or self.gone is not None

    def tell(self, boottime_ns: int, what: str) -> None:
        """Add a line to the bounded story, which exists for debugging alone."""
        self.story.append((boottime_ns, what))


def notices_asked(sighting: Sighting, event: StepEvent, words: str) -> JobMessage:
    """The user of a job wants to be told: a line on the job's time line that carries the request."""
    place = sighting.place
    return JobMessage(
        id=derived_id(sighting.key, "notify", words),
        time_ns=event.time_ns,
        boot_id=place.boot_id,
        boottime_ns=event.boottime_ns,
        cluster=place.cluster,
        node=place.node,
        sighting=sighting.key,
        job_id=sighting.job.job_id,
        step=event.told.step,
        text=f"asks for notices: {words}"[:300],
        notify=words[:255],
    )


def start_by_hook(sighting: Sighting, hook: HookEvent) -> JobStart:
    """The Prolog's event, under the hook's own id."""
    return JobStart(
        id=hook.id,
        time_ns=hook.time_ns,
        boot_id=hook.boot_id,
        boottime_ns=hook.boottime_ns,
        cluster=sighting.place.cluster,
        node=sighting.place.node,
        sighting=sighting.key,
        job=hook.job,
        witness=Witness.HOOK,
        slot=sighting.slot,
    )


def start_by_cgroup(sighting: Sighting) -> JobStart:
    """No Prolog came: the cgroup tree is the witness."""
    return JobStart(
        id=derived_id(sighting.key, EventKind.JOB_START.value),
        time_ns=sighting.first_seen.wall_ns,
        boot_id=sighting.place.boot_id,
        boottime_ns=sighting.first_seen.boottime_ns,
        cluster=sighting.place.cluster,
        node=sighting.place.node,
        sighting=sighting.key,
        job=sighting.job,
        witness=Witness.CGROUP,
        slot=sighting.slot,
    )


def end_by_hook(place: Place, key: str, hook: HookEvent) -> JobEnd:
    """The Epilog's event, under the hook's own id."""
    return JobEnd(
        id=hook.id,
        time_ns=hook.time_ns,
        boot_id=hook.boot_id,
        boottime_ns=hook.boottime_ns,
        cluster=place.cluster,
        node=place.node,
        sighting=key,
        job=hook.job,
        witness=Witness.HOOK,
    )


def end_by_cgroup(sighting: Sighting, at: Moment) -> JobEnd:
    """No Epilog came: the job ended, as far as this node can tell, when its cgroup went."""
    return JobEnd(
        id=derived_id(sighting.key, EventKind.JOB_END.value),
        time_ns=at.wall_ns,
        boot_id=sighting.place.boot_id,
        boottime_ns=at.boottime_ns,
        cluster=sighting.place.cluster,
        node=sighting.place.node,
        sighting=sighting.key,
        job=sighting.job,
        witness=Witness.CGROUP,
    )


def summary_draft(sighting: Sighting, end: Moment, unseen_ns: int, totals: Totals | None) -> JobSummary:
    """The summary without what only the sampler knows; `totals` are those of a sample before the end.

    What the SPANK plugin reported of the steps is in it: that is exact, whoever sampled.
    """
    sampled = Totals(samples=0) if totals is None else as_of_last_sample(totals)
    return JobSummary(
        id=derived_id(sighting.key, EventKind.JOB_SUMMARY.value),
        time_ns=end.wall_ns,
        boot_id=sighting.place.boot_id,
        boottime_ns=end.boottime_ns,
        cluster=sighting.place.cluster,
        node=sighting.place.node,
        sighting=sighting.key,
        job=sighting.job,
        start_ns=sighting.start.wall_ns,
        end_ns=end.wall_ns,
        start_witness=sighting.start_witness,
        end_witness=sighting.end_witness,
        unseen_s=unseen_ns / NS_PER_S,
        slot=sighting.slot,
        totals=overlay(sampled, sighting.reported_steps),
        profile=None,
    )


def heartbeat(place: Place, version: str, interval_s: float, running: Iterable[Sighting], at: Moment) -> NodeHeartbeat:
    """This node lives, and these sightings are open."""
    return NodeHeartbeat(
        id=derived_id(place.cluster, place.node, place.boot_id, "heartbeat", str(at.boottime_ns)),
        time_ns=at.wall_ns,
        boot_id=place.boot_id,
        boottime_ns=at.boottime_ns,
        cluster=place.cluster,
        node=place.node,
        version=version,
        interval_s=interval_s,
        running=tuple((one.job.job_id, one.key) for one in running if one.phase is SightingPhase.OPEN),
    )


def profile_news(sighting: Sighting, profile: Profile, at: Moment) -> JobProfile:
    """What is new in a running sighting's profile."""
    return JobProfile(
        id=derived_id(sighting.key, EventKind.JOB_PROFILE.value, str(at.boottime_ns)),
        time_ns=at.wall_ns,
        boot_id=sighting.place.boot_id,
        boottime_ns=at.boottime_ns,
        cluster=sighting.place.cluster,
        node=sighting.place.node,
        sighting=sighting.key,
        job_id=sighting.job.job_id,
        profile=profile,
    )
