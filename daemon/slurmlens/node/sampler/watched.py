"""One sighting as the sampler sees it: its accounts, its steps, its profile, and the totals they add up to.

Owns what is known of how each figure came about: `events.FigureSource` and completeness. A figure that stands on
nothing is None. Made and fed by `engine`; its totals end in `events.JobSummary`.
"""

from __future__ import annotations

import msgspec

from slurmlens.cgroup.layout import CgroupPlace, Hierarchy
from slurmlens.cgroup.reader import OpenCgroup
from slurmlens.clock import NS_PER_S
from slurmlens.events import Figure, FigureSource, StepTotals, Totals
from slurmlens.metrics import Source, Tier
from slurmlens.node.sampler.accounts import Account
from slurmlens.node.sampler.parent_remainder import KILLED, REMAINDER_FIELDS, Departure
from slurmlens.node.sampler.points import Points
from slurmlens.node.sampler.process_io import ProcessIo
from slurmlens.node.sampler.recorder import ProfileBins

UNSEEN_TAIL = 0.1
"""A counter is complete where what came after the last reading is at most this share of the job's life."""

EXTERN = "extern"
"""Slurm's own step, which is there from the job's begin to its end and holds a sleeping process."""

_US_PER_S = 1e6


class Cgroup(msgspec.Struct, kw_only=True):
    """One watched cgroup: a job's or a step's. `name` is the registry's; `gone_ns` when it was found gone.

    `emptied_ns` is when it was read with nobody left in it that could still use memory: a peak read then is its peak.
    """

    name: str
    place: CgroupPlace
    handle: OpenCgroup
    account: Account
    born_ns: int | None
    read_ns: int = 0
    emptied_ns: int | None = None
    late: frozenset[str] = frozenset()
    """Fields whose controller was switched on (v2) after the cgroup was made: they count from then on alone."""
    gone_ns: int | None = None
    departure: Departure | None = None
    io: ProcessIo | None = None

    def bury(self, departure: Departure | None, now_ns: int) -> None:
        """It is gone; what its parent has on record for it is its last word."""
        self.gone_ns = now_ns
        self.departure = departure
        if departure is not None:
            for name, counted in zip(REMAINDER_FIELDS, departure.counters, strict=True):
                if counted is not None:
                    self.account.correct(name, counted)

    def source(self) -> tuple[FigureSource, bool]:
        """How its CPU seconds came about, and whether they are complete."""
        if self.departure is None:
            return FigureSource.LAST_SAMPLE, self.gone_ns is None
        return self.departure.source, self.departure.source is not FigureSource.LAST_SAMPLE

    def kills(self) -> int | None:
        """Its OOM kills. Where its end went unseen they are unknown, but for those that had been seen before."""
        seen = self.account.total(KILLED)
        if self.gone_ns is None:
            return seen
        known = self.departure is not None and self.departure.counters[REMAINDER_FIELDS.index(KILLED)] is not None
        return seen if known else seen or None


