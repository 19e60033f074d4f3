"""The sampler's work, without its thread: reads what is due, keeps the accounts, makes points, sums up.

Owns the open cgroups and everything known of the watched sightings. Called by one thread alone (`worker`); told the
time. Invariants: one call into the C reader per tick, whatever the number of jobs; a cgroup that cannot be opened or
read fails alone and is counted; what died is settled with its parents at once. Fed through `worker` by the pipeline
with the registry's instructions; gives carbon lines, profiles and totals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from slurmlens.cgroup.layout import CgroupPlace
from slurmlens.cgroup.reader import FAST_TICK, FULL_TICK, CgroupReader, OpenCgroup
from slurmlens.cgroup.reading import field_mask
from slurmlens.cgroup.tally import Member, TallyBatch
from slurmlens.clock import NS_PER_S
from slurmlens.errors import ReaderError
from slurmlens.events import Profile, Totals
from slurmlens.metrics import Source, Tier
from slurmlens.node.sampler.accounts import Account
from slurmlens.node.sampler.families import Families, was_there
from slurmlens.node.sampler.kinship import REST_FIELDS, Departure
from slurmlens.node.sampler.lines import SlotLines
from slurmlens.node.sampler.node_figures import NodeFigures
from slurmlens.node.sampler.points import Lines, Points
from slurmlens.node.sampler.process_io import ProcessIo
from slurmlens.node.sampler.recorder import Recorder
from slurmlens.node.sampler.schedule import Due, Now, Schedule
from slurmlens.node.sampler.watched import Cgroup, Watched

GAP_INTERVALS = 2.5
"""A pause longer than this many intervals is a gap in a profile, not a long reading."""

BINS_PER_INTERVAL = 4
"""How much finer than the regular interval a young job's profile is."""

READ_IN_ONE_GO = 10
"""So many cgroups are some 70 reads: half a millisecond at most at a full tick; then somebody else may want the CPU."""

REVISED_AT_A_TICK = 16
"""How many cgroups a slow tick looks through for what appeared late."""

_REST_MASK = field_mask(REST_FIELDS)


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine must be told; the names are those of `config.node`."""

    cluster: str
    node: str
    proc_root: Path
    interval_s: float
    slow_every: int
    slots: int
    max_points: int
    memory_limit_bytes: int
    budget_share: float = 0.02


class JobOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A job's cgroup that is to be watched.

    `newborn`: it appeared before our eyes, so its time zero is now. `from_zero`: its counters began with this run.
    """

    number: int
    job_id: int
    slot: int | None
    name: str
    place: CgroupPlace
    parent: CgroupPlace
    newborn: bool
    from_zero: bool = True


class StepOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A step's cgroup that is to be watched, inside its job's."""

    number: int
    name: str
    step: str
    place: CgroupPlace
    newborn: bool


class Finished(msgspec.Struct, frozen=True):
    """A sighting's last word."""

    totals: Totals
    profile: Profile | None
    lines: Lines


