"""What a run costs, second by second: the ledger's entry of one run, and the part of it in any span. Pure.

Owns `RunCharge`, `UsageSums` and the one function that cuts a charge at a time. Invariant: a part is the difference of
two running totals in whole numbers, so that the parts of any division of a run's time add up to the run, to the second.
Fed by `keeping` with history's run and the scheduler's record; times are the scheduler's whole seconds where it has
them, as in accounting. Node-seconds count each node that a run has a part of as a whole; core-, GPU- and memory-seconds
are what was allocated, whether it was used or not; `suspended_core_s` is the part of them in which the run stood still.
"""

from __future__ import annotations

import operator
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import astuple

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history.conclude.run_extent import gpus_of, is_run_over, node_count_of
from slurmlens.slurm.records import JobRecord, JobState

HOUR_S = 3_600
DAY_S = 86_400
FOREVER_S = 253_402_300_799
"""`end_s` of a run that goes on: the last second of the year 9999."""
MOST_CPU_MS = 2**53
"""Of one run, 285 000 years of a core: a counter that went mad fits no column, and would stop the sums of all."""
MIB = 2**20
OPEN_SPAN = 63
"""`span_class` of a run that goes on."""
LONGEST_SPAN = 22
JOB_TYPE_LENGTH = 60
SIZE_CLASSES = ((1, "1 node"), (4, "2–4 nodes"), (16, "5–16 nodes"), (64, "17–64 nodes"), (2**31, "65 nodes and more"))
"""By their largest number of nodes."""
_MOST_NODES = [most for most, _ in SIZE_CLASSES]

_NUMBERS = re.compile(r"\d+")
Row = Mapping[str, Any]


class UsageSums(msgspec.Struct, frozen=True):
    """Sums over runs, or parts of runs, in a span of time. All are whole numbers.

    `started` and `ended` count the runs that did so within the span. `cpu_ms` is CPU time that was measured, spread
    evenly over a run; `gpu_seen_ms` is time in which GPUs told how busy they were, `gpu_busy_ms` how much of it they
    were, spread likewise; `peak_mib_s` is a run's largest use of memory times its seconds, an upper bound of what it
    used.
    """

    node_s: int = 0
    core_s: int = 0
    gpu_s: int = 0
    memory_mib_s: int = 0
    suspended_core_s: int = 0
    cpu_ms: int = 0
    peak_mib_s: int = 0
    started: int = 0
    ended: int = 0
    gpu_seen_ms: int = 0
    gpu_busy_ms: int = 0

    def __add__(self, other: UsageSums) -> UsageSums:
        return _of_values(map(operator.add, astuple(self), astuple(other)))

    def __sub__(self, other: UsageSums) -> UsageSums:
        return _of_values(map(operator.sub, astuple(self), astuple(other)))

    @property
    def is_nothing(self) -> bool:
        """Whether nothing at all is in it."""
        return not any(astuple(self))


SUM_NAMES = UsageSums.__struct_fields__


def summed(parts: Iterable[UsageSums]) -> UsageSums:
    """All of them together; of very many much sooner than one after the other."""
    return _of_values(map(sum, zip(*map(astuple, parts), strict=True)))


def _of_values(values: Iterable[int]) -> UsageSums:
    return UsageSums(*values)


class UsageKey(msgspec.Struct, frozen=True, order=True):
    """Whose usage: the values that the job had at its start; what is not known is empty. `state` is how the run ended,
    or that it goes on."""

    partition: str = ""
    user: str = ""
    account: str = ""
    qos: str = ""
    state: str = ""


DIMENSIONS = UsageKey.__struct_fields__


