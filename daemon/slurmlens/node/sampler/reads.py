"""How watched cgroups are read: in one call for many, into accounts and profiles, with what no cgroup tells beside it.

Owns the node's pressure, the knowledge whether processes may be looked at, and how long a pause may be before it is a
gap. A cgroup that cannot be opened or read fails alone and is counted; what has gone is answered by name. Used by
`engine`, in its thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from slurmlens.cgroup.layout import Hierarchy
from slurmlens.cgroup.reader import FULL_TICK, CgroupReader, OpenCgroup
from slurmlens.cgroup.reading import Reading
from slurmlens.cgroup.tick import TickBatch, TickMember
from slurmlens.clock import NS_PER_S, Moment
from slurmlens.errors import ReaderError
from slurmlens.metrics import Source, Tier
from slurmlens.node.sampler.accounts import Account
from slurmlens.node.sampler.orders import EngineSettings
from slurmlens.node.sampler.process_io import PROCESS_IO_FORBIDDEN, ProcessIo
from slurmlens.node.sampler.remainder_reads import was_there
from slurmlens.node.sampler.rest import NO_REST, Rest
from slurmlens.node.sampler.schedule import Schedule
from slurmlens.node.sampler.watched import Cgroup, Watched

GAP_INTERVALS = 2.5
"""A pause longer than this many intervals is a gap in a profile, not a long reading."""

Pair = tuple[Watched, Cgroup]
"""A cgroup and the sighting that it is of."""


class Bound:
    """Cgroups that are read together, bound to their buffers; `ends` as in `ReadingBatch`."""

    __slots__ = ("batch", "pairs")

    def __init__(self, reader: CgroupReader, pairs: list[Pair], ends: Sequence[int]) -> None:
        self.pairs = pairs
        self.batch = TickBatch(reader, [_member(watched, one) for watched, one in pairs], ends)


class Reads:
    """Everything that touches counters, but for births and deaths (`remainder_reads`)."""

    def __init__(
        self,
        settings: EngineSettings,
        reader: CgroupReader,
        schedule: Schedule,
        on_failure: Callable[[str, Exception | None], None],
    ) -> None:
        self._slow_every = settings.slow_every
        self._reader = reader
        self._schedule = schedule
        self._on_failure = on_failure
        self._may_see_processes: bool | None = None
        pressure = self.open(lambda: reader.open_node_pressure(settings.proc_root))
        self._node_pressure = None if pressure is None else reader.batch([pressure])

    @property
    def pressure(self) -> Reading | None:
        """The node's, as it was read last."""
        return None if self._node_pressure is None else self._node_pressure.reading(0)

    def open(self, opener: Callable[[], OpenCgroup]) -> OpenCgroup | None:
        """What `opener` opens; None where the process is out of descriptors or memory."""
        try:
            return opener()
        except ReaderError as error:
            self._on_failure(error.reason, error)
            return None

    def complete(self, cgroups: Iterable[Cgroup]) -> None:
        """Open what has appeared since they were opened."""
        for one in cgroups:
            before = one.handle.fields
            try:
                if one.handle.complete() and one.place.hierarchy is Hierarchy.V2 and before:
                    one.late |= one.handle.fields - before
            except ReaderError as error:
                self._on_failure(error.reason, error)

    def is_empty(self, one: Cgroup) -> bool:
        """Whether no process is in a v2 cgroup nor below it (`populated 0` in its `cgroup.events`); v1 does not say."""
        try:
            return "populated 0" in (one.place.cpu / "cgroup.events").read_text("ascii", "replace")
        except OSError:
            return False

    def close(self) -> None:
        """Give the node's own descriptors back."""
        if self._node_pressure is not None:
            self._node_pressure.cgroups[0].close()

    def bind(self, pairs: list[Pair], ends: Sequence[int] = ()) -> Bound:
        """Bind cgroups together that are to be read at one time, with rests at `ends`."""
        return Bound(self._reader, pairs, ends)

    def read_pressure(self) -> None:
        """The node's pressure; what is read after it takes it along."""
        if self._node_pressure is not None:
            self._node_pressure.read(FULL_TICK)

    def read(self, bound: Bound, tiers: frozenset[Tier], now: Moment, rest: Rest = NO_REST) -> list[str]:
        """Read, and take what was read: one pass in C over all. Only what is odd or slow is looked at one by one.

        Answers with the names of those that have gone.
        """
        bound.batch.read(tiers, busy_ns=rest.busy_ns, rest_ns=rest.length_ns)
        gap_ns = self._gap_ns()
        errors = bound.batch.take(now.boottime_ns, gap_ns, gap_ns * self._slow_every, self._node_pressure)
        if Tier.SLOW in tiers:
            self._read_beside(bound.pairs, now)
        return self._look_at_errors(bound) if errors else []

    def follow(self, watched: Watched, source: Source, account: Account, have: int, now: Moment) -> None:
        """Carry a reading into the profile; fields of the slow tier may pause for longer before it is a gap."""
        gap_ns = self._gap_ns()
        watched.profile.follow(source, account, have, now.boottime_ns, gap_ns, gap_ns * self._slow_every)

    def _look_at_errors(self, bound: Bound) -> list[str]:
        """Counts what could not be read; the names of those that have gone."""
        gone: list[str] = []
        for index, (_, one) in enumerate(bound.pairs):
            if not bound.batch.records[index].error:
                continue
            reading = bound.batch.reading(index)
            if reading.gone and was_there(one.handle):
                gone.append(one.name)
            elif not reading.gone and reading.reason is not None:
                self._on_failure(reading.reason, None)
        return gone

    def _read_beside(self, pairs: list[Pair], now: Moment) -> None:
        """What cgroups do not tell: their processes' I/O.

        A daemon that is refused at the first process it looks at lacks the right, and asks no more: the walk is dear.
        """
        if self._may_see_processes is False:
            return
        for watched, one in pairs:
            if one.io is not None and one is watched.job and not watched.refused and watched.lacks_io:
                self._read_processes(watched, one.io, now)

    def _read_processes(self, watched: Watched, io: ProcessIo, now: Moment) -> None:
        try:
            moved = io.read()
        except ReaderError:
            # One that may not be seen makes the whole sum unavailable, what was seen before included.
            watched.refused = True
            self._may_see_processes = self._may_see_processes or False
            watched.process_account.forget()
            self._on_failure(PROCESS_IO_FORBIDDEN, None)
            return
        if moved is not None:
            self._may_see_processes = True
            watched.process_account.take(moved, now.boottime_ns)
            self.follow(watched, Source.PROCESSES, watched.process_account, moved.have, now)

    def _gap_ns(self) -> int:
        return round(GAP_INTERVALS * self._schedule.interval_s * NS_PER_S)


def _member(watched: Watched, one: Cgroup) -> TickMember:
    """Where a cgroup's readings go: a step's into its account, a job's into its profile and the node's account too."""
    if one is not watched.job:
        counts_for_job = one.place.hierarchy is Hierarchy.V1
        return TickMember(
            one.handle, one.account.record, job_account=watched.account.record if counts_for_job else None
        )
    return TickMember(one.handle, one.account.record, watched.profile.record, watched.node_account.record)
