"""The queue as carbon series under the names of 2015: jobs, nodes and CPUs that run or wait, by user, group and in all.

Owns the latest queue and whom it ever named. Points come at every whole interval, also between two questions to the
scheduler, for boards expect one in each; none come while the scheduler is silent. Invariants: whoever had jobs gets
zeros for `ZEROS_S` after the last of them, so that a stacked graph goes down instead of tearing; an array that waits as
one record counts as its tasks, and where its list of tasks was cut short there is no point rather than a wrong one.
Hears of the queue in `news`; feeds `delivery.points`. Wired in `pipeline`.
"""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.hub.history.conclude.run_extent import node_count_of
from slurmlens.hub.news import News, QueueReceived
from slurmlens.runtime.intervals import next_interval
from slurmlens.slurm.job_ids import waiting_task_count
from slurmlens.slurm.records import JobRecord, JobState
from slurmlens.wire import series_2015
from slurmlens.wire.series_2015 import Point

ZEROS_S = 3600
GROUPS_KEPT_S = 600
STATES = (JobState.RUNNING, JobState.PENDING)
TOTAL = ("total",)

Whose = tuple[str, ...]
"""("users", USER), ("groups", GROUP) or ("total",)."""


class QueueAmount(msgspec.Struct):
    """What the jobs of somebody in one state come to; `is_whole` is False where an array's tasks could not be
    counted.
    """

    jobs: int = 0
    nodes: int = 0
    cpus: int = 0
    is_whole: bool = True


def supplementary_groups(user: str) -> tuple[str, ...]:
    """The user's groups beside the primary one, as this host knows them; none where it does not know the user."""
    try:
        primary = pwd.getpwnam(user).pw_gid
    except KeyError:
        return ()
    return tuple(filter(None, (_group_name(number) for number in os.getgrouplist(user, primary) if number != primary)))


def _group_name(number: int) -> str | None:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return None


def amounts(
    records: Iterable[JobRecord], groups_of: Callable[[str], Sequence[str]]
) -> dict[tuple[Whose, JobState], QueueAmount]:
    """What runs and waits, by whom: a job counts once in all, for its user and for each group of that user."""
    found: dict[tuple[Whose, JobState], QueueAmount] = {}
    for record in records:
        if record.state not in STATES:
            continue
        counted = waiting_task_count(record.array_tasks) if record.state is JobState.PENDING else 1
        tasks = counted or 0
        for whose in _whose(record, groups_of):
            amount = found.setdefault((whose, record.state), QueueAmount())
            amount.is_whole &= counted is not None
            amount.jobs += tasks
            amount.nodes += tasks * (node_count_of(record) or 0)
            amount.cpus += tasks * (record.cpu_count or 0)
    return found


def _whose(record: JobRecord, groups_of: Callable[[str], Sequence[str]]) -> Iterator[Whose]:
    yield TOTAL
    if record.user is not None:
        yield "users", record.user
        groups = {*groups_of(record.user), *([record.group] if record.group else [])}
        for group in sorted(groups):
            yield "groups", group


class QueueSeries:
    """The stage; the queue comes by `news`. `silent_since_ns` answers None while the scheduler does."""

    def __init__(
        self,
        interval_s: float,
        write: Callable[[bytes, int], None],
        silent_since_ns: Callable[[], int | None],
        news: News,
        clock: Clock,
        *,
        groups_of: Callable[[str], Sequence[str]] = supplementary_groups,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval_ns = round(interval_s * NS_PER_S)
        self._write = write
        self._silent_since_ns = silent_since_ns
        self._clock = clock
        self._groups_of = groups_of
        self._sleep = sleep
        self._heard = news.subscribe(QueueReceived)
        self._queue: Sequence[JobRecord] | None = None
        self._counted: Sequence[JobRecord] | None = None
        self._amounts: dict[tuple[Whose, JobState], QueueAmount] = {}
        self._last_seen_ns: dict[Whose, int] = {TOTAL: 0}
        self._groups: dict[str, Sequence[str]] = {}
        self._groups_until_ns = 0

    async def run(self) -> None:
        """Points at every whole multiple of the interval, stamped with it."""
        while True:
            due_ns = await next_interval(self._interval_ns, self._clock, self._sleep)
            for fact in self._heard.take_all():
                if isinstance(fact, QueueReceived):
                    self._queue = fact.records
            if self._queue is None or self._silent_since_ns() is not None:
                continue
            if due_ns >= self._groups_until_ns:
                self._groups, self._groups_until_ns = {}, due_ns + GROUPS_KEPT_S * NS_PER_S
                self._counted = None
            if self._counted is not self._queue:
                # Asking for groups may go to a directory service, so it takes no time of the event loop's.
                self._counted = self._queue
                self._amounts = await asyncio.to_thread(amounts, self._counted, self._groups_kept)
            lines = series_2015.lines(self.points(self._amounts, due_ns), due_ns // NS_PER_S)
            self._write(b"".join(lines), len(lines))

    def _groups_kept(self, user: str) -> Sequence[str]:
        if user not in self._groups:
            self._groups[user] = self._groups_of(user)
        return self._groups[user]

    def points(self, found: dict[tuple[Whose, JobState], QueueAmount], now_ns: int) -> Iterator[Point]:
        """Of everybody that has jobs, and zeros of those that had some until lately."""
        self._last_seen_ns |= {whose: now_ns for whose, _ in found}
        self._last_seen_ns = {
            whose: seen_ns
            for whose, seen_ns in self._last_seen_ns.items()
            if whose == TOTAL or now_ns - seen_ns <= ZEROS_S * NS_PER_S
        }
        for whose in self._last_seen_ns:
            for state in STATES:
                amount = found.get((whose, state), QueueAmount())
                if amount.is_whole:
                    yield from series_2015.queue(whose, state.value, amount.jobs, amount.nodes, amount.cpus)