class Engine:
    """All watched sightings of a node. `on_failure` gets a bounded reason for everything that fails alone; `rest` is
    called between two parts of a tick, so that none of them holds a CPU for long."""

    def __init__(
        self,
        settings: EngineSettings,
        reader: CgroupReader,
        now: Now,
        on_failure: Callable[[str, Exception | None], None],
        rest: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._rest = rest
        self._reader = reader
        self._on_failure = on_failure
        self.schedule = Schedule(settings.interval_s, settings.slow_every, settings.budget_share, now)
        width_s = settings.interval_s / BINS_PER_INTERVAL if settings.interval_s >= 1 else settings.interval_s
        self._recorder = Recorder(width_s, settings.max_points, settings.memory_limit_bytes)
        self._families = Families(reader, on_failure)
        self._lines = SlotLines(
            settings.cluster, settings.node, settings.slots, settings.interval_s, settings.slow_every
        )
        self._watched: dict[int, Watched] = {}
        self._by_name: dict[str, tuple[Watched, Cgroup]] = {}
        self._parts: list[tuple[list[tuple[Watched, Cgroup]], TallyBatch]] | None = None
        self._revised = 0
        self._may_see_processes: bool | None = None
        pressure = self._open(lambda: reader.open_node_pressure(settings.proc_root))
        self._node_pressure = None if pressure is None else reader.batch([pressure])
        self._node_figures = NodeFigures(settings.proc_root, settings.cluster, settings.node, settings.interval_s)

    # --- orders

    def watch(self, order: JobOrder, now: Now) -> None:
        """Begin to sample a job's cgroup, and look at it at once: it may live for less than half a second."""
        watched = self._watched.get(order.number)
        if watched is None:
            watched = self._watched[order.number] = self._new_sighting(order, now)
        elif watched.job is not None:
            self.unwatch(watched.job.name, now)
            watched.account.renew()
            watched.silent.clear()
        handle = self._open(lambda: self._reader.open_job(order.place))
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
        self._families.adopt_job(order.name, watched.job, order.parent, now.boottime_ns, newborn=order.newborn)
        self._first_look(watched, watched.job, now)

    def watch_step(self, order: StepOrder, now: Now) -> None:
        """Begin to sample a step's cgroup."""
        watched = self._watched.get(order.number)
        if watched is None or watched.job is None or watched.is_gone:
            return
        handle = self._open(lambda: self._reader.open_step(order.place))
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
        self._families.adopt_step(order.name, step, watched.job.name, now.boottime_ns, newborn=order.newborn)
        self._first_look(watched, step, now)

    def unwatch(self, name: str, now: Now) -> None:
        """A job's or step's cgroup was removed."""
        if name in self._by_name:
            self._bury([name], now)

    def finish(self, number: int, now: Now) -> Finished | None:
        """Stop sampling and sum up; None for a sighting that never had a cgroup."""
        watched = self._watched.get(number)
        if watched is None:
            return None
        self._look([watched], now)
        totals = watched.totals(now.boottime_ns)
        for one in watched.living():
            one.gone_ns = now.boottime_ns
        finished = Finished(totals, watched.course.profile(), self._lines.last_word(watched, now.wall_ns))
        self._forget(watched, now)
        return finished

    def look_closely(self, job_id: int, interval_s: float, seconds: float, now: Now) -> bool:
        """Read one job more often for a while; whether it is here to be read."""
        numbers = [number for number, one in self._watched.items() if one.job_id == job_id and not one.is_gone]
        until_ns = now.boottime_ns + round(seconds * NS_PER_S)
        for number in numbers:
            self.schedule.look_closely(number, interval_s, now.boottime_ns, until_ns)
        return bool(numbers)

    # --- time

    def run(self, due: Due, now: Now) -> Lines:
        """Read what is due; the carbon lines of a regular tick."""
        if due.tick_ns is None:
            self._look([self._watched[number] for number in due.young if number in self._watched], now)
            return Lines()
        self._read_node_pressure()
        self._read_all(FULL_TICK if due.slow else FAST_TICK, now)
        lines = [self._lines.tick(self._watched.values(), Tier.FAST, due.tick_ns)]
        if due.slow:
            self._revise_some()
            self._recorder.keep_within_bound()
            lines.append(self._lines.tick(self._watched.values(), Tier.SLOW, due.tick_ns))
        if self._node_figures.is_due(due.tick_ns):
            pressure = None if self._node_pressure is None else self._node_pressure.reading(0)
            lines.append(self._node_figures.lines(pressure, due.tick_ns))
        return Lines.joined(lines)

    def deltas(self) -> list[tuple[int, Profile]]:
        """What is new in every running sighting's profile since the last call."""
        found = ((number, watched.course.delta()) for number, watched in self._watched.items())
        return [(number, delta) for number, delta in found if delta is not None]

    def totals(self, now: Now) -> dict[int, Totals]:
        """What every running sighting used so far, by its number."""
        return {number: watched.totals(now.boottime_ns) for number, watched in self._watched.items()}

    def close(self) -> None:
        """Give all descriptors back."""
        for _, one in self._by_name.values():
            one.handle.close()
        self._families.close()
        if self._node_pressure is not None:
            self._node_pressure.cgroups[0].close()

    @property
    def cgroups(self) -> int:
        """How many cgroups are read at a tick."""
        return len(self._by_name)

    @property
    def profile_bytes(self) -> int:
        """What the flight recorder holds."""
        return self._recorder.size_bytes

    # --- reading

    def _read_all(self, tiers: frozenset[Tier], now: Now) -> None:
        if self._parts is None:
            self._parts = [(pairs, self._tally_batch(pairs)) for pairs in self._in_parts()]
        gone: list[str] = []
        for pairs, batch in self._parts:
            gone += self._read(pairs, batch, tiers, now)
            self._rest()
        if gone:
            self._bury(gone, now)

    def _in_parts(self) -> list[list[tuple[Watched, Cgroup]]]:
        """All cgroups in parts that are read in one go; a job and its steps, which are compared, in the same."""
        parts: list[list[tuple[Watched, Cgroup]]] = [[]]
        for watched in self._watched.values():
            if len(parts[-1]) >= READ_IN_ONE_GO:
                parts.append([])
            parts[-1] += [(watched, one) for one in watched.living()]
        return parts

    def _look(self, sightings: Iterable[Watched], now: Now) -> None:
        """Read a few sightings now, each with its steps at one time."""
        pairs = [(watched, one) for watched in sightings for one in watched.living()]
        if not pairs:
            return
        self._read_node_pressure()
        gone = self._read(pairs, self._tally_batch(pairs), FULL_TICK, now)
        # After the reading, which belongs to `now`: what is opened here is read at the next look.
        self._complete(one for _, one in pairs)
        if gone:
            self._bury(gone, now)
        else:
            self._balance(one for _, one in pairs)

    def _first_look(self, watched: Watched, one: Cgroup, now: Now) -> None:
        self._by_name[one.name] = (watched, one)
        self._parts = None
        if one.born_ns is not None:
            self.schedule.born(watched.number, now.boottime_ns)
        self._look([watched], now)
        self._record_departures(self._families.settle_births(one.name, now.boottime_ns), now)

    def _tally_batch(self, pairs: list[tuple[Watched, Cgroup]]) -> TallyBatch:
        return TallyBatch(self._reader, [_member(watched, one) for watched, one in pairs])

    def _read(
        self, pairs: list[tuple[Watched, Cgroup]], batch: TallyBatch, tiers: frozenset[Tier], now: Now
    ) -> list[str]:
        """Read, and take what was read: one pass in C over all. Only what is odd or slow is looked at one by one.

        Answers with the names of those that have gone.
        """
        batch.read(tiers)
        gap_ns = self._gap_ns()
        errors = batch.tally(now.boottime_ns, gap_ns, gap_ns * self._settings.slow_every, self._node_pressure)
        if Tier.SLOW in tiers:
            self._read_beside(pairs, now)
        return self._look_at_errors(pairs, batch) if errors else []

    def _look_at_errors(self, pairs: list[tuple[Watched, Cgroup]], batch: TallyBatch) -> list[str]:
        """Counts what could not be read; the names of those that have gone."""
        gone: list[str] = []
        for (_, one), reading in zip(pairs, batch.readings(), strict=True):
            if reading.gone and was_there(one.handle):
                gone.append(one.name)
            elif not reading.gone and reading.reason is not None:
                self._on_failure(reading.reason, None)
        return gone

    def _read_beside(self, pairs: list[tuple[Watched, Cgroup]], now: Now) -> None:
        """What cgroups do not tell: their processes' I/O.

        A daemon that is refused at the first process it looks at lacks the right, and asks no more: the walk is dear.
        """
        if self._may_see_processes is False:
            return
        for watched, one in pairs:
            if one.io is not None and one is watched.job and not watched.refused and watched.lacks_io:
                self._read_processes(watched, one.io, now)

    def _read_processes(self, watched: Watched, io: ProcessIo, now: Now) -> None:
        try:
            moved = io.read()
        except ReaderError:
            # One that may not be seen makes the whole sum unavailable, what was seen before included.
            watched.refused = True
            self._may_see_processes = self._may_see_processes or False
            watched.process_account.forget()
            self._on_failure("process_io_forbidden", None)
            return
        if moved is not None:
            self._may_see_processes = True
            watched.process_account.take(moved, now.boottime_ns)
            self._follow(watched, Source.PROCESSES, watched.process_account, moved.have, now)

    def _follow(self, watched: Watched, source: Source, account: Account, have: int, now: Now) -> None:
        """Carry a reading into the profile; fields of the slow tier may pause for longer before it is a gap."""
        gap_ns = self._gap_ns()
        watched.course.follow(source, account, have, now.boottime_ns, gap_ns, gap_ns * self._settings.slow_every)

    def _gap_ns(self) -> int:
        return round(GAP_INTERVALS * self.schedule.interval_s * NS_PER_S)

    def _read_node_pressure(self) -> None:
        if self._node_pressure is not None:
            self._node_pressure.read(FULL_TICK)

    def _complete(self, cgroups: Iterable[Cgroup]) -> None:
        """Open what has appeared since they were opened."""
        for one in cgroups:
            try:
                one.handle.complete()
            except ReaderError as error:
                self._on_failure(error.reason, error)

    def _balance(self, cgroups: Iterable[Cgroup]) -> None:
        for one in cgroups:
            self._families.balance(one.name)

    def _revise_some(self) -> None:
        """What changes late in those that are no longer young is rare (a controller switched on, a process outside of
        any step): a few of them at a time."""
        every = list(self._by_name.values())
        begin = self._revised if self._revised < len(every) else 0
        self._revised = begin + REVISED_AT_A_TICK
        some = [one for _, one in every[begin : self._revised]]
        self._complete(some)
        self._balance(some)

    def _open(self, opener: Callable[[], OpenCgroup]) -> OpenCgroup | None:
        try:
            return opener()
        except ReaderError as error:
            self._on_failure(error.reason, error)
            return None

    # --- births and deaths

    def _new_sighting(self, order: JobOrder, now: Now) -> Watched:
        course = self._recorder.start(order.number, now.wall_ns, now.boottime_ns)
        if order.newborn:
            course.begin(now.boottime_ns)
        return Watched(
            number=order.number,
            job_id=order.job_id,
            slot=order.slot,
            account=Account(from_zero=order.from_zero),
            process_account=Account(from_zero=order.newborn),
            course=course,
            points={tier: Points(tier, from_zero=order.newborn) for tier in Tier},
        )

    def _bury(self, names: Iterable[str], now: Now) -> None:
        wanted = list(names)
        found = self._families.bury(wanted, now.boottime_ns)
        self._record_departures(dict.fromkeys(wanted) | found, now)

    def _record_departures(self, departures: Mapping[str, Departure | None], now: Now) -> None:
        for name, departure in departures.items():
            watched, one = self._by_name.pop(name, (None, None))
            if watched is None or one is None:
                continue
            self._parts = None
            one.handle.close()
            one.bury(departure, now.boottime_ns)
            if one is watched.job:
                self._follow(watched, Source.CGROUP, one.account, _REST_MASK, now)

    def _forget(self, watched: Watched, now: Now) -> None:
        del self._watched[watched.number]
        self._recorder.stop(watched.number)
        self.schedule.forget(watched.number)
        self._bury([name for name, (owner, _) in self._by_name.items() if owner is watched], now)


def _member(watched: Watched, one: Cgroup) -> Member:
    """Where a cgroup's readings go: of a step into its account, of a job into its course and the node's account too."""
    if one is not watched.job:
        return Member(one.handle, one.account.record)
    return Member(one.handle, one.account.record, watched.course.record, watched.node_account.record)