class Watched(msgspec.Struct, kw_only=True):
    """One sighting. `job` is its cgroup while there is one (and the last one after that)."""

    number: int
    job_id: int
    slot: int | None
    account: Account
    profile: ProfileBins
    points: dict[Tier, Points]
    process_account: Account = msgspec.field(default_factory=Account)
    node_account: Account = msgspec.field(default_factory=lambda: Account(from_zero=False))
    job: Cgroup | None = None
    steps: dict[str, Cgroup] = msgspec.field(default_factory=dict)
    earlier_steps: dict[str, StepTotals] = msgspec.field(default_factory=dict)
    """What steps had used when an earlier daemon looked last."""
    silent: set[Tier] = msgspec.field(default_factory=set)
    """Tiers whose last point has been made."""
    refused: bool = False
    """The daemon may not look at this job's processes."""

    @property
    def lacks_pressure(self) -> bool:
        """The cgroup tells no pressure: the node's stands in, under its own name."""
        return self.account.total("pressure_cpu_some_us") is None

    @property
    def is_gone(self) -> bool:
        return self.job is None or self.job.gone_ns is not None

    def note_end_of_step(self, now_ns: int) -> None:
        """A step is over, or empty: the job's reading of the same moment is its last word where no step is left."""
        if self.job is None or self.job.gone_ns is not None or self.account.last_ns != now_ns:
            return
        steps = [step for name, step in self.steps.items() if name != EXTERN] or list(self.steps.values())
        if steps and all(step.gone_ns is not None or step.emptied_ns is not None for step in steps):
            self.job.emptied_ns = now_ns

    @property
    def lacks_io(self) -> bool:
        return self.account.total("io_read_bytes") is None

    def accounts(self) -> dict[Source, Account]:
        """What points are made from."""
        found = {Source.CGROUP: self.account}
        if self.process_account.samples:
            found[Source.PROCESSES] = self.process_account
        if self.lacks_pressure and self.node_account.samples:
            found[Source.NODE] = self.node_account
        return found

    def living(self) -> list[Cgroup]:
        """The cgroups that can be read: the job's first, then its steps'."""
        every = [self.job, *self.steps.values()] if self.job else list(self.steps.values())
        return [one for one in every if one.gone_ns is None]

    @property
    def has_fallen_counters(self) -> bool:
        """Whether a counter of the job or of a step was ever smaller than before, within one life of the cgroup."""
        return any(account.falls for account in (self.account, *(step.account for step in self.steps.values())))

    def totals(self, now_ns: int) -> Totals:
        """Everything this sighting used, each figure with what it is worth."""
        account = self.account
        return Totals(
            samples=account.samples,
            cpu_s=_cpu(account, "cpu_usage_ns", self.job),
            cpu_user_s=_cpu(account, "cpu_user_ns", self.job),
            cpu_system_s=_cpu(account, "cpu_system_ns", self.job),
            cpu_throttled_s=_sampled(account, "cpu_throttled_ns", NS_PER_S, self.job, now_ns),
            memory_peak_bytes=_memory_peak(account, self.job, now_ns),
            memory_limit_bytes=account.current("memory_limit_bytes"),
            oom_kills=self._oom_kills(),
            pids_peak=_first_known(account.highest("pids_peak"), account.highest("pids_current")),
            io_read_bytes=self._io("io_read_bytes", now_ns),
            io_written_bytes=self._io("io_written_bytes", now_ns),
            pressure_cpu_some_s=self._pressure("pressure_cpu_some_us", now_ns),
            pressure_memory_some_s=self._pressure("pressure_memory_some_us", now_ns),
            pressure_io_some_s=self._pressure("pressure_io_some_us", now_ns),
            steps=self._steps(now_ns),
        )

    def _steps(self, now_ns: int) -> tuple[StepTotals, ...]:
        """All that there were, those that an earlier daemon saw end among them."""
        told = {name: _step(name, step, now_ns) for name, step in self.steps.items()}
        for name, earlier in self.earlier_steps.items():
            told[name] = _carried_on(earlier, told[name]) if name in told else earlier
        return tuple(told[name] for name in sorted(told))

    def _oom_kills(self) -> int | None:
        """The job's; on v1 its steps' readings have added it up, and what lacks a step is no sum: 0 of those that were
        seen is not known to be 0."""
        if self.job is not None and self.job.place.hierarchy is Hierarchy.V2:
            return self.job.kills()
        of_steps = [step.kills() for step in self.steps.values() if step.account.samples]
        of_steps += [one.oom_kills for name, one in self.earlier_steps.items() if name not in self.steps]
        seen = sum(kills for kills in of_steps if kills)
        return seen or None if None in of_steps or not of_steps else seen

    def _io(self, name: str, now_ns: int) -> Figure | None:
        own = _sampled(self.account, name, 1, self.job, now_ns)
        if own is not None and self.job is not None:
            return msgspec.structs.replace(own, complete=own.complete and name not in self.job.late)
        seen = self.process_account.total(name)
        return None if seen is None else Figure(value=seen, source=FigureSource.PROCESSES, complete=False)

    def _pressure(self, name: str, now_ns: int) -> Figure | None:
        own = _sampled(self.account, name, _US_PER_S, self.job, now_ns)
        if own is not None:
            return own
        grown = self.node_account.total(name)
        return None if grown is None else Figure(value=grown / _US_PER_S, source=FigureSource.NODE)


def _step(name: str, step: Cgroup, now_ns: int) -> StepTotals:
    return StepTotals(
        step=name,
        samples=step.account.samples,
        cpu_s=_cpu(step.account, "cpu_usage_ns", step),
        memory_peak_bytes=_memory_peak(step.account, step, now_ns),
        oom_kills=step.kills(),
    )


def _carried_on(earlier: StepTotals, now: StepTotals) -> StepTotals:
    """A step that an earlier daemon watched, too: counters go on in the kernel, what was seen of it remains seen."""
    peak = max(
        (one for one in (now.memory_peak_bytes, earlier.memory_peak_bytes) if one is not None),
        key=lambda figure: figure.value,
        default=None,
    )
    return msgspec.structs.replace(
        now,
        samples=earlier.samples + now.samples,
        memory_peak_bytes=peak,
        oom_kills=_first_known(now.oom_kills, earlier.oom_kills),
    )


def _cpu(account: Account, name: str, cgroup: Cgroup | None) -> Figure | None:
    total = account.total(name)
    if total is None or cgroup is None:
        return None
    source, complete = cgroup.source()
    return Figure(value=total / NS_PER_S, source=source, complete=complete)


def _sampled(account: Account, name: str, scale: float, cgroup: Cgroup | None, now_ns: int) -> Figure | None:
    total = account.total(name)
    if total is None:
        return None
    return Figure(
        value=total / scale, source=FigureSource.LAST_SAMPLE, complete=_tail_was_short(account, cgroup, now_ns)
    )


def _memory_peak(account: Account, cgroup: Cgroup | None, now_ns: int) -> Figure | None:
    """The kernel's own high-water mark where it keeps one, else the highest reading. It is complete only where it was
    read after the last process had gone: memory can rise tenfold in the last second."""
    kept = account.highest("memory_peak_bytes")
    value = _first_known(kept, account.highest("memory_current_bytes"))
    if value is None:
        return None
    is_last_word = cgroup is not None and (cgroup.gone_ns is None or cgroup.emptied_ns is not None)
    return Figure(value=value, source=FigureSource.LAST_SAMPLE, complete=kept is not None and is_last_word)


def _tail_was_short(account: Account, cgroup: Cgroup | None, now_ns: int) -> bool:
    """Whether little enough happened after the last reading to call a figure from it complete."""
    if cgroup is None:
        return False
    end_ns = now_ns if cgroup.gone_ns is None else cgroup.gone_ns
    begin_ns = account.first_ns if cgroup.born_ns is None else cgroup.born_ns
    return end_ns - account.last_ns <= UNSEEN_TAIL * (end_ns - begin_ns)


def _first_known(first: int | None, second: int | None) -> int | None:
    return second if first is None else first
