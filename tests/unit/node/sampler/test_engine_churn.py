"""Jobs that come and go on a living kernel, told of in any order: every one is summed up, the living are never taken
for dead, and nothing stays open.

v1 alone: there a user's folder goes with the user's last job, and another of the same name comes with the next one.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from slurmlens.cgroup.layout import CgroupPlace, Hierarchy
from slurmlens.cgroup.reader import CgroupReader
from slurmlens.clock import now
from slurmlens.node.sampler.engine import Engine
from slurmlens.node.sampler.orders import EngineSettings, JobOrder, StepOrder
from testkit.manual_clock import ManualClock
from testkit.real_cgroups import RealNode, missing, real_node

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

USERS = 3
JOBS_AT_ONCE = 6
MOVES = 1200
FAR_OFF = 1_000_000
"""Numbers of runs that took over the cgroup of an earlier one."""


class Job:
    """A job's cgroup with the steps it ever had, and what the engine has still to be told of it, in order."""

    def __init__(self, number: int, user: int) -> None:
        self.number = self.job_id = number
        self.user = f"uid_{user}"
        self.key = f"{self.user}/job_{number}"
        self.steps = 0
        self.news: list[Callable[[], object]] = []


class Churn:
    """Moves chosen by chance: the folders change at once, the engine hears of it later, in order for each job alone."""

    def __init__(self, seed: int, node: RealNode, clock: ManualClock) -> None:
        self.chance = random.Random(seed)
        self.node, self.clock = node, clock
        self.failures: list[str] = []
        settings = EngineSettings(
            cluster="demo",
            node=node.name,
            proc_root=Path("/proc"),
            interval_s=10.0,
            slow_every=6,
            slots=4,
            max_points=60,
            memory_limit_bytes=1 << 20,
        )
        self.engine = Engine(settings, CgroupReader(), now(clock), lambda reason, _: self.failures.append(reason))
        self.living: list[Job] = []
        self.untold: list[Job] = []
        self.started = self.summed_up = 0

    def move(self) -> None:
        of_a_job = [self.add_step, self.end_step, self.end, self.take_over]
        self.clock.advance(self.chance.uniform(0.001, 1.0))
        move = self.chance.choice([self.begin, self.tick, self.tell, self.tell, *of_a_job])
        if move not in of_a_job:
            move()  # type: ignore[call-arg]
        elif self.living:
            move(self.chance.choice(self.living))  # type: ignore[call-arg]

    def finish(self) -> None:
        while self.living:
            self.end(self.living[0])
        while self.untold:
            self.tell()

    def begin(self) -> None:
        if len(self.living) >= JOBS_AT_ONCE:
            return
        self.started += 1
        job = Job(self.started, self.chance.randrange(USERS))
        if self.chance.random() < 0.3:
            # As slurmstepd does it: there is nothing of the CPU's yet.
            self.node.folder("memory", job.key).mkdir(parents=True)
        else:
            self.node.make(job.key)
        self.living.append(job)
        self._add_news(job, lambda: self._watch(job, job.job_id, newborn=True))

    def add_step(self, job: Job) -> None:
        step, number = str(job.steps), job.number
        job.steps += 1
        self.node.make(f"{job.key}/step_{step}")
        self._add_news(job, lambda: self._watch_step(job, number, step))

    def end_step(self, job: Job) -> None:
        if job.steps:
            step = self.chance.randrange(job.steps)
            self.node.remove(f"{job.key}/step_{step}")
            self._add_news(job, lambda: self._unwatch(f"{job.key}/{step}"))

    def end(self, job: Job) -> None:
        self.living.remove(job)
        self.node.remove(job.key)
        if all(other.user != job.user for other in self.living):
            self.node.remove(job.user)
        number = job.number
        self._add_news(job, lambda: self._unwatch(job.key))
        self._add_news(job, lambda: self._sum_up(number))

    def take_over(self, job: Job) -> None:
        """The run is over, and the next run of the job goes on in the same folder."""
        before, after = job.number, job.number + FAR_OFF
        job.number = after
        self._add_news(job, lambda: self._watch(job, after, newborn=False))
        self._add_news(job, lambda: self._sum_up(before))

    def tick(self) -> None:
        due = self.engine.schedule.due(now(self.clock))
        if due:
            self.engine.run(due, now(self.clock))

    def tell(self) -> None:
        if self.untold:
            job = self.chance.choice(self.untold)
            job.news.pop(0)()
            if not job.news:
                self.untold.remove(job)

    def _add_news(self, job: Job, news: Callable[[], object]) -> None:
        job.news.append(news)
        if job not in self.untold:
            self.untold.append(job)

    def _watch(self, job: Job, number: int, *, newborn: bool) -> None:
        order = JobOrder(
            number=number,
            job_id=job.job_id,
            slot=None,
            name=job.key,
            place=self._place(job.key),
            parent=self._place(job.user),
            newborn=newborn,
            from_zero=newborn,
        )
        self.engine.watch(order, now(self.clock))

    def _watch_step(self, job: Job, number: int, step: str) -> None:
        place = self._place(f"{job.key}/step_{step}")
        order = StepOrder(number=number, name=f"{job.key}/{step}", step=step, place=place, newborn=True)
        self.engine.watch_step(order, now(self.clock))

    def _unwatch(self, name: str) -> None:
        self.engine.unwatch(name, now(self.clock))

    def _sum_up(self, number: int) -> None:
        assert self.engine.finish(number, now(self.clock)) is not None
        self.summed_up += 1

    def _place(self, key: str) -> CgroupPlace:
        return CgroupPlace(Hierarchy.V1, self.node.folder("cpuacct", key), self.node.folder("memory", key))

    def assert_that_the_living_are_read(self) -> None:
        told = [job for job in self.living if job not in self.untold]
        unread = [one.job_id for one in told if not self.engine.look_closely(one.job_id, 1.0, 0.0, now(self.clock))]
        assert unread == []


@pytest.mark.parametrize("seed", range(4))
def test_jobs_that_come_and_go_in_any_order_are_all_summed_up_and_leave_nothing_behind(
    seed: int, clock: ManualClock
) -> None:
    with real_node() as node:
        node.make()
        churn = Churn(seed, node, clock)
        for _ in range(MOVES):
            churn.move()
            churn.assert_that_the_living_are_read()
        churn.finish()
        assert churn.summed_up > churn.started > 50
        assert churn.failures == []
        assert churn.engine.cgroups == 0
        # A users' folder is left to the next birth of that user's, the node's to the end.
        of_the_node = [link for link in map(_target, Path("/proc/self/fd").iterdir()) if node.name in link]
        assert len({os.path.dirname(one) for one in of_the_node}) <= 2 * (USERS + 1)
        churn.engine.close()


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""
