"""Who is on the node: every sighting that is open or ending, who owns which cgroup and slot, and who has just gone.

Owns the sightings and the bookkeeping of their lives; which stimulus means what is `machine`'s. Every change answers
with the instructions that follow from it. Invariants (`validate`): a job id of one boot has at most one open sighting;
a cgroup belongs to one sighting; a slot has one holder; what is closed was summarised once and is remembered for a
while, for a hook's event that comes too late; a summary is owed until somebody says that it is safe.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from slurmlens.clock import NS_PER_S, Moment
from slurmlens.events import JobIdentity, JobSummary, Place, Totals, Witness
from slurmlens.node.registry import sighting as made
from slurmlens.node.registry.memory import Ended, Memory, Remembered, steps_of_earlier
from slurmlens.node.registry.protocol import Emit, Instruction, Summarise, Watch
from slurmlens.node.registry.reported_steps import overlay
from slurmlens.node.registry.sighting import Sighting, SightingPhase
from slurmlens.node.registry.slots import SlotTable

REMEMBERED_SIGHTINGS = 256
OWED_SUMMARIES = 256
"""Kept for the next daemon at most, without their profiles; while no disk takes them and no hub, there may be more."""


class Roster:
    """All sightings of one node. `place` is this boot's; hooks of an earlier boot may have left events of theirs."""

    def __init__(self, place: Place, slots: int, slot_rest_s: float, started: Moment) -> None:
        self._place = place
        self._started = started
        self._numbers = itertools.count(1)
        self._slots = SlotTable(slots, round(slot_rest_s * NS_PER_S))
        self._open: dict[tuple[str, int], Sighting] = {}
        self._ending: dict[int, Sighting] = {}
        self._by_cgroup: dict[str, Sighting] = {}
        self._lingering: dict[str, int] = {}
        self._closed: OrderedDict[tuple[str, int], Sighting] = OrderedDict()
        self._owed: OrderedDict[str, Sighting] = OrderedDict()
        self._told_before: dict[str, Sighting] = {}
        self._outlived: set[int] = set()

    # --- who is there

    def running(self, boot_id: str, job_id: int) -> Sighting | None:
        """The open sighting of this job."""
        return self._open.get((boot_id, job_id))

    def gone(self, boot_id: str, job_id: int) -> Sighting | None:
        """The last closed sighting of this job, where it is still remembered."""
        return self._closed.get((boot_id, job_id))

    def told_before(self, hook_id: str) -> Sighting | None:
        """The sighting that ended under an earlier daemon, and which this hook's event is about."""
        return self._told_before.get(hook_id)

    def owner(self, cgroup: str) -> Sighting | None:
        """Whose cgroup this is."""
        return self._by_cgroup.get(cgroup)

    def open(self) -> list[Sighting]:
        """All whose end has not been reported."""
        return list(self._open.values())

    def ending(self) -> list[Sighting]:
        """All whose end has been reported and of which more is waited for."""
        return list(self._ending.values())

    def of_step(self, boot_id: str, job_id: int, boottime_ns: int) -> Sighting | None:
        """Whose step an event of this job and time is of: the run that is open, else the one that is ending."""
        running = self.running(boot_id, job_id)
        if running is not None and running.first_seen.boottime_ns <= boottime_ns:
            return running
        which = (boot_id, job_id)
        ending = [one for one in self._ending.values() if (one.place.boot_id, one.job.job_id) == which]
        return ending[-1] if ending else running

    # --- their lives

    def unknown(self, job: JobIdentity, boot_id: str, begin: Moment) -> Sighting:
        """A sighting that only its end tells of; it is not kept."""
        return Sighting(
            number=next(self._numbers),
            place=Place(self._place.cluster, self._place.node, boot_id),
            job=job,
            first_seen=begin,
            start=begin,
            phase=SightingPhase.CLOSED,
            start_witness=Witness.CGROUP,
            slot=None,
        )

    def begin(
        self, job: JobIdentity, boot_id: str, begin: Moment, phase: SightingPhase, witness: Witness, at: Moment
    ) -> Sighting:
        """A job is there that was not."""
        fresh = self.unknown(job, boot_id, begin)
        fresh.phase = phase
        fresh.start_witness = witness
        fresh.slot = self._slots.take(fresh.number, at.boottime_ns)
        fresh.tell(at.boottime_ns, f"first seen by {witness.value}")
        self._open[boot_id, job.job_id] = fresh
        return fresh

    def announce(self, running: Sighting) -> list[Instruction]:
        """No Prolog came in time: the cgroup tree is the witness."""
        if running.phase is not SightingPhase.EARLY:
            return []
        running.phase = SightingPhase.OPEN
        running.tell(running.first_seen.boottime_ns, "started without prolog")
        return [Emit(made.start_by_cgroup(running))]

    def attach(self, running: Sighting, cgroup: str, *, from_zero: bool) -> Watch:
        """A cgroup is this sighting's from now on."""
        running.cgroups.add(cgroup)
        running.gone, running.awaits_walk = None, False
        self._by_cgroup[cgroup] = running
        earlier = () if running.last_totals is None else steps_of_earlier(running.last_totals)
        return Watch(running.number, cgroup, running.job.job_id, running.slot, from_zero, earlier)

    def detach(self, cgroup: str, at: Moment) -> Sighting | None:
        """A cgroup is gone; answers with whose it was."""
        self._lingering.pop(cgroup, None)
        owner = self._by_cgroup.pop(cgroup, None)
        if owner is not None:
            owner.cgroups.discard(cgroup)
            if not owner.cgroups:
                owner.gone = at
                owner.tell(at.boottime_ns, "cgroup gone")
        return owner

    def outlives_its_run(self, cgroup: str, job_id: int) -> bool:
        """Whether a cgroup that appears is of a run whose end an earlier daemon reported; if so, it is set aside."""
        if job_id not in self._outlived:
            return False
        self._outlived.discard(job_id)
        self._lingering[cgroup] = job_id
        return True

    def adopt_lingering(self, fresh: Sighting) -> list[Instruction]:
        """A cgroup that outlived its run is this run's too: Slurm makes no second folder of the same name."""
        job_id = fresh.job.job_id
        found = [cgroup for cgroup, left_by in self._lingering.items() if left_by == job_id]
        for cgroup in found:
            del self._lingering[cgroup]
        return [self.attach(fresh, cgroup, from_zero=False) for cgroup in found]

    def end(self, running: Sighting, end: Moment, witness: Witness, at: Moment) -> list[Instruction]:
        """Its end is reported; it is summed up when its cgroup has gone and its steps have told their ends."""
        del self._open[running.place.boot_id, running.job.job_id]
        running.phase = SightingPhase.ENDING
        running.end = end
        running.end_witness = witness
        running.ending_since_ns = at.boottime_ns
        running.tell(at.boottime_ns, f"end by {witness.value}")
        self._ending[running.number] = running
        return [] if running.is_waited_for else self.close(running, at)

    def close(self, ending: Sighting, at: Moment) -> list[Instruction]:
        """It is over: sum it up, whatever of its cgroup is still there."""
        del self._ending[ending.number]
        self._slots.give_back(ending.slot, at.boottime_ns)
        left = list(ending.cgroups)
        for cgroup in left:
            del self._by_cgroup[cgroup]
            self._lingering[cgroup] = ending.job.job_id
        ending.cgroups.clear()
        ending.phase = SightingPhase.CLOSED
        self._remember(ending)
        draft = self._summary(ending, ending.last_totals)
        self._owe(draft.id, ending)
        out: list[Instruction] = [Summarise(ending.number, draft, tuple(ending.reported_steps.values()))]
        successor = self.running(ending.place.boot_id, ending.job.job_id)
        if left and successor is not None and not successor.cgroups:
            out += self.adopt_lingering(successor)
        return out

    def _remember(self, closed: Sighting) -> None:
        which = (closed.place.boot_id, closed.job.job_id)
        self._closed.pop(which, None)
        self._closed[which] = closed
        if len(self._closed) > REMEMBERED_SIGHTINGS:
            self._closed.popitem(last=False)

    def _summary(self, ended: Sighting, totals: Totals | None) -> JobSummary:
        """What it comes to, as far as it is known here."""
        if ended.summary is not None:
            totals = overlay(ended.summary.totals, ended.reported_steps)
            return msgspec.structs.replace(ended.summary, totals=totals)
        end = ended.end if ended.end is not None else ended.start
        return made.summary_draft(ended, end, self._unseen_ns(ended, end), totals)

    def _owe(self, summary_id: str, ended: Sighting) -> None:
        self._owed[summary_id] = ended
        if len(self._owed) > OWED_SUMMARIES:
            self._owed.popitem(last=False)

    def summed_up(self, summary: JobSummary) -> None:
        """The sampler has filled in a draft."""
        ended = self._owed.get(summary.id)
        if ended is not None:
            ended.summary = msgspec.structs.replace(summary, profile=None)

    def settled(self, summary_id: str) -> None:
        """This summary is safe: no later daemon needs to send it."""
        self._owed.pop(summary_id, None)

    def _unseen_ns(self, ending: Sighting, end: Moment) -> int:
        """Time of the job in which no daemon watched: before this one began, less what an earlier one saw."""
        if ending.place.boot_id != self._place.boot_id:
            return max(0, end.wall_ns - ending.start.wall_ns)
        unseen_from_ns = ending.start.boottime_ns if ending.watched_until is None else ending.watched_until.boottime_ns
        return ending.unseen_ns + max(0, min(end.boottime_ns, self._started.boottime_ns) - unseen_from_ns)

    def rest_slots_for(self, slot_rest_s: float) -> None:
        """How long a slot rests between two jobs from now on."""
        self._slots.rest_ns = round(slot_rest_s * NS_PER_S)

    # --- across a restart

    def remembered(self, at: Moment, totals: dict[int, Totals]) -> Memory:
        """What the next daemon of this boot should know; `totals` are those of the moment, by number."""
        told = (one for one in self._open.values() if one.phase is SightingPhase.OPEN)
        return Memory(
            boot_id=self._place.boot_id,
            saved=at,
            sightings=tuple(
                Remembered(
                    job=one.job,
                    first_seen=one.first_seen,
                    start=one.start,
                    start_witness=one.start_witness,
                    start_id=one.start_id,
                    slot=one.slot,
                    had_cgroup=one.had_cgroup,
                    gone=None if one.awaits_walk else one.gone,
                    unseen_ns=self._unseen_ns(one, at),
                    totals=totals.get(one.number, one.last_totals),
                    reported_steps=tuple(one.reported_steps.values()),
                    asked_interval_s=one.asked_interval_s,
                )
                for one in told
                if one.place.boot_id == self._place.boot_id
            ),
            ended=tuple(self._ended(one, totals) for one in [*self._owed.values(), *self._ending.values()]),
        )

    def _ended(self, one: Sighting, totals: dict[int, Totals]) -> Ended:
        used = totals.get(one.number, one.last_totals)
        summary = self._summary(one, used)
        if one.summary is None and used is None and one.had_cgroup:
            # What was seen of it goes with this daemon: to whoever reads the summary nobody watched.
            summary = msgspec.structs.replace(summary, unseen_s=max(0, summary.end_ns - summary.start_ns) / NS_PER_S)
        return Ended(
            first_seen=one.first_seen,
            start_id=one.start_id,
            end_id=one.end_id,
            has_cgroup=bool(one.cgroups),
            summary=summary,
        )

    def restore(self, memory: Memory) -> None:
        """Go on where the daemon before us was; only of this boot. To be called before anything else."""
        if memory.boot_id != self._place.boot_id:
            return
        for known in memory.sightings:
            if self.running(memory.boot_id, known.job.job_id) is not None:
                continue
            one = self.unknown(known.job, memory.boot_id, known.first_seen)
            one.phase = SightingPhase.OPEN
            one.start = known.start
            one.start_witness = known.start_witness
            one.start_id = known.start_id
            one.slot = self._slots.hold(known.slot, one.number)
            one.awaits_walk = known.had_cgroup and known.gone is None
            one.gone = self._started if one.awaits_walk else known.gone
            one.unseen_ns = known.unseen_ns
            one.watched_until = memory.saved
            one.last_totals = known.totals
            one.reported_steps = {step.step: step for step in known.reported_steps}
            one.asked_interval_s = known.asked_interval_s
            one.tell(self._started.boottime_ns, "known from before the restart")
            self._open[memory.boot_id, known.job.job_id] = one
        for ended in memory.ended:
            self._restore_ended(ended)

    def walked(self) -> None:
        """The whole tree was looked at: what an earlier daemon saw there and this one did not has gone."""
        for one in self._open.values():
            one.awaits_walk = False
        self._outlived.clear()

    def _restore_ended(self, kept: Ended) -> None:
        """Its end was reported: it is summed up at a later tick, once hooks and cgroups still there were seen."""
        summary = kept.summary
        one = self.unknown(summary.job, summary.boot_id, kept.first_seen)
        one.phase = SightingPhase.ENDING
        one.start = Moment(summary.start_ns, kept.first_seen.boottime_ns)
        one.start_witness, one.start_id = summary.start_witness, kept.start_id
        one.end = Moment(summary.end_ns, summary.boottime_ns)
        one.end_witness, one.end_id = summary.end_witness, kept.end_id
        one.slot = self._slots.hold(summary.slot, one.number)
        one.ending_since_ns = self._started.boottime_ns
        one.summary = summary
        one.tell(self._started.boottime_ns, "its summary is owed from before the restart")
        self._ending[one.number] = one
        self._told_before.update((name, one) for name in (kept.start_id, kept.end_id) if name is not None)
        if kept.has_cgroup:
            self._outlived.add(summary.job.job_id)

    def validate(self) -> None:
        """Assert the invariants; tests call it after every stimulus."""
        alive = list(self._everyone())
        numbers = {one.number for one in alive}
        assert len(numbers) == len(alive)
        for (boot_id, job_id), running in self._open.items():
            assert (running.place.boot_id, running.job.job_id) == (boot_id, job_id)
            assert running.phase in (SightingPhase.EARLY, SightingPhase.OPEN)
            assert not (running.awaits_walk and running.cgroups)
        assert all(one.phase is SightingPhase.ENDING for one in self._ending.values())
        assert all(one.is_waited_for or one.summary is not None for one in self._ending.values())
        for cgroup, owner in self._by_cgroup.items():
            assert owner.number in numbers
            assert cgroup in owner.cgroups
            assert cgroup not in self._lingering
        assert sum(len(one.cgroups) for one in alive) == len(self._by_cgroup)
        assert self._slots.holders() == {one.slot: one.number for one in alive if one.slot is not None}
        assert len(self._closed) <= REMEMBERED_SIGHTINGS
        assert len(self._owed) <= OWED_SUMMARIES

    def _everyone(self) -> Iterator[Sighting]:
        yield from self._open.values()
        yield from self._ending.values()
