"""The queue as series of 2015: who has how much running and waiting."""

from __future__ import annotations

import asyncio
import grp
import pwd
from itertools import pairwise

import pytest

from slurmlens.hub.news import News, QueueReceived
from slurmlens.hub.scheduler.queue_series import (
    GROUPS_KEPT_S,
    ZEROS_S,
    QueueAmount,
    QueueSeries,
    amounts,
    supplementary_groups,
)
from slurmlens.slurm.records import JobRecord, JobState, RecordSource
from testkit.manual_clock import ManualClock

NS_PER_S = 1_000_000_000
GROUPS = {"alice": ("clusers", "wheel")}


def job(state: JobState = JobState.RUNNING, **more: object) -> JobRecord:
    told = {"user": "alice", "node_count": 2, "cpu_count": 8, **more}
    return JobRecord(job_id=7, state=state, source=RecordSource.QUEUE, **told)  # type: ignore[arg-type]


def groups_of(user: str) -> tuple[str, ...]:
    return GROUPS.get(user, ())


def test_a_job_counts_for_its_user_for_each_group_and_once_in_all() -> None:
    found = amounts([job(), job(), job(JobState.PENDING, cpu_count=1, node_count=1)], groups_of)
    for whose in (("total",), ("users", "alice"), ("groups", "clusers"), ("groups", "wheel")):
        assert found[whose, JobState.RUNNING] == QueueAmount(2, 4, 16)
        assert found[whose, JobState.PENDING] == QueueAmount(1, 1, 1)


def test_the_group_that_the_scheduler_names_counts_as_well_and_never_twice() -> None:
    found = amounts([job(group="clusers"), job(user="eve", group="guests")], groups_of)
    assert found[("groups", "clusers"), JobState.RUNNING].jobs == 1
    assert found[("groups", "guests"), JobState.RUNNING].jobs == 1


def test_what_has_ended_does_not_count() -> None:
    assert amounts([job(JobState.COMPLETED), job(JobState.SUSPENDED)], groups_of) == {}


def test_a_job_that_does_not_say_how_much_it_has_counts_as_a_job() -> None:
    found = amounts([job(user=None, node_count=None, cpu_count=None, nodes=("n1",))], groups_of)
    assert found == {(("total",), JobState.RUNNING): QueueAmount(1, 1, 0)}


def test_an_array_that_waits_as_one_record_counts_as_its_tasks() -> None:
    (amount,) = amounts(
        [job(JobState.PENDING, user=None, array_tasks="2,5-7,10-20:5%4", node_count=1)], groups_of
    ).values()
    assert (amount.jobs, amount.nodes) == (7, 7)


def test_a_list_of_tasks_that_was_cut_short_makes_no_point_instead_of_a_wrong_one(clock: ManualClock) -> None:
    cut = job(JobState.PENDING, array_tasks="1,4,9,...%4")
    site = Site(clock)
    points = dict(site.series.points(amounts([cut, job(user="eve")], groups_of), 0))
    assert ("slurm", "stats", "users", "alice", "PENDING", "jobs") not in points
    assert ("slurm", "stats", "total", "PENDING", "jobs") not in points
    assert points["slurm", "stats", "total", "RUNNING", "jobs"] == 1
    assert points["slurm", "stats", "users", "eve", "RUNNING", "jobs"] == 1


def test_groups_are_those_of_this_host_beside_the_primary_one() -> None:
    assert supplementary_groups("nobody-of-this-name") == ()
    members = {name: group.gr_name for group in grp.getgrall() for name in group.gr_mem}
    known = {one.pw_name: one.pw_gid for one in pwd.getpwall()}
    for user in members.keys() & known.keys():
        assert members[user] in supplementary_groups(user)
        assert grp.getgrgid(known[user]).gr_name not in supplementary_groups(user)


async def test_a_user_is_looked_up_once_in_a_while_not_at_every_point(clock: ManualClock) -> None:
    site = Site(clock)
    site.tell([job()])
    await site.turn(3)
    assert site.asked == ["alice"]
    clock.advance(GROUPS_KEPT_S)
    await site.turn(1)
    assert site.asked == ["alice", "alice"]


class Site:
    """The stage on a clock turned by hand."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.silent: int | None = None
        self.written: list[str] = []
        self.rounds = 0
        self.asked: list[str] = []
        self.news = News()
        self.series = QueueSeries(
            10, self.write, lambda: self.silent, self.news, clock, groups_of=self.groups_of, sleep=self.sleep
        )

    def tell(self, queue: list[JobRecord]) -> None:
        self.news.publish(QueueReceived(queue))

    def groups_of(self, user: str) -> tuple[str, ...]:
        self.asked.append(user)
        return groups_of(user)

    def write(self, payload: bytes, count: int) -> None:
        lines = payload.decode().splitlines()
        assert len(lines) == count
        self.written += lines

    async def sleep(self, seconds: float) -> None:
        if not self.rounds:
            raise asyncio.CancelledError
        self.rounds -= 1
        self.clock.advance(seconds)

    async def turn(self, rounds: int) -> list[str]:
        """What so many intervals make."""
        self.rounds, self.written = rounds, []
        with pytest.raises(asyncio.CancelledError):
            await self.series.run()
        return self.written


async def test_points_come_in_every_interval_also_between_two_questions(clock: ManualClock) -> None:
    site = Site(clock)
    clock.advance(4.2)
    assert await site.turn(1) == []  # nothing is known yet
    site.tell([job()])
    lines = [line for line in await site.turn(3) if line.startswith("slurm.stats.users.alice.RUNNING.nodes 2 ")]
    times = [int(line.split()[2]) for line in lines]
    assert [later - earlier for earlier, later in pairwise(times)] == [10, 10]
    assert times[0] % 10 == 0


async def test_nothing_is_told_while_the_scheduler_is_silent(clock: ManualClock) -> None:
    site = Site(clock)
    site.tell([job()])
    site.silent = clock.wall_ns()
    assert await site.turn(2) == []


async def test_whoever_had_jobs_goes_down_to_zero_and_is_forgotten_later(clock: ManualClock) -> None:
    site = Site(clock)
    site.tell([job()])
    await site.turn(1)
    site.tell([])
    lines = await site.turn(1)
    assert [line for line in lines if line.startswith("slurm.stats.users.alice.RUNNING.jobs 0 ")]
    clock.advance(ZEROS_S)
    left = {line.split(".")[2] for line in await site.turn(1)}
    assert left == {"total"}
