"""The rules: which hook event and which cgroup belong to which run, and what is to be done about it.

Owns the meaning of stimuli; the sightings themselves are in `roster`. Fed by the pipeline with stimuli (hook events in
the order of one boot, the cgroup tree, the time); answers with instructions. Never waits, never asks the time, touches
nothing.

What it can rely on, and what not: the Prolog runs before the job's cgroup exists and the Epilog after it is gone, but
either may be missing, late or repeated, and the notice of a removed cgroup may come after the Epilog's. A Prolog
belongs to a sighting without one only if it ran before the cgroup was first seen; an Epilog only to a sighting that
began before it. A second Prolog of one job id is a second run: restart counts are not believed (an Epilog after a
requeue says the next one).

Invariants: those of `roster`, and that every reported start gets one summary and every hook's event is reported once.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from slurmlens.clock import NS_PER_S, Moment
from slurmlens.events import JobEnd, JobProfile, JobStart, JobSummary, Place, Profile, Totals, Witness, merged_identity
from slurmlens.hook_events import HookEvent, HookRole, StepEvent, StepRole
from slurmlens.node.registry import reported_steps
from slurmlens.node.registry import sighting as made
from slurmlens.node.registry.memory import Memory
from slurmlens.node.registry.protocol import (
    CgroupAppeared,
    CgroupVanished,
    Emit,
    HookSeen,
    Instruction,
    KnownHook,
    ReadOften,
    Retimed,
    StepAppeared,
    StepTold,
    StepUnplaced,
    StepVanished,
    Stimulus,
    TimePassed,
    TreeWalked,
    Unwatch,
    UnwatchStep,
    WatchStep,
)
from slurmlens.node.registry.roster import Roster
from slurmlens.node.registry.sighting import Sighting, SightingPhase

REMEMBERED_HOOKS = 4_096
"""As many as the dropbox's own file system holds at one time."""

DAY_S = 86_400.0


class RegistrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for whom, in seconds.

    `settle_s`: a cgroup without Prolog before its start is reported. `epilog_grace_s`: a job without cgroup before it
    counts as ended; `stage0_grace_s` the same while no hook was ever heard of. `linger_s`: a cgroup after the Epilog.
    `phantom_s`: a job that never had a cgroup and got no Epilog.
    """

    slots: int = 16
    slot_rest_s: float = 10.0
    settle_s: float = 2.0
    epilog_grace_s: float = 60.0
    stage0_grace_s: float = 5.0
    linger_s: float = 2.0
    phantom_s: float = 7 * DAY_S
    heartbeat_interval_s: float = 60.0
    version: str = "0"


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


class Registry:
    """The state machine; `handle` is its only door for change. `memory` is what an earlier daemon of this boot left."""

    def __init__(self, place: Place, settings: RegistrySettings, started: Moment, memory: Memory | None = None) -> None:
        self._place = place
        self._settings = settings
        self._started = started
        self._roster = Roster(place, settings.slots, settings.slot_rest_s, started)
        self._hooks: OrderedDict[str, None] = OrderedDict()
        self._next_heartbeat_ns = started.boottime_ns
        self._walked_ns: int | None = None
        if memory is not None:
            self._roster.restore(memory)

    @property
    def cluster(self) -> str:
        """Of this node, as its settings say."""
        return self._place.cluster

    def running(self, job_id: int) -> Sighting | None:
        """The open sighting of a job of this boot; None while there is none."""
        return self._roster.running(self._place.boot_id, job_id)

    def handle(self, stimulus: Stimulus) -> list[Instruction]:
        """Take in one stimulus and say what is to be done, in this order."""
        match stimulus:
            case HookSeen():
                return self._hook(stimulus)
            case StepTold():
                return self._step_told(stimulus.event, stimulus.at)
            case CgroupAppeared():
                return self._appeared(stimulus)
            case CgroupVanished():
                return self._vanished(stimulus)
            case StepAppeared():
                return self._step_appeared(stimulus)
            case StepVanished():
                return self._step_vanished(stimulus)
            case TreeWalked():
                return self._walked(stimulus.at)
            case TimePassed():
                return self._tick(stimulus.at)
            case Retimed():
                return self._retimed(stimulus)

    # --- hooks

    def _hook(self, stimulus: HookSeen) -> list[Instruction]:
        event = stimulus.event
        if event.id in self._hooks:
            return [KnownHook(event.id)]
        self._hooks[event.id] = None
        if len(self._hooks) > REMEMBERED_HOOKS:
            self._hooks.popitem(last=False)
        told = self._roster.told_before(event.id)
        if told is not None:
            return [Emit(_told_again(told, event))]
        if event.role is HookRole.PROLOG:
            return self._prolog(event, stimulus.at)
        return self._epilog(event, stimulus.at)

    def _prolog(self, event: HookEvent, at: Moment) -> list[Instruction]:
        running = self._roster.running(event.boot_id, event.job.job_id)
        if running is not None and (running.start_id == event.id or _may_be_its_prolog(running, event)):
            return self._late_prolog(running, event)
        gone = self._roster.gone(event.boot_id, event.job.job_id)
        if running is None and gone is not None and _may_be_its_prolog(gone, event):
            return [Emit(made.start_by_hook(gone, event))]
        begin = Moment(event.time_ns, event.boottime_ns)
        if running is not None and running.awaits_walk and running.gone is not None:
            running.gone = min(running.gone, begin, key=_since_boot)  # it ended unwatched, before its next run began
        out = self._end_unheard(running, at) if running is not None else []
        fresh = self._roster.begin(event.job, event.boot_id, begin, SightingPhase.OPEN, Witness.HOOK, at)
        fresh.start_id = event.id
        out.append(Emit(made.start_by_hook(fresh, event)))
        return out + self._roster.adopt_lingering(fresh)

    def _late_prolog(self, running: Sighting, event: HookEvent) -> list[Instruction]:
        """The cgroup was seen first; the Prolog's own time is the better start, and the key if nobody has it yet."""
        running.start = Moment(event.time_ns, event.boottime_ns)
        if running.phase is SightingPhase.EARLY:
            running.first_seen = running.start
        running.phase = SightingPhase.OPEN
        running.start_witness = Witness.HOOK
        running.start_id = event.id
        running.job = merged_identity((event.job, running.job))
        running.tell(event.boottime_ns, "prolog, after its cgroup")
        return [Emit(made.start_by_hook(running, event))]

    def _epilog(self, event: HookEvent, at: Moment) -> list[Instruction]:
        running = self._roster.running(event.boot_id, event.job.job_id)
        if running is not None and running.first_seen.boottime_ns <= event.boottime_ns:
            return self._end_by_epilog(running, event, at)
        gone = self._roster.gone(event.boot_id, event.job.job_id)
        if gone is not None and _may_be_its_epilog(gone, event):
            gone.end_witness, gone.end_id = Witness.HOOK, event.id
            return [Emit(made.end_by_hook(gone.place, gone.key, event))]
        unknown = self._roster.unknown(event.job, event.boot_id, Moment(event.time_ns, event.boottime_ns))
        return [Emit(made.end_by_hook(unknown.place, unknown.key, event))]

    def _end_by_epilog(self, running: Sighting, event: HookEvent, at: Moment) -> list[Instruction]:
        out = self._roster.announce(running)
        running.job = merged_identity((event.job, running.job))
        running.end_id = event.id
        out.append(Emit(made.end_by_hook(running.place, running.key, event)))
        end = Moment(event.time_ns, event.boottime_ns)
        return out + self._roster.end(running, end, Witness.HOOK, at)

    # --- steps

    def _step_told(self, event: StepEvent, at: Moment) -> list[Instruction]:
        """The plugin runs inside the job, so the job is there; where nobody saw it yet, this is its first sign."""
        owner = self._roster.of_step(event.boot_id, event.job.job_id, event.boottime_ns)
        if owner is None and event.role is StepRole.EXIT:
            return [StepUnplaced(event)]
        if owner is None:
            begin = Moment(event.time_ns, event.boottime_ns)
            owner = self._roster.begin(event.job, event.boot_id, begin, SightingPhase.EARLY, Witness.CGROUP, at)
        reported_steps.take(owner.reported_steps, event)
        if not event.from_hook and not owner.cgroups and owner.phase is not SightingPhase.ENDING:
            owner.gone = _left_at(owner, event)
        # Reported at once: only what is reported is kept for the next daemon, and the step's file goes when its word is
        # kept.
        out = self._roster.announce(owner)
        if event.notify is not None and event.notify != owner.asked_notices:
            owner.asked_notices = event.notify
            out.append(Emit(made.notices_asked(owner, event, event.notify)))
        out += self._closed_if_over(owner, at)
        if event.interval_s is None:
            return out
        # Where its cgroup was not seen yet, nobody is there to be read: it is asked again then.
        owner.asked_interval_s = event.interval_s
        return [*out, *_asked_of(owner)]

    # --- cgroups

    def _appeared(self, stimulus: CgroupAppeared) -> list[Instruction]:
        if self._roster.owner(stimulus.cgroup) is not None:
            return []
        boot_id, at = self._place.boot_id, stimulus.at
        running = self._roster.running(boot_id, stimulus.job.job_id)
        if running is None and self._roster.outlives_its_run(stimulus.cgroup, stimulus.job.job_id):
            return []
        if running is None:
            running = self._roster.begin(stimulus.job, boot_id, at, SightingPhase.EARLY, Witness.CGROUP, at)
        running.job = merged_identity((running.job, stimulus.job))
        return [self._roster.attach(running, stimulus.cgroup, from_zero=True), *_asked_of(running)]

    def _vanished(self, stimulus: CgroupVanished) -> list[Instruction]:
        owner = self._roster.detach(stimulus.cgroup, stimulus.at)
        if owner is None:
            return []
        out: list[Instruction] = [Unwatch(owner.number, stimulus.cgroup)]
        return out + self._closed_if_over(owner, stimulus.at)

    def _closed_if_over(self, owner: Sighting, at: Moment) -> list[Instruction]:
        if owner.phase is not SightingPhase.ENDING or owner.is_waited_for:
            return []
        return self._roster.close(owner, at)

    def _step_appeared(self, stimulus: StepAppeared) -> list[Instruction]:
        owner = self._roster.owner(stimulus.job_cgroup)
        if owner is None:
            return []
        return [WatchStep(owner.number, stimulus.job_cgroup, stimulus.cgroup, stimulus.step)]

    def _step_vanished(self, stimulus: StepVanished) -> list[Instruction]:
        owner = self._roster.owner(stimulus.job_cgroup)
        return [] if owner is None else [UnwatchStep(owner.number, stimulus.job_cgroup, stimulus.cgroup)]

    def _walked(self, at: Moment) -> list[Instruction]:
        """The first time, who is known from before and has no cgroup by now has gone; the Epilog has its grace yet."""
        if self._walked_ns is None:
            self._walked_ns = at.boottime_ns
            self._roster.walked()
        return []

    # --- time

    def _tick(self, at: Moment) -> list[Instruction]:
        out: list[Instruction] = []
        for running in self._roster.open():
            out += self._overdue(running, at)
        linger_ns = _ns(self._settings.linger_s)
        for ending in self._roster.ending():
            if at.boottime_ns - ending.ending_since_ns >= linger_ns:
                out += self._roster.close(ending, at)
        if at.boottime_ns >= self._next_heartbeat_ns:
            interval_s = self._settings.heartbeat_interval_s
            self._next_heartbeat_ns = at.boottime_ns + _ns(interval_s)
            beat = made.heartbeat(self._place, self._settings.version, interval_s, self._roster.open(), at)
            out.append(Emit(beat))
        return out

    def _retimed(self, stimulus: Retimed) -> list[Instruction]:
        """Other intervals from now on; the next heartbeat tells the hub of its own."""
        interval_s = stimulus.heartbeat_interval_s
        self._settings = msgspec.structs.replace(self._settings, heartbeat_interval_s=interval_s)
        self._next_heartbeat_ns = min(self._next_heartbeat_ns, stimulus.at.boottime_ns + _ns(interval_s))
        self._roster.rest_slots_for(stimulus.slot_rest_s)
        return []

    def _overdue(self, running: Sighting, at: Moment) -> list[Instruction]:
        """What the mere passing of time means for one open sighting."""
        out: list[Instruction] = []
        if at.boottime_ns - running.first_seen.boottime_ns >= _ns(self._settings.settle_s):
            out += self._roster.announce(running)
        if not running.cgroups and at.boottime_ns - self._without_cgroup_since_ns(running) >= self._grace_ns(running):
            out += self._end_unheard(running, at)
        return out

    def _end_unheard(self, running: Sighting, at: Moment) -> list[Instruction]:
        """No Epilog came: the end is when the cgroup went; unknown, for a job that never had one."""
        out = self._roster.announce(running)
        if running.gone is not None:
            end = running.gone
        elif running.place.boot_id == self._place.boot_id:
            end = at
        else:
            end = running.start
        out.append(Emit(made.end_by_cgroup(running, end)))
        return out + self._roster.end(running, end, Witness.CGROUP, at)

    def _without_cgroup_since_ns(self, running: Sighting) -> int:
        if running.place.boot_id != self._place.boot_id:
            return self._started.boottime_ns
        if running.gone is None:
            return running.first_seen.boottime_ns
        # A walk of a busy node's tree may take longer than the grace, and so may a daemon's absence.
        begun_ns = self._started.boottime_ns if self._walked_ns is None else self._walked_ns
        return max(running.gone.boottime_ns, begun_ns)

    def _grace_ns(self, running: Sighting) -> int:
        settings = self._settings
        is_of_this_boot = running.place.boot_id == self._place.boot_id
        if is_of_this_boot and (running.gone is None or running.awaits_walk):
            return _ns(settings.phantom_s)
        heard = bool(self._hooks) or running.start_witness is Witness.HOOK
        return _ns(settings.epilog_grace_s if heard else settings.stage0_grace_s)

    # --- what others ask

    def deadline_ns(self) -> int:
        """The boottime at which the next `TimePassed` will have something to do, if no other stimulus comes first."""
        settings = self._settings
        deadlines = [self._next_heartbeat_ns]
        for running in self._roster.open():
            if running.phase is SightingPhase.EARLY:
                deadlines.append(running.first_seen.boottime_ns + _ns(settings.settle_s))
            if not running.cgroups:
                deadlines.append(self._without_cgroup_since_ns(running) + self._grace_ns(running))
        deadlines += [ending.ending_since_ns + _ns(settings.linger_s) for ending in self._roster.ending()]
        return min(deadlines)

    def profile_event(self, number: int, profile: Profile, at: Moment) -> JobProfile | None:
        """News of a running sighting's profile as an event; None where its start is not reported yet, or it is over."""
        running = next((one for one in self._roster.open() if one.number == number), None)
        if running is None or running.phase is not SightingPhase.OPEN:
            return None
        return made.profile_news(running, profile, at)

    def sightings(self) -> list[Sighting]:
        """Every sighting that is not closed."""
        return [*self._roster.open(), *self._roster.ending()]

    def waited_for(self) -> list[int]:
        """Numbers of those whose end was reported and of which more is waited for: what they used so far may be all."""
        return [one.number for one in self._roster.ending() if one.is_waited_for]

    def summed_up(self, summary: JobSummary) -> None:
        """This is what became of a draft; until it is `settled` the next daemon would have to send it."""
        self._roster.summed_up(summary)

    def settled(self, summary_id: str) -> None:
        """This summary is safe: no later daemon needs to send it."""
        self._roster.settled(summary_id)

    def remembered(self, at: Moment, totals: dict[int, Totals]) -> Memory:
        """What the next daemon of this boot should know, with the totals of the moment by number."""
        return self._roster.remembered(at, totals)

    def validate(self) -> None:
        """Assert the invariants of the module's docstring; tests call it after every stimulus."""
        self._roster.validate()


