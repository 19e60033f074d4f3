"""Whatever gets lost: no job runs on for five minutes after its end, and nothing is ended that runs.

Real registries, applier, poller, refresher and reconciler on one clock; machines, daemons, hub, slurmctld and slurmdbd
fail at random (`testkit.whole_cluster`). The judge knows the truth and reads the hub's tables.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, select

from slurmlens.clock import NS_PER_S
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.facts import JobFilter, NodeState, StateFilter
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

    async def look(self) -> None:
        cluster, now_ns = self.cluster, self.cluster.clock.wall_ns()
        before_ns = now_ns - round(PROMISE_S * NS_PER_S)
        if cluster.poller is None or not cluster.controller.is_up:
            self.well_since_ns = now_ns
        if cluster.poller is not None:
            await self.nothing_is_ended_that_runs()
            await self.what_all_nodes_ended_is_over(before_ns)
        if max(self.well_since_ns, cluster.hub_since_ns) < before_ns:  # a hub that was away judges no silence by then
            await self.no_phantom_runs(before_ns)

    async def nothing_is_ended_that_runs(self) -> None:
        for run in self.cluster.running():
            facts = await self.cluster.history.queries.job_facts(EVERYBODY, run.job_id)
            record = facts.record if facts else None
            if facts is None or record is None or record.submit_s != run.submit_s or record.start_s is None:
                continue  # the hub has not heard of it yet, or not that it began
            assert (facts.outcome.state, record.start_s) == (JobState.RUNNING, run.start_s), run
            assert facts.is_live
            told = {node.node: node.state for node in facts.nodes}
            for name in run.on:
                if self.cluster.nodes[name].knows(run.job_id):
                    assert told[name] in (NodeState.RUNNING, NodeState.SILENT, NodeState.UNHEARD), (run, told)

    async def no_phantom_runs(self, before_ns: int) -> None:
        """Nothing that ended before then is believed to run: no job, no earlier run of one, no node's part in one."""
        running = StateFilter.RUNNING
        listed = {row.job_id for row in await self.cluster.history.listed(JobFilter(state=running))}
        for job_id, run in {run.job_id: run for run in self.cluster.controller.runs}.items():
            assert not run.ended_before(before_ns) or job_id not in listed, run
        believed = {(row["job_id"], row["submit_s"]) for row in await self.rows(schema.runs, state_group=running.value)}
        over = [run for run in self.cluster.controller.runs if run.ended_before(before_ns)]
        assert not [run for run in over if (run.job_id, run.submit_s) in believed]
        for row in await self.rows(schema.sightings, summary_id=None, closed_ns=None):
            assert not self._is_phantom(row, before_ns), row

    async def what_all_nodes_ended_is_over(self, before_ns: int) -> None:
        """Whether the scheduler says so or not."""
        listed = {row.job_id for row in await self.cluster.history.listed(JobFilter(state=StateFilter.RUNNING))}
        for job_id, run in {run.job_id: run for run in self.cluster.controller.runs}.items():
            if job_id not in listed or not run.ended_before(before_ns) or self.cluster.hub_since_ns > before_ns:
                continue
            rows = await self.rows(schema.sightings, job_id=job_id)
            ended = {row["node"] for row in rows if row["end_ns"] and row["heard_ns"] < before_ns}
            is_open = any(row["end_ns"] is None and row["closed_ns"] is None for row in rows)
            assert is_open or not ended.issuperset(run.nodes), (run, rows)

    def _is_phantom(self, held: Mapping[str, Any], before_ns: int) -> bool:
        """Whether a node's part that the hub holds for open is of a run that ended before then."""
        begun = [
            run
            for run in self.cluster.controller.runs
            if run.job_id == held["job_id"] and run.start_s is not None and run.start_s * NS_PER_S <= held["start_ns"]
        ]
        return bool(begun) and held["heard_ns"] < before_ns and begun[-1].ended_before(before_ns)

    async def rows(self, table: Table, **values: object) -> list[Mapping[str, Any]]:
        query = select(table).where(*(table.c[name] == value for name, value in values.items()))

        def question(connection: Connection) -> list[Mapping[str, Any]]:
            return [dict(row) for row in connection.execute(query).mappings()]

        return await self.cluster.history.store.read(question)


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
        for node in self.cluster.nodes.values():
            node.is_reached = True
        if self.cluster.poller is None:
            await self.cluster.start_hub()
        await self.wait(int(PROMISE_S / STEP_S) + 24)

    async def wait(self, steps: int) -> None:
        for _ in range(steps):
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
        """Every third one waits until somebody launches it."""
        if run := self.run(number):
            self.cluster.requeue(run, epilog=flag, cleanup_s=number // 4 * round(STEP_S))
            await self.wait(number)
            if number % 3 < 2:
                await self.launch(0, flag)

    async def launch(self, number: int, flag: bool) -> None:
        if waiting := self.cluster.waiting():
            run = waiting[number % len(waiting)]
            nodes = next((one.nodes for one in self.cluster.controller.runs if one.job_id == run.job_id), NODES)
            self.cluster.launch(run, nodes if flag else NODES, prolog=number % 5 != 4)

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

    async def network(self, number: int, flag: bool) -> None:
        node = self.cluster.nodes[self.node(number)]
        node.is_reached = not node.is_reached

    async def hub(self, number: int, flag: bool) -> None:
        if flag:
            await self.cluster.kill_hub()
        else:
            self.cluster.stop_hub()
        await self.wait(number)
        await self.cluster.start_hub()

    async def scheduler(self, number: int, flag: bool) -> None:
        self.cluster.controller.is_up = not self.cluster.controller.is_up
        if flag:
            await self.wait(2 * number)

    async def accounting(self, number: int, flag: bool) -> None:
        if flag:
            self.cluster.controller.purged.update(run.job_id for run in self.cluster.controller.runs)
        else:
            self.cluster.controller.accounting_is_up = not self.cluster.controller.accounting_is_up


_ACTIONS: dict[str, Callable[[World, int, bool], Awaitable[None]]] = {
    "start": World.start,
    "end": World.end,
    "requeue": World.requeue,
    "launch": World.launch,
    "network": World.network,
    "daemon": World.daemon,
    "reboot": World.reboot,
    "hub": World.hub,
    "scheduler": World.scheduler,
    "accounting": World.accounting,
}

_OFTEN = [*sorted(_ACTIONS), "start", "start", "end", "daemon"]
_scripts = st.lists(st.tuples(st.sampled_from(_OFTEN), st.integers(0, 19), st.booleans()), min_size=4, max_size=14)

HUB_RESTARTED_WHILE_A_LOST_EPILOG_IS_WAITED_FOR = [
    ("accounting", 0, False),
    ("start", 0, False),
    ("accounting", 0, True),
    ("requeue", 8, False),
    ("hub", 0, False),
    ("requeue", 0, False),
]
LOST_EPILOG_WITHOUT_CGROUP = [("start", 0, False), ("end", 0, False)]
FORGOTTEN_AND_LISTED = [
    ("accounting", 0, False),
    ("start", 0, False),
    ("accounting", 0, True),
    ("end", 0, False),
    ("hub", 17, False),
]
"""The hub is away until slurmctld has forgotten the run, accounting was purged, and a node waits for its Epilog."""

NEVER_KNOWN_AND_LISTED = [
    ("accounting", 0, False),
    ("start", 0, False),
    ("scheduler", 0, False),
    ("end", 0, False),
    ("hub", 19, False),
    ("accounting", 3, True),
]
"""The same, and slurmctld went silent before the hub ever heard of the run."""

PROLOG_READ_AFTER_THE_FIRST_HEARTBEAT = [("daemon", 0, False), ("start", 0, True), ("daemon", 0, True)]
REQUEUED_TWICE_AND_JUST_ENDED = [
    *[("accounting", 0, False)] * 2,
    ("start", 0, False),
    ("requeue", 0, False),
    ("requeue", 10, False),
    *[("accounting", 0, False)] * 2,
    ("accounting", 3, False),
    ("end", 0, False),
]
"""The first two runs are long over, the third is not: the job may still be listed."""


async def _live(script: list[tuple[str, int, bool]], folder: Path) -> None:
    history = await History.open(f"sqlite:///{folder}/hub.sqlite3", ManualClock())
    try:
        world = World(history)
        for node in world.cluster.nodes.values():
            node.start_daemon(remembers=False, beats_first=True)
        await world.cluster.start_hub()
        for what, number, flag in script:
            await world.do(what, number, flag)
        await world.settle()
    finally:
        await history.close()


def _judge(script: list[tuple[str, int, bool]]) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        asyncio.run(_live(script, Path(folder)))


@pytest.mark.thorough
@given(_scripts)
@example(LOST_EPILOG_WITHOUT_CGROUP)
@example(HUB_RESTARTED_WHILE_A_LOST_EPILOG_IS_WAITED_FOR)
@example(FORGOTTEN_AND_LISTED)
@example(NEVER_KNOWN_AND_LISTED)
@example(PROLOG_READ_AFTER_THE_FIRST_HEARTBEAT)
@example(REQUEUED_TWICE_AND_JUST_ENDED)
@settings(max_examples=12, deadline=None)
def test_no_job_runs_on_and_none_is_ended_that_runs(script: list[tuple[str, int, bool]]) -> None:
    _judge(script)


@pytest.mark.parametrize("script", [FORGOTTEN_AND_LISTED, NEVER_KNOWN_AND_LISTED])
def test_what_only_a_lost_epilog_keeps_on_a_nodes_list_ends(script: list[tuple[str, int, bool]]) -> None:
    _judge(script)


@pytest.mark.slow
@given(_scripts)
@settings(max_examples=200, deadline=None)
def test_the_same_for_long(script: list[tuple[str, int, bool]]) -> None:
    _judge(script)
