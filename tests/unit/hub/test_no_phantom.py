"""Whatever gets lost: no job runs on for five minutes after its end, and nothing is ended that runs.

Real registries, applier, poller, refresher and reconciler on one clock; machines, daemons, hub, slurmctld and slurmdbd
fail at random (`testkit.whole_cluster`). The judge knows the truth and reads the hub's tables.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history import schema
from slurmlens.hub.history.facts import JobFilter, NodeState, StateFilter
from slurmlens.hub.history.store import Store
from slurmlens.slurm.records import JobState
from testkit.hub_history import History
from testkit.manual_clock import ManualClock
from testkit.whole_cluster import STEP_S, Cluster, Run

PROMISE_S = 300.0
NODES = ("n1", "n2")


@dataclass
class Judge:
    """Compares what the hub believes with the truth after every step."""

    cluster: Cluster
    well_since_ns: int = 0
    ended_ns: dict[int, int] = field(default_factory=dict)

    async def look(self) -> None:
        cluster, now_ns = self.cluster, self.cluster.clock.wall_ns()
        is_well = cluster.poller is not None and cluster.controller.is_up
        if not is_well:
            self.well_since_ns = now_ns
            return
        await self.nothing_is_ended_that_runs()
        if now_ns - self.well_since_ns > PROMISE_S * NS_PER_S:
            await self.no_phantom_runs(now_ns - round(PROMISE_S * NS_PER_S))

    async def nothing_is_ended_that_runs(self) -> None:
        for run in self.cluster.running():
            facts = await self.cluster.history.queries.job_facts(run.job_id)
            if facts is None or facts.record is None or facts.record.submit_s != run.submit_s:
                continue  # the hub has not heard of it yet
            assert not facts.outcome.state.has_ended, (run, facts.outcome)
            assert facts.is_live
            told = {node.node: node.state for node in facts.nodes}
            for name in run.on:
                if self.cluster.nodes[name].knows(run.job_id):
                    assert told[name] in (NodeState.RUNNING, NodeState.SILENT, NodeState.UNHEARD), (run, told)

    async def no_phantom_runs(self, before_ns: int) -> None:
        living = {run.job_id for run in self.cluster.controller.runs if run.end_s is None}
        over = {
            run.job_id
            for run in self.cluster.controller.runs
            if run.end_s is not None and run.end_s * NS_PER_S < before_ns
        } - living
        listed = await self.cluster.history.queries.jobs(JobFilter(state=StateFilter.RUNNING))
        assert not over & {row.job_id for row in listed}
        sightings = schema.sightings
        query = select(sightings).where(sightings.c.summary_id.is_(None), sightings.c.closed_ns.is_(None))
        async with self.cluster.history.store.read() as connection:
            held = [dict(row) for row in (await connection.execute(query)).mappings()]
        assert not [row for row in held if row["job_id"] in over and row["heard_ns"] < before_ns]


class World:
    """Carries out what hypothesis draws; numbers pick among what is there."""

    def __init__(self, history: History) -> None:
        self.cluster = Cluster(history, NODES)
        self.judge = Judge(self.cluster, well_since_ns=history.clock.wall_ns())

    async def do(self, what: str, number: int, flag: bool) -> None:
        await _ACTIONS[what](self, number, flag)
        for _ in range(1 + number % 4):
            await self.cluster.step(twice=flag)
            await self.judge.look()

    async def settle(self) -> None:
        """All that is broken is mended but the machines; then the promise must hold."""
        self.cluster.controller.is_up = self.cluster.controller.accounting_is_up = True
        if self.cluster.poller is None:
            await self.cluster.start_hub()
        for _ in range(int(PROMISE_S / STEP_S) + 24):
            await self.cluster.step()
            await self.judge.look()

    def node(self, number: int) -> str:
        return NODES[number % len(NODES)]

    def run(self, number: int) -> Run | None:
        running = self.cluster.running()
        return running[number % len(running)] if running else None

    async def start(self, number: int, flag: bool) -> None:
        nodes = NODES if number % 3 == 2 else (self.node(number),)
        self.cluster.start(nodes, prolog=number % 5 != 4, cgroup=flag or number % 5 == 4)

    async def end(self, number: int, flag: bool) -> None:
        if run := self.run(number):
            self.cluster.end(run, JobState.COMPLETED, epilog=flag)

    async def requeue(self, number: int, flag: bool) -> None:
        if run := self.run(number):
            self.cluster.end(run, JobState.REQUEUED, epilog=flag)
            for _ in range(number):
                await self.cluster.step()
            self.cluster.start(run.nodes, again=run)

    async def daemon(self, number: int, flag: bool) -> None:
        node = self.cluster.nodes[self.node(number)]
        if node.daemon is None:
            node.start_daemon(remembers=number % 4 > 1, beats_first=flag)
        else:
            node.kill_daemon()

    async def reboot(self, number: int, flag: bool) -> None:
        self.cluster.lose(self.node(number))
        if flag:
            await self.cluster.step()
            self.cluster.nodes[self.node(number)].boot()
            self.cluster.nodes[self.node(number)].start_daemon(remembers=True, beats_first=flag)

    async def hub(self, number: int, flag: bool) -> None:
        self.cluster.stop_hub()
        for _ in range(number):
            await self.cluster.step()
            await self.judge.look()
        await self.cluster.start_hub()

    async def scheduler(self, number: int, flag: bool) -> None:
        self.cluster.controller.is_up = not self.cluster.controller.is_up

    async def accounting(self, number: int, flag: bool) -> None:
        if flag:
            self.cluster.controller.purged.update(run.job_id for run in self.cluster.controller.runs)
        else:
            self.cluster.controller.accounting_is_up = not self.cluster.controller.accounting_is_up


_ACTIONS: dict[str, Callable[[World, int, bool], Awaitable[None]]] = {
    "start": World.start,
    "end": World.end,
    "requeue": World.requeue,
    "daemon": World.daemon,
    "reboot": World.reboot,
    "hub": World.hub,
    "scheduler": World.scheduler,
    "accounting": World.accounting,
}

_OFTEN = [*sorted(_ACTIONS), "start", "start", "end", "daemon"]
_scripts = st.lists(st.tuples(st.sampled_from(_OFTEN), st.integers(0, 19), st.booleans()), min_size=4, max_size=14)

LOST_EPILOG_WITHOUT_CGROUP = [("start", 0, False), ("end", 0, False)]
PROLOG_READ_AFTER_THE_FIRST_HEARTBEAT = [("daemon", 0, False), ("start", 0, True), ("daemon", 0, True)]


async def _live(script: list[tuple[str, int, bool]], folder: Path) -> None:
    store = await Store.open(f"sqlite+aiosqlite:///{folder}/hub.sqlite3")
    try:
        world = World(History(store, ManualClock()))
        for node in world.cluster.nodes.values():
            node.start_daemon(remembers=False, beats_first=True)
        await world.cluster.start_hub()
        for what, number, flag in script:
            await world.do(what, number, flag)
        await world.settle()
    finally:
        await store.close()


def _judge(script: list[tuple[str, int, bool]]) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        asyncio.run(_live(script, Path(folder)))


@given(_scripts)
@example(LOST_EPILOG_WITHOUT_CGROUP)
@example(PROLOG_READ_AFTER_THE_FIRST_HEARTBEAT)
@settings(max_examples=12, deadline=None)
def test_no_job_runs_on_and_none_is_ended_that_runs(script: list[tuple[str, int, bool]]) -> None:
    _judge(script)


@pytest.mark.slow
@given(_scripts)
@settings(max_examples=200, deadline=None)
def test_the_same_for_long(script: list[tuple[str, int, bool]]) -> None:
    _judge(script)
