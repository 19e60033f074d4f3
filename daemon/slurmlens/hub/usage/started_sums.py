"""What a run adds to the sums over runs by when they started: its wait, its kind, its user's habits, his bursts. Pure.

Owns those parts of a charge and the rounding of waits. Invariant: a part depends on the charge alone, so that sums can
be kept up by adding what a changed charge gives and taking away what it gave before; a stretch of time is then the sum
of its pieces. Of runs that go on waits and bursts alone know. Fed with charges by `started_keeping`; `started` and
`waits` count the same of the ledger where no sums are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from slurmlens.hub.usage.charges import RunCharge
from slurmlens.slurm.records import ENDED_UNWELL

BURST_S = 600
SHORT_S = 60
IDLE_SHARE = 20
"""A run that used less than one part in so many of its cores' time held them idle."""
EXACT_WAIT_S = 64
"""Waits shorter than this are kept to the second."""
WAIT_STEPS = 16
"""Longer ones in so many equal steps from each power of two to the next: to one part in 32 at most."""
FAILED = frozenset(state.value for state in ENDED_UNWELL)


StartedPart = tuple[tuple[str | int, ...], tuple[int, ...]]
"""The key of a row (cluster and time come to it), and what a run adds to that of the time when it started."""
StartedParts = Callable[[RunCharge], Iterable[StartedPart]]


def rounded_wait_s(wait_s: int) -> int:
    """The middle of the step in which a wait lies; at most one part in 32 from it, nothing below `EXACT_WAIT_S`.

    >>> [rounded_wait_s(one) for one in (0, 63, 64, 67, 1_000, 86_400)]
    [0, 63, 66, 66, 1008, 88064]
    """
    if wait_s < EXACT_WAIT_S:
        return wait_s
    step_s = (1 << (wait_s.bit_length() - 1)) // WAIT_STEPS
    return wait_s // step_s * step_s + step_s // 2


def wait_parts(charge: RunCharge) -> tuple[StartedPart, ...]:
    """One for each dimension: of whom, how large and how long it waited; the run, and its wait in seconds."""
    whose, size_class, wait_s, sums = charge.key, charge.size_class, rounded_wait_s(charge.wait_s), (1, charge.wait_s)
    return (
        (("partition", whose.partition, size_class, wait_s), sums),
        (("user", whose.user, size_class, wait_s), sums),
        (("account", whose.account, size_class, wait_s), sums),
        (("qos", whose.qos, size_class, wait_s), sums),
    )


def job_type_parts(charge: RunCharge) -> tuple[StartedPart, ...]:
    """Of a run that is over: its kind, size and user; the run, its core-seconds, whether it failed."""
    if charge.is_open:
        return ()
    core_s = charge.core_count * (charge.end_s - charge.start_s)
    key = charge.job_type, charge.size_class, charge.key.user
    return ((key, (1, core_s, int(charge.key.state in FAILED))),)


def habit_parts(charge: RunCharge) -> tuple[StartedPart, ...]:
    """Of a run that is over: its user, and the sums of `facts.UserHabits` in their order."""
    if charge.is_open:
        return ()
    held_s = charge.end_s - charge.start_s
    core_s = charge.core_count * held_s
    is_measured, has_peak, has_limit = charge.cpu_ms > 0, charge.peak_mib > 0, charge.limit_s is not None
    sums = (
        1,
        int(charge.key.state in FAILED),
        int(held_s < SHORT_S),
        core_s,
        core_s if is_measured else 0,
        charge.cpu_ms,
        core_s if is_measured and charge.cpu_ms * IDLE_SHARE < core_s * 1000 else 0,
        charge.memory_mib * held_s if has_peak else 0,
        charge.peak_mib * held_s if has_peak else 0,
        charge.core_count * (charge.limit_s or 0),
        core_s if has_limit else 0,
    )
    return (((charge.key.user,), sums),)


def burst_parts(charge: RunCharge) -> tuple[StartedPart, ...]:
    """Whose run was submitted in which ten minutes."""
    if charge.submit_s is None:
        return ()
    return (((charge.key.user, charge.submit_s // BURST_S * BURST_S), (1,)),)
