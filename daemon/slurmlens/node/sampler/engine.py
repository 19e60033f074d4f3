"""The sampler's work, without its thread: reads what is due, keeps the accounts, makes points, sums up.

Owns the open cgroups and everything known of the watched sightings. Called by one thread alone (`worker`); told the
time. Invariants: one call into the C reader per tick, whatever the number of jobs; a cgroup that cannot be opened or
read fails alone and is counted; what died is settled with its parents at once. Fed through `worker` by the pipeline
with the registry's instructions; gives carbon lines, profiles and totals.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import msgspec

from slurmlens.cgroup.reader import FAST_TICK, FULL_TICK, CgroupReader
from slurmlens.cgroup.reading import field_mask
from slurmlens.clock import NS_PER_S, Moment
from slurmlens.events import Profile, Totals
from slurmlens.metrics import Source, Tier
from slurmlens.node.sampler.accounts import Account
from slurmlens.node.sampler.lines import SlotLines, Standing
from slurmlens.node.sampler.node_figures import NodeFigures
from slurmlens.node.sampler.orders import EngineSettings, Finished, JobOrder, StepOrder
from slurmlens.node.sampler.parent_remainder import REMAINDER_FIELDS
from slurmlens.node.sampler.points import Lines, Points
from slurmlens.node.sampler.process_io import ProcessIo
from slurmlens.node.sampler.reads import Bound, Pair, Reads
from slurmlens.node.sampler.recorder import FlightRecorder
from slurmlens.node.sampler.remainder_reads import RemainderReads
from slurmlens.node.sampler.rest import NO_REST, Rest
from slurmlens.node.sampler.schedule import Due, Schedule
from slurmlens.node.sampler.watched import EXTERN, Cgroup, Watched

BINS_PER_INTERVAL = 4
"""How much finer than the regular interval a young job's profile is; one that was there before us is read at regular
ticks alone, and finer bins would say the same thing several times.
"""

READ_IN_ONE_GO = 8
"""So many cgroups are some 60 reads, a sixth of a millisecond; then a rest may be due."""

REVISED_IN_ONE_GO = 16
"""How many cgroups a slow tick looks through for what appeared late."""

REVISE_EVERY_NS = 50 * NS_PER_S
"""So long after one such look comes the next: at the default interval with each slow tick, at shorter ones no oftener,
for each opens folders by their paths.
"""

_REST_MASK = field_mask(REMAINDER_FIELDS)


class Engine:
    """All watched sightings of a node. `on_failure` gets a bounded reason for everything that fails alone; `rest` is
    taken between two parts of a tick, so that none of them holds a CPU for long."""

    def __init__(
        self,
        settings: EngineSettings,
        reader: CgroupReader,
        now: Moment,
        on_failure: Callable[[str, Exception | None], None],
        rest: Rest = NO_REST,
    ) -> None:
        self._settings = settings
        self._rest = rest
        self._reader = reader
        self.schedule = Schedule(settings.interval_s, settings.slow_every, settings.budget_share, now)
        self._recorder = FlightRecorder(settings.max_points, settings.memory_limit_bytes)
        self._on_failure = on_failure
        self._remainders = RemainderReads(reader, on_failure)
        self._lines = SlotLines(
            settings.cluster, settings.node, settings.slots, settings.interval_s, settings.slow_every
        )
        self._watched: dict[int, Watched] = {}
        self._by_name: dict[str, Pair] = {}
        self._reads = Reads(settings, reader, self.schedule, on_failure)
        self._bound: Bound | None = None
        self._standing: Standing | None = None
        self._revised = 0
        self._revised_ns = now.boottime_ns
        self._node_figures = NodeFigures(settings.proc_root, settings.cluster, settings.node, settings.interval_s)

    # --- orders

    def watch(self, order: JobOrder, now: Moment) -> None:
        """Begin to sample a job's cgroup, and look at it at once: it may live for less than half a second."""
        watched = self._watched.get(order.number)
        if watched is None:
            watched = self._watched[order.number] = self._new_sighting(order, now)
            self._regroup()
        elif watched.job is not None:
            self.unwatch(watched.job.name, now)
            watched.account.renew()
            watched.silent.clear()
        self._take_over(order.name, now)
        handle = self._reads.open(lambda: self._reader.open_job(order.place))
        if handle is None:
            return
        watched.job = Cgroup(
            name=order.name,
            place=order.place,
            handle=handle,
            account=watched.account,
            born_ns=now.boottime_ns if order.newborn else None,
            io=ProcessIo(self._settings.proc_root, order.place.cpu),
        )
        self._remainders.adopt_job(order.name, watched.job, order.parent, now.boottime_ns, newborn=order.newborn)
        self._first_look(watched, watched.job, now)

    def watch_step(self, order: StepOrder, now: Moment) -> None:
        """Begin to sample a step's cgroup."""
        watched = self._watched.get(order.number)
        if watched is None or watched.job is None or watched.is_gone:
            return
        self._take_over(order.name, now)
        handle = self._reads.open(lambda: self._reader.open_step(order.place))
        if handle is None:
            return
        account = Account()
        before = watched.steps.get(order.step)
        if before is not None:
            self.unwatch(before.name, now)
            account = before.account
            account.renew()
        born_ns = now.boottime_ns if order.newborn else None
        step = Cgroup(name=order.name, place=order.place, handle=handle, account=account, born_ns=born_ns)
        watched.steps[order.step] = step
        watched.job.emptied_ns = None
        job, sleeps = watched.job.name, order.step == EXTERN
        self._remainders.adopt_step(order.name, step, job, now.boottime_ns, newborn=order.newborn, sleeps=sleeps)
        self._first_look(watched, step, now)

    def unwatch(self, name: str, now: Moment) -> None:
        """A job's or step's cgroup was removed."""
        if name in self._by_name:
            self._bury([name], now)

    def look_at_end(self, name: str, now: Moment) -> None:
        """The last process has left a step's cgroup, or one has come into an empty one: read it and its job now, before
        they are removed."""
        watched, one = self._by_name.get(name, (None, None))
        if watched is None or one is None:
            return
        is_empty = self._reads.is_empty(one)
        self._look([watched], now)
        if one.gone_ns is None:
            one.emptied_ns = now.boottime_ns if is_empty else None
            if is_empty:
                watched.note_end_of_step(now.boottime_ns)
            elif watched.job is not None:
                watched.job.emptied_ns = None

    def finish(self, number: int, now: Moment) -> Finished | None:
        """Stop sampling and sum up; None for a sighting that never had a cgroup."""
        watched = self._watched.get(number)
        if watched is None:
            return None
        self._look([watched], now)
        totals = watched.totals(now.boottime_ns)
        if watched.has_fallen_counters:
            self._on_failure("counter-fell", None)
        for one in watched.living():
            one.gone_ns = now.boottime_ns
        finished = Finished(totals, watched.profile.profile(), self._lines.last_word(watched, now.wall_ns))
        self._forget(watched, now)
        return finished

    def look_closely(self, job_id: int, interval_s: float, seconds: float, now: Moment) -> bool:
        """Read one job more often for a while; whether it is here to be read."""
        numbers = [number for number, one in self._watched.items() if one.job_id == job_id and not one.is_gone]
        until_ns = now.boottime_ns + round(seconds * NS_PER_S)
        for number in numbers:
            self.schedule.look_closely(number, interval_s, now.boottime_ns, until_ns)
        return bool(numbers)

    def silence(self, is_silent: bool, now: Moment) -> None:
        """Read nothing but what begins and what ends, or again as planned."""
        self.schedule.silence(is_silent, now)

    def retime(self, interval_s: float, budget_share: float, now: Moment) -> None:
        """Sample at another interval from now on; profiles that have begun keep their bins, later ones fit it."""
        self._settings = msgspec.structs.replace(self._settings, interval_s=interval_s, budget_share=budget_share)
        self.schedule.retime(interval_s, budget_share, now)
        self._node_figures.retime(interval_s)
        self._lines.retime(interval_s, self._settings.slow_every)

    # --- time

    def run(self, due: Due, now: Moment) -> Lines:
        """Read what is due; the carbon lines of a regular tick."""
        if due.tick_ns is None:
            self._look([self._watched[number] for number in due.young if number in self._watched], now)
            return Lines()
        self._reads.read_pressure()
        self._remainders.settle_parents(now.boottime_ns)
        self._read_all(FULL_TICK if due.slow else FAST_TICK, now)
        lines = [self._lines.tick(self._stand(), Tier.FAST, due.tick_ns)]
        if due.slow:
            self._rest()
            self._revise_some(now)
            self._recorder.keep_within_bound(self._rest)
            self._rest()
            lines.append(self._lines.tick(self._stand(), Tier.SLOW, due.tick_ns))
        if self._node_figures.is_due(due.tick_ns):
            lines.append(self._node_figures.lines(self._reads.pressure, due.tick_ns))
        return Lines.joined(lines)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of the running sightings."""
        return tuple(self._watched)

    def deltas(self, numbers: Iterable[int]) -> list[tuple[int, Profile]]:
        """What is new in the profiles of these sightings, those that still run, since the last call."""
        found = ((number, self._watched[number].profile.delta()) for number in numbers if number in self._watched)
        return [(number, delta) for number, delta in found if delta is not None]

    def totals(self, now: Moment, numbers: Collection[int] | None = None) -> dict[int, Totals]:
        """What running sightings (of these `numbers`, or all) used so far, by number."""
        wanted = self._watched.keys() if numbers is None else self._watched.keys() & numbers
        return {number: self._watched[number].totals(now.boottime_ns) for number in wanted}

    def close(self) -> None:
        """Give all descriptors back."""
        for _, one in self._by_name.values():
            one.handle.close()
        self._remainders.close()
        self._reads.close()

    @property
    def cgroups(self) -> int:
        """How many cgroups are read at a tick."""
        return len(self._by_name)

    @property
    def profile_bytes(self) -> int:
        """What the flight recorder holds."""
        return self._recorder.size_bytes

    # --- reading

    def _read_all(self, tiers: frozenset[Tier], now: Moment) -> None:
        if self._bound is None:
            self._bound = self._bind_all()
        gone = self._reads.read(self._bound, tiers, now, self._rest)
        if gone:
            self._bury(gone, now)

    def _stand(self) -> Standing:
        if self._standing is None:
            self._standing = Standing(self._watched.values())
        return self._standing

    def _regroup(self) -> None:
        """A sighting or a cgroup came, went or changed: whatever lists them is made anew."""
        self._bound = self._standing = None

    def _bind_all(self) -> Bound:
        """All cgroups, with rests in between; none between a job and its steps, which are compared."""
        pairs: list[Pair] = []
        ends = [0]
        for watched in self._watched.values():
            if len(pairs) - ends[-1] >= READ_IN_ONE_GO:
                ends.append(len(pairs))
            pairs += [(watched, one) for one in watched.living()]
        return self._reads.bind(pairs, [*ends[1:], len(pairs)])

    def _look(self, sightings: Iterable[Watched], now: Moment) -> None:
        """Read a few sightings now, each with its steps at one time."""
        pairs = [(watched, one) for watched in sightings for one in watched.living()]
        if not pairs:
            return
        self._reads.read_pressure()
        gone = self._reads.read(self._reads.bind(pairs), FULL_TICK, now)
        # After the reading, which belongs to `now`: what is opened here is read at the next look.
        self._reads.complete(one for _, one in pairs)
        if gone:
            self._bury(gone, now)
        else:
            self._balance((one for _, one in pairs), now)

    def _first_look(self, watched: Watched, one: Cgroup, now: Moment) -> None:
        self._by_name[one.name] = (watched, one)
        self._regroup()
        if one.born_ns is not None:
            self.schedule.born(watched.number, now.boottime_ns)
        self._look([watched], now)
        self._remainders.settle_births(one.name, now.boottime_ns)
        self._record_departures(now)

    def _balance(self, cgroups: Iterable[Cgroup], now: Moment) -> None:
        for one in cgroups:
            self._remainders.balance(one.name)
        self._record_departures(now)

    def _revise_some(self, now: Moment) -> None:
        """What changes late in those that are no longer young is rare (a controller switched on, a process outside of
        any step): a few of them at a time."""
        if now.boottime_ns - self._revised_ns < REVISE_EVERY_NS:
            return
        self._revised_ns = now.boottime_ns
        every = list(self._by_name.values())
        begin = self._revised if self._revised < len(every) else 0
        self._revised = begin + REVISED_IN_ONE_GO
        some = [one for _, one in every[begin : self._revised]]
        self._reads.complete(some)
        self._balance(some, now)

    # --- births and deaths

    def _new_sighting(self, order: JobOrder, now: Moment) -> Watched:
        bins = BINS_PER_INTERVAL if order.newborn and self._settings.interval_s >= 1 else 1
        width_s = self._settings.interval_s / bins
        profile = self._recorder.start(order.number, now.wall_ns, now.boottime_ns, width_s)
        if order.newborn:
            profile.begin(now.boottime_ns)
        return Watched(
            number=order.number,
            job_id=order.job_id,
            slot=order.slot,
            account=Account(from_zero=order.from_zero),
            process_account=Account(from_zero=order.newborn),
            profile=profile,
            points={tier: Points(tier, from_zero=order.newborn) for tier in Tier},
            earlier_steps={step.step: step for step in order.earlier_steps},
        )

    def _take_over(self, name: str, now: Moment) -> None:
        """A cgroup that outlived its run is another run's from now on; what was used so far is the first one's."""
        watched, _ = self._by_name.get(name, (None, None))
        if watched is not None:
            self._look([watched], now)
            self._bury([name], now)

    def _bury(self, names: Iterable[str], now: Moment) -> None:
        wanted = list(names)
        self._remainders.bury(wanted, now.boottime_ns)
        self._record_departures(now, wanted)

    def _record_departures(self, now: Moment, names: Iterable[str] = ()) -> None:
        """Whoever was found dead, and those of `names` of which nobody can tell what they used, is read no more."""
        for name, departure in (dict.fromkeys(names) | self._remainders.departures()).items():
            watched, one = self._by_name.pop(name, (None, None))
            if watched is None or one is None:
                continue
            self._regroup()
            one.handle.close()
            one.bury(departure, now.boottime_ns)
            if one is not watched.job:
                watched.note_end_of_step(now.boottime_ns)
            else:
                self._reads.follow(watched, Source.CGROUP, one.account, _REST_MASK, now)

    def _forget(self, watched: Watched, now: Moment) -> None:
        del self._watched[watched.number]
        self._regroup()
        self._recorder.stop(watched.number)
        self.schedule.forget(watched.number)
        self._bury([name for name, (owner, _) in self._by_name.items() if owner is watched], now)