class RunCharge(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger's entry of one run that has begun; `end_s` is `FOREVER_S` while it goes on."""

    job_id: int
    run: int
    key: UsageKey
    start_s: int
    end_s: int
    wait_s: int = 0
    submit_s: int | None = None
    limit_s: int | None = None
    job_type: str = ""
    node_count: int = 0
    core_count: int = 0
    gpu_count: int = 0
    memory_mib: int = 0
    suspended_s: int = 0
    cpu_ms: int = 0
    gpu_seen_ms: int = 0
    gpu_busy_ms: int = 0
    peak_mib: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the run goes on."""
        return self.end_s == FOREVER_S

    @property
    def span_class(self) -> int:
        """The smallest c for which the run is shorter than 2^c hours: by it runs that overlap a span are found."""
        if self.is_open:
            return OPEN_SPAN
        return min(LONGEST_SPAN, ((self.end_s - self.start_s) // HOUR_S).bit_length())

    @property
    def size_class(self) -> int:
        """The place in `SIZE_CLASSES`."""
        return bisect_left(_MOST_NODES, self.node_count)


class GpuUse(NamedTuple):
    """What a run's nodes told of its GPUs, all together: time in which they told how busy they were, and the busy part
    of it."""

    seen_ms: int = 0
    busy_ms: int = 0


NO_GPU_USE = GpuUse()


def charge_of(
    row: Row, record: JobRecord | None, heard_s: int | None = None, gpus: GpuUse = NO_GPU_USE
) -> RunCharge | None:
    """The charge of a row of `runs` with the scheduler's record of it; None where it has not begun.

    `heard_s` is when the scheduler was last heard of it: the end of a run of which nobody knows more than that it is
    over.
    """
    start_s = _seconds(record.start_s if record else None, row["start_ns"])
    if start_s is None:
        return None
    state = JobState(row["state"])
    end_s = FOREVER_S
    if is_run_over(state, record, row["end_ns"]):
        told = _seconds(record.end_s if record else None, row["end_ns"])
        end_s = max(start_s, told if told is not None else (heard_s or start_s))
    lasted = end_s - start_s
    return RunCharge(
        job_id=row["job_id"],
        run=row["number"],
        key=UsageKey(
            partition=row["partition"] or "",
            user=row["user"] or "",
            account=row["account"] or "",
            qos=(record.qos if record else None) or "",
            state=state.value,
        ),
        start_s=start_s,
        end_s=end_s,
        wait_s=_wait_s(record, start_s),
        submit_s=record.submit_s if record else None,
        limit_s=record.time_limit_s if record else None,
        job_type=job_type(row["name"] or ""),
        node_count=node_count_of(record) or row["node_count"],
        core_count=(record.cpu_count if record else None) or 0,
        gpu_count=gpus_of(record) or 0,
        memory_mib=((record.memory_bytes if record else None) or 0) // MIB,
        suspended_s=min(lasted, (record.suspended_s if record else None) or 0),
        cpu_ms=min(MOST_CPU_MS, round((row["cpu_s"] or 0.0) * 1000)),
        gpu_seen_ms=min(MOST_CPU_MS, gpus.seen_ms),
        gpu_busy_ms=min(MOST_CPU_MS, gpus.seen_ms, gpus.busy_ms),
        peak_mib=round((row["memory_peak_bytes"] or 0.0) / MIB),
    )


def job_type(name: str) -> str:
    """What jobs of one kind are called alike: the name in small letters, each number in it as #.

    >>> job_type("CFD-run_0042.sh")
    'cfd-run_#.sh'
    """
    return _NUMBERS.sub("#", name.lower())[:JOB_TYPE_LENGTH]


def _seconds(told_s: int | None, seen_ns: int | None) -> int | None:
    if told_s is not None:
        return told_s
    return None if seen_ns is None else seen_ns // NS_PER_S


def _wait_s(record: JobRecord | None, start_s: int) -> int:
    """From when the scheduler might have started it, as sacct's Planned; from its submission where that is unknown."""
    if record is None:
        return 0
    since_s = record.eligible_s or record.submit_s or start_s
    return max(0, start_s - since_s)


def portion(charge: RunCharge, from_s: int, to_s: int) -> UsageSums:
    """The part of a charge within [from_s, to_s); of a run that goes on as if it ended at `to_s`."""
    end_s = min(charge.end_s, to_s)
    begin_s = max(charge.start_s, from_s)
    started = int(from_s <= charge.start_s < to_s)
    ended = int(not charge.is_open and from_s <= charge.end_s < to_s)
    seconds = max(0, end_s - begin_s)
    if not seconds:
        return UsageSums(started=started, ended=ended)
    return UsageSums(
        node_s=charge.node_count * seconds,
        core_s=charge.core_count * seconds,
        gpu_s=charge.gpu_count * seconds,
        memory_mib_s=charge.memory_mib * seconds,
        suspended_core_s=charge.core_count * _spread(charge, charge.suspended_s, begin_s, end_s),
        cpu_ms=_spread(charge, charge.cpu_ms, begin_s, end_s),
        gpu_seen_ms=_spread(charge, charge.gpu_seen_ms, begin_s, end_s),
        gpu_busy_ms=_spread(charge, charge.gpu_busy_ms, begin_s, end_s),
        peak_mib_s=charge.peak_mib * seconds,
        started=started,
        ended=ended,
    )


def _spread(charge: RunCharge, total: int, begin_s: int, end_s: int) -> int:
    """The part of a total that is spread evenly over a run; nothing while it goes on, for the total is not known."""
    if charge.is_open or not total:
        return 0
    lasted = charge.end_s - charge.start_s
    return total * (end_s - charge.start_s) // lasted - total * (begin_s - charge.start_s) // lasted


def hourly(charge: RunCharge) -> Iterator[tuple[int, UsageSums]]:
    """The parts of a run that is over by hours (of UTC, by their first second), those with nothing left out."""
    if charge.is_open:
        return
    for hour_s in range(charge.start_s // HOUR_S * HOUR_S, charge.end_s + 1, HOUR_S):
        part = portion(charge, hour_s, hour_s + HOUR_S)
        if not part.is_nothing:
            yield hour_s, part
