"""The registry: which jobs run on this node, since when, told by whom, and when they are over.

Owns every sighting from its first sign to its summary. Fed by the pipeline with stimuli (hook events in the order of
one boot, the cgroup tree, the time); answers with instructions. Never waits, never asks the time, touches nothing.

What it can rely on, and what not: the Prolog runs before the job's cgroup exists and the Epilog after it is gone, but
either may be missing, late or repeated, and the notice of a removed cgroup may come after the Epilog's. A Prolog
belongs to a sighting without one only if it ran before the cgroup was first seen; an Epilog only to a sighting that
began before it. A second Prolog of one job id is a second run: restart counts are not believed (an Epilog after a
requeue says the next one).

Invariants (`validate`): a job id of one boot has at most one open sighting; a cgroup belongs to one sighting; a slot
has one holder; every told start gets one summary.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.events import (
    HookEvent,
    HookRole,
    JobIdentity,
    JobProfile,
    NodeHeartbeat,
    Profile,
    Witness,
)
from slurmlens.node.registry import sighting as made
from slurmlens.node.registry.protocol import (
    CgroupAppeared,
    CgroupVanished,
    Emit,
    HookSeen,
    Instruction,
    KnownHook,
    Moment,
    StepAppeared,
    StepVanished,
    Stimulus,
    Summarise,
    Tick,
    Unwatch,
    UnwatchStep,
    Watch,
    WatchStep,
)
from slurmlens.node.registry.sighting import Phase, Place, Sighting
from slurmlens.node.registry.slots import SlotTable

REMEMBERED_HOOKS = 20_000
REMEMBERED_SIGHTINGS = 256
DAY_S = 86_400.0


class RegistrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for whom, in seconds.

    `settle_s`: a cgroup without Prolog before its start is told. `epilog_grace_s`: a job without cgroup before it
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
    """The state machine; `handle` is its only door for change."""

    def __init__(self, place: Place, settings: RegistrySettings, started: Moment) -> None:
        self._place = place
        self._settings = settings
        self._started = started
        self._numbers = itertools.count(1)
        self._slots = SlotTable(settings.slots, _ns(settings.slot_rest_s))
        self._open: dict[tuple[str, int], Sighting] = {}
        self._ending: dict[int, Sighting] = {}
        self._by_cgroup: dict[str, Sighting] = {}
        self._lingering: dict[str, int] = {}
        self._closed: OrderedDict[tuple[str, int], Sighting] = OrderedDict()
        self._hooks: OrderedDict[str, None] = OrderedDict()
        self._next_heartbeat_ns = started.boottime_ns

    def handle(self, stimulus: Stimulus) -> list[Instruction]:
        """Take in one stimulus and say what is to be done, in this order."""
        match stimulus:
            case HookSeen():
                return self._hook(stimulus)
            case CgroupAppeared():
                return self._appeared(stimulus)
            case CgroupVanished():
                return self._vanished(stimulus)
            case StepAppeared():
                return self._step_appeared(stimulus)
            case StepVanished():
                return self._step_vanished(stimulus)
            case Tick():
                return self._tick(stimulus.at)

    # --- hooks

    def _hook(self, stimulus: HookSeen) -> list[Instruction]:
        event = stimulus.event
        if event.id in self._hooks:
            return [KnownHook(event.id)]
        self._hooks[event.id] = None
        if len(self._hooks) > REMEMBERED_HOOKS:
            self._hooks.popitem(last=False)
        if event.role is HookRole.PROLOG:
            return self._prolog(event, stimulus.at)
        return self._epilog(event, stimulus.at)

    def _prolog(self, event: HookEvent, at: Moment) -> list[Instruction]:
        running = self._open.get((event.boot_id, event.job.job_id))
        if running is not None and _may_be_its_prolog(running, event):
            return self._late_prolog(running, event)
        closed = self._closed.get((event.boot_id, event.job.job_id))
        if running is None and closed is not None and _may_be_its_prolog(closed, event):
            return [Emit(made.start_by_hook(closed, event))]
        out = self._end_unheard(running, at) if running is not None else []
        begin = Moment(event.time_ns, event.boottime_ns)
        fresh = self._begin(event.job, event.boot_id, begin, Phase.OPEN, Witness.HOOK, at)
        out.append(Emit(made.start_by_hook(fresh, event)))
        return out + self._adopt_lingering(fresh)

    def _late_prolog(self, running: Sighting, event: HookEvent) -> list[Instruction]:
        """The cgroup was seen first; the Prolog's own time is the better start, and the key if it was not told yet."""
        running.start = Moment(event.time_ns, event.boottime_ns)
        if running.phase is Phase.EARLY:
            running.first_seen = running.start
        running.phase = Phase.OPEN
        running.start_witness = Witness.HOOK
        running.job = made.merged(running.job, event.job)
        running.tell(event.boottime_ns, "prolog, after its cgroup")
        return [Emit(made.start_by_hook(running, event))]

    def _epilog(self, event: HookEvent, at: Moment) -> list[Instruction]:
        which = (event.boot_id, event.job.job_id)
        running = self._open.get(which)
        if running is not None and running.first_seen.boottime_ns <= event.boottime_ns:
            return self._end_by_epilog(running, event, at)
        closed = self._closed.get(which)
        if closed is not None and _may_be_its_epilog(closed, event):
            closed.end_witness = Witness.HOOK
            return [Emit(made.end_by_hook(closed.place, closed.key, event))]
        unknown = self._sighting(event.job, event.boot_id, Moment(event.time_ns, event.boottime_ns))
        return [Emit(made.end_by_hook(unknown.place, unknown.key, event))]

    def _end_by_epilog(self, running: Sighting, event: HookEvent, at: Moment) -> list[Instruction]:
        out = self._announce(running)
        running.job = made.merged(running.job, event.job)
        out.append(Emit(made.end_by_hook(running.place, running.key, event)))
        end = Moment(event.time_ns, event.boottime_ns)
        return out + self._end(running, end, Witness.HOOK, at)

    # --- cgroups

    def _appeared(self, stimulus: CgroupAppeared) -> list[Instruction]:
        if stimulus.cgroup in self._by_cgroup:
            return []
        self._lingering.pop(stimulus.cgroup, None)
        running = self._open.get((self._place.boot_id, stimulus.job.job_id))
        if running is None:
            running = self._begin(
                stimulus.job, self._place.boot_id, stimulus.at, Phase.EARLY, Witness.CGROUP, stimulus.at
            )
        running.job = made.merged(stimulus.job, running.job)
        return [self._attach(running, stimulus.cgroup, from_zero=True)]

    def _attach(self, running: Sighting, cgroup: str, *, from_zero: bool) -> Watch:
        running.cgroups.add(cgroup)
        running.gone = None
        self._by_cgroup[cgroup] = running
        return Watch(running.number, cgroup, running.job.job_id, running.slot, from_zero)

    def _adopt_lingering(self, fresh: Sighting) -> list[Instruction]:
        """A cgroup that outlived its run is this run's too: Slurm makes no second folder of the same name."""
        job_id = fresh.job.job_id
        found = [cgroup for cgroup, left_by in self._lingering.items() if left_by == job_id]
        for cgroup in found:
            del self._lingering[cgroup]
        return [self._attach(fresh, cgroup, from_zero=False) for cgroup in found]

    def _vanished(self, stimulus: CgroupVanished) -> list[Instruction]:
        self._lingering.pop(stimulus.cgroup, None)
        owner = self._by_cgroup.pop(stimulus.cgroup, None)
        if owner is None:
            return []
        owner.cgroups.discard(stimulus.cgroup)
        out: list[Instruction] = [Unwatch(owner.number, stimulus.cgroup)]
        if not owner.cgroups:
            owner.gone = stimulus.at
            owner.tell(stimulus.at.boottime_ns, "cgroup gone")
            if owner.phase is Phase.ENDING:
                out += self._close(owner, stimulus.at)
        return out

    def _step_appeared(self, stimulus: StepAppeared) -> list[Instruction]:
        owner = self._by_cgroup.get(stimulus.job_cgroup)
        if owner is None:
            return []
        return [WatchStep(owner.number, stimulus.job_cgroup, stimulus.cgroup, stimulus.step)]

    def _step_vanished(self, stimulus: StepVanished) -> list[Instruction]:
        owner = self._by_cgroup.get(stimulus.job_cgroup)
        return [] if owner is None else [UnwatchStep(owner.number, stimulus.job_cgroup, stimulus.cgroup)]

    # --- time

    def _tick(self, at: Moment) -> list[Instruction]:
        out: list[Instruction] = []
        for running in list(self._open.values()):
            out += self._overdue(running, at)
        linger_ns = _ns(self._settings.linger_s)
        for ending in list(self._ending.values()):
            if at.boottime_ns - ending.ending_since_ns >= linger_ns:
                out += self._close(ending, at)
        if at.boottime_ns >= self._next_heartbeat_ns:
            self._next_heartbeat_ns = at.boottime_ns + _ns(self._settings.heartbeat_interval_s)
            out.append(Emit(self.heartbeat(at)))
        return out

    def _overdue(self, running: Sighting, at: Moment) -> list[Instruction]:
        """What the mere passing of time means for one open sighting."""
        out: list[Instruction] = []
        if at.boottime_ns - running.first_seen.boottime_ns >= _ns(self._settings.settle_s):
            out += self._announce(running)
        if not running.cgroups and at.boottime_ns - self._without_cgroup_since_ns(running) >= self._grace_ns(running):
            out += self._end_unheard(running, at)
        return out

    def _without_cgroup_since_ns(self, running: Sighting) -> int:
        if running.place.boot_id != self._place.boot_id:
            return self._started.boottime_ns
        return (running.gone if running.gone is not None else running.first_seen).boottime_ns

    def _grace_ns(self, running: Sighting) -> int:
        settings = self._settings
        if running.place.boot_id == self._place.boot_id and running.gone is None:
            return _ns(settings.phantom_s)
        return _ns(settings.epilog_grace_s if self._hooks else settings.stage0_grace_s)

    # --- a sighting's life

    def _sighting(self, job: JobIdentity, boot_id: str, begin: Moment) -> Sighting:
        place = Place(self._place.cluster, self._place.node, boot_id)
        return Sighting(
            number=next(self._numbers),
            place=place,
            job=job,
            first_seen=begin,
            start=begin,
            phase=Phase.CLOSED,
            start_witness=Witness.CGROUP,
            slot=None,
        )

    def _begin(
        self, job: JobIdentity, boot_id: str, begin: Moment, phase: Phase, witness: Witness, at: Moment
    ) -> Sighting:
        fresh = self._sighting(job, boot_id, begin)
        fresh.phase = phase
        fresh.start_witness = witness
        fresh.slot = self._slots.take(fresh.number, at.boottime_ns)
        fresh.tell(at.boottime_ns, f"first seen by {witness.value}")
        self._open[boot_id, job.job_id] = fresh
        return fresh

    def _announce(self, running: Sighting) -> list[Instruction]:
        if running.phase is not Phase.EARLY:
            return []
        running.phase = Phase.OPEN
        running.tell(running.first_seen.boottime_ns, "told without prolog")
        return [Emit(made.start_by_cgroup(running))]

    def _end_unheard(self, running: Sighting, at: Moment) -> list[Instruction]:
        """No Epilog came: the end is when the cgroup went; unknown, for a job that never had one."""
        out = self._announce(running)
        if running.gone is not None:
            end = running.gone
        elif running.place.boot_id == self._place.boot_id:
            end = at
        else:
            end = running.start
        out.append(Emit(made.end_by_cgroup(running, end)))
        return out + self._end(running, end, Witness.CGROUP, at)

    def _end(self, running: Sighting, end: Moment, witness: Witness, at: Moment) -> list[Instruction]:
        del self._open[running.place.boot_id, running.job.job_id]
        running.phase = Phase.ENDING
        running.end = end
        running.end_witness = witness
        running.ending_since_ns = at.boottime_ns
        running.tell(at.boottime_ns, f"end by {witness.value}")
        self._ending[running.number] = running
        return [] if running.cgroups else self._close(running, at)

    def _close(self, ending: Sighting, at: Moment) -> list[Instruction]:
        del self._ending[ending.number]
        self._slots.give_back(ending.slot, at.boottime_ns)
        left = list(ending.cgroups)
        for cgroup in left:
            del self._by_cgroup[cgroup]
            self._lingering[cgroup] = ending.job.job_id
        ending.cgroups.clear()
        ending.phase = Phase.CLOSED
        self._remember(ending)
        end = ending.end if ending.end is not None else at
        out: list[Instruction] = [
            Summarise(ending.number, made.summary_draft(ending, end, self._unseen_ns(ending, end)))
        ]
        successor = self._open.get((ending.place.boot_id, ending.job.job_id))
        if left and successor is not None and not successor.cgroups:
            out += self._adopt_lingering(successor)
        return out

    def _remember(self, closed: Sighting) -> None:
        which = (closed.place.boot_id, closed.job.job_id)
        self._closed.pop(which, None)
        self._closed[which] = closed
        if len(self._closed) > REMEMBERED_SIGHTINGS:
            self._closed.popitem(last=False)

    def _unseen_ns(self, ending: Sighting, end: Moment) -> int:
        """Time of the job before this daemon began to watch."""
        if ending.place.boot_id != self._place.boot_id:
            return max(0, end.wall_ns - ending.start.wall_ns)
        watched_from = self._started.boottime_ns
        return max(0, min(end.boottime_ns, watched_from) - ending.start.boottime_ns)

    # --- what others ask

    def deadline_ns(self) -> int:
        """The boottime at which the next `Tick` will have something to do, unless another stimulus comes first."""
        settings = self._settings
        deadlines = [self._next_heartbeat_ns]
        for running in self._open.values():
            if running.phase is Phase.EARLY:
                deadlines.append(running.first_seen.boottime_ns + _ns(settings.settle_s))
            if not running.cgroups:
                deadlines.append(self._without_cgroup_since_ns(running) + self._grace_ns(running))
        deadlines += [ending.ending_since_ns + _ns(settings.linger_s) for ending in self._ending.values()]
        return min(deadlines)

    def heartbeat(self, at: Moment) -> NodeHeartbeat:
        """This node lives, and these sightings are open."""
        place = self._place
        return NodeHeartbeat(
            id=made.derived_id(place.cluster, place.node, place.boot_id, "heartbeat", str(at.boottime_ns)),
            time_ns=at.wall_ns,
            boot_id=place.boot_id,
            boottime_ns=at.boottime_ns,
            cluster=place.cluster,
            node=place.node,
            version=self._settings.version,
            interval_s=self._settings.heartbeat_interval_s,
            running=tuple(
                (running.job.job_id, running.key) for running in self._open.values() if running.phase is Phase.OPEN
            ),
        )

    def profile_event(self, number: int, profile: Profile, at: Moment) -> JobProfile | None:
        """News of a running sighting's profile as an event; None where its start is not told yet, or it is over."""
        running = next((one for one in self._open.values() if one.number == number), None)
        if running is None or running.phase is not Phase.OPEN:
            return None
        return JobProfile(
            id=made.derived_id(running.key, "job-profile", str(at.boottime_ns)),
            time_ns=at.wall_ns,
            boot_id=running.place.boot_id,
            boottime_ns=at.boottime_ns,
            cluster=running.place.cluster,
            node=running.place.node,
            sighting=running.key,
            job_id=running.job.job_id,
            profile=profile,
        )

    def sightings(self) -> list[Sighting]:
        """Every sighting that is not closed, for the status page."""
        return [*self._open.values(), *self._ending.values()]

    def validate(self) -> None:
        """Assert the invariants of the module's docstring; tests call it after every stimulus."""
        alive = self.sightings()
        numbers = {one.number for one in alive}
        assert len(numbers) == len(alive)
        for (boot_id, job_id), running in self._open.items():
            assert (running.place.boot_id, running.job.job_id) == (boot_id, job_id)
            assert running.phase in (Phase.EARLY, Phase.OPEN)
        assert all(one.phase is Phase.ENDING and one.cgroups for one in self._ending.values())
        for cgroup, owner in self._by_cgroup.items():
            assert owner.number in numbers
            assert cgroup in owner.cgroups
            assert cgroup not in self._lingering
        assert sum(len(one.cgroups) for one in alive) == len(self._by_cgroup)
        assert self._slots.holders() == {one.slot: one.number for one in alive if one.slot is not None}
        assert len(self._closed) <= REMEMBERED_SIGHTINGS


def _may_be_its_prolog(found: Sighting, event: HookEvent) -> bool:
    """The cgroup tree saw it first, and the Prolog ran before that."""
    return found.start_witness is Witness.CGROUP and event.boottime_ns <= found.first_seen.boottime_ns


def _may_be_its_epilog(closed: Sighting, event: HookEvent) -> bool:
    """Its end was not told by a hook yet, and the Epilog ran after it began."""
    return closed.end_witness is Witness.CGROUP and event.boottime_ns >= closed.first_seen.boottime_ns