def _since_boot(moment: Moment) -> int:
    return moment.boottime_ns


def _told_again(ended: Sighting, event: HookEvent) -> JobStart | JobEnd:
    """A hook's file that was read before a restart and stayed: the same words under the same id."""
    if event.role is HookRole.PROLOG:
        return made.start_by_hook(ended, event)
    return made.end_by_hook(ended.place, ended.key, event)


def _asked_of(running: Sighting) -> list[Instruction]:
    if running.asked_interval_s is None:
        return []
    return [ReadOften(running.job.job_id, running.asked_interval_s)]


def _left_at(running: Sighting, event: StepEvent) -> Moment | None:
    """When a job without a cgroup left this node, by its steps: with the last one, where that of the allocation or the
    batch script was among them; None while it is here. A cgroup that was seen says it itself, as does an Epilog; one
    that an earlier daemon saw is not here for the word of a step that may be as old as that daemon.
    """
    is_over = all(step.ended_ns is not None for step in running.reported_steps.values())
    if is_over and ("extern" in running.reported_steps or "batch" in running.reported_steps):
        return Moment(event.time_ns, event.boottime_ns)
    return running.gone if running.awaits_walk or event.role is StepRole.EXIT else None


def _may_be_its_prolog(found: Sighting, event: HookEvent) -> bool:
    """The cgroup tree saw it first, and the Prolog ran before that."""
    return found.start_witness is Witness.CGROUP and event.boottime_ns <= found.first_seen.boottime_ns


def _may_be_its_epilog(closed: Sighting, event: HookEvent) -> bool:
    """No hook reported its end yet, and the Epilog ran after it began."""
    return closed.end_witness is Witness.CGROUP and event.boottime_ns >= closed.first_seen.boottime_ns
