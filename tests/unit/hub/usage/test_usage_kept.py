"""Usage is kept up while jobs run and end, adds up over any window, and is the same when it is made anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, create_engine, select, text

from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.usage import tables as schema
from slurmlens.hub.usage.charges import HOUR_S, UsageKey, UsageSums
from slurmlens.hub.usage.facts import UsageFilter, UsageWindow
from slurmlens.hub.usage.keeping import UsageKeeper
from slurmlens.hub.usage.node_keeping import NodeTimeKeeper
from slurmlens.hub.usage.node_time import CLUSTER, UnitState
from slurmlens.hub.usage.read import UsageQueries
from slurmlens.hub.usage.rebuild import rebuild_usage
from slurmlens.slurm.records import JobRecord, JobState
from testkit.database_versions import take_back_to
from testkit.gpu_states import gpu_state
from testkit.hub_history import History, record
from testkit.inventories import fact, relation, telling
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S, Told, at_ns

TABLES = (schema.usage_runs, schema.usage_hours, schema.usage_node_hours, schema.usage_days)
MAX = Viewer("max", frozenset({Role.USER, Role.MANAGEMENT}))
BOB = Viewer("bob", frozenset({Role.USER}))


class Ledger:
    """History with usage beside it."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.keeper = UsageKeeper(history.store, "demo", history.news, history.clock)
        self.nodes = NodeTimeKeeper(history.store, "demo", history.clock)
        self.queries = UsageQueries(history.store, "demo")

    async def keep(self) -> None:
        while (await self.keeper.step()).jobs:
            pass
        while await self.nodes.step():
            pass

    async def learn(self, *records: JobRecord) -> None:
        await self.history.learn(*records)
        await self.keep()

    async def rows(self) -> list[list[tuple[object, ...]]]:
        def question(connection: Connection) -> list[list[tuple[object, ...]]]:
            return [sorted(tuple(row) for row in connection.execute(select(table))) for table in TABLES]

        return await self.history.store.read(question)

    async def total(self, from_s: int, to_s: int, viewer: Viewer = EVERYBODY, **which: str) -> UsageSums:
        now_s = self.history.clock.wall_ns() // 10**9
        window = UsageWindow(BEGIN_S + from_s, BEGIN_S + to_s)
        facts = await self.queries.usage(viewer, window, now_s, UsageFilter(**which))
        return sum(facts.by_key.values(), UsageSums())


@pytest.fixture
async def ledger(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Ledger]:
    history = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", clock)
    clock.advance(30 * HOUR_S)
    yield Ledger(history)
    await history.close()


def job(job_id: int, start: int, end: int | None, state: JobState = JobState.COMPLETED, **more: object) -> JobRecord:
    told = {"cpu_count": 8, "memory_bytes": 2**33, "account": "physics", "name": f"job-{job_id}", **more}
    return record(state, job_id=job_id, submit=start - 60, start=start, end=end, **told)


async def test_a_job_is_counted_once_however_often_it_is_told(ledger: Ledger) -> None:
    await ledger.learn(job(1, 0, None, JobState.RUNNING))
    assert (await ledger.total(-100, 7_300)).core_s == 8 * 7_300
    await ledger.learn(job(1, 0, 5_000))
    await ledger.learn(job(1, 0, 5_000))
    assert (await ledger.total(-100, 86_400)).core_s == 8 * 5_000
    assert (await ledger.total(-100, 4_000)).core_s == 8 * 4_000


async def test_windows_that_meet_add_up_wherever_they_are_cut(ledger: Ledger) -> None:
    await ledger.learn(job(1, 10, 9_000), job(2, 100, 30_000), job(3, 3_600, 7_200), job(4, 50, None, JobState.RUNNING))
    whole = await ledger.total(0, 90_000)
    for cut in (1, 1_000, 3_599, 3_600, 7_201, 29_999, 89_999):
        assert await ledger.total(0, cut) + await ledger.total(cut, 90_000) == whole
    assert whole.core_s == 8 * (8_990 + 29_900 + 3_600 + 89_950)
    assert (whole.started, whole.ended) == (4, 3)


async def test_what_is_told_otherwise_later_takes_the_place_of_what_was_counted(ledger: Ledger) -> None:
    await ledger.learn(job(1, 0, 5_000, JobState.CANCELLED))
    await ledger.learn(job(1, 0, 9_000, qos="high"))
    facts = await ledger.queries.usage(EVERYBODY, UsageWindow(BEGIN_S, BEGIN_S + 9_001), BEGIN_S + 90_000)
    assert set(facts.by_key) == {UsageKey("all", "alice", "physics", "high", "COMPLETED")}
    (_, hours, _, days) = await ledger.rows()
    assert len(hours) == 3
    assert len(days) == 1


async def test_each_run_of_a_requeued_job_is_counted(ledger: Ledger) -> None:
    await ledger.learn(job(1, 0, 100, JobState.NODE_FAIL), job(1, 400, 900))
    whole = await ledger.total(0, 1_000)
    assert (whole.core_s, whole.started) == (8 * 600, 2)


async def test_made_anew_it_is_the_same(ledger: Ledger) -> None:
    await nodes_are_told(ledger)
    await ledger.learn(job(1, 0, None, JobState.RUNNING), job(2, 30, 9_000))
    await ledger.nodes.close_hours()
    await ledger.learn(job(1, 0, 20_000), job(3, 5, None, JobState.RUNNING))
    before = await ledger.rows()
    assert all(before)
    assert await rebuild_usage(ledger.history.store, "demo") == 3
    assert not any(await ledger.rows())
    await ledger.keep()
    await ledger.nodes.close_hours()
    await ledger.keep()
    assert await ledger.rows() == before


async def test_an_hour_that_was_closed_is_counted_again_when_a_job_turns_out_to_have_been_there(ledger: Ledger) -> None:
    await nodes_are_told(ledger)
    await ledger.nodes.close_hours()
    await ledger.keep()
    idle = await states_of(ledger)
    await ledger.learn(job(1, 600, 4_200, nodes=("n1",)))
    busy = await states_of(ledger)
    assert idle[UnitState.IDLE] - busy[UnitState.IDLE] == busy[UnitState.ALLOCATED] == 8 * 3_600
    assert sum(idle.values()) == sum(busy.values())


async def states_of(ledger: Ledger) -> dict[UnitState, int]:
    facts = await ledger.queries.nodes(EVERYBODY, UsageWindow(BEGIN_S + 100, BEGIN_S + 80_000), BEGIN_S + 108_000)
    return {state: sums.core_s for (partition, state), sums in facts.totals.items() if partition == CLUSTER}


async def nodes_are_told(ledger: Ledger) -> None:
    recorder = InventoryRecorder(ledger.history.store, "demo")
    nodes = [fact(f"node {name}", "cpu_count", 16) for name in ("n1", "n2")]
    states = [fact(f"node {name}", "state", "IDLE") for name in ("n1", "n2")]
    contained = [relation("partition all", "contains", "node n1"), relation("partition odd", "contains", "node n1")]
    await recorder.take(telling(at_ns(0), *nodes, *states, *contained))
    drained = [fact("node n1", "state", "IDLE"), fact("node n2", "state", "IDLE+DRAIN")]
    await recorder.take(telling(at_ns(7_000), *nodes, *drained, *contained))


async def test_nodes_states_add_up_to_what_they_had_in_any_window(ledger: Ledger) -> None:
    await nodes_are_told(ledger)
    await ledger.learn(job(1, 600, 40_000, nodes=("n1", "n2")))
    await ledger.nodes.close_hours()
    await ledger.keep()
    for from_s, to_s in ((0, 80_000), (3_600, 7_200), (1_000, 1_001), (3_599, 90_001)):
        window = UsageWindow(BEGIN_S + from_s, BEGIN_S + to_s)
        facts = await ledger.queries.nodes(EVERYBODY, window, BEGIN_S + 108_000)
        cores = {state: one.core_s for (place, state), one in facts.totals.items() if place == CLUSTER}
        assert sum(cores.values()) == 32 * window.seconds
        assert sum(one.core_s for one in facts.course.values()) == 32 * window.seconds
        in_all = [one.core_s for (place, _), one in facts.totals.items() if place == "odd"]
        assert sum(in_all) == 16 * window.seconds


async def test_a_user_sees_sums_over_what_is_his_and_the_management_all(ledger: Ledger) -> None:
    await ledger.learn(job(1, 0, 100), msgspec.structs.replace(job(2, 0, 100), user="bob"))
    assert (await ledger.total(0, 200)).core_s == (await ledger.total(0, 200, MAX)).core_s == 1_600
    assert (await ledger.total(0, 200, BOB)).core_s == 800
    assert (await ledger.total(0, 200, BOB, user="alice")).core_s == 0


async def test_waits_types_habits_and_bursts_are_of_the_runs_that_started_in_the_window(ledger: Ledger) -> None:
    await ledger.learn(*(job(number, 10, 40, JobState.FAILED) for number in range(1, 6)), job(9, 90_000, 90_500))
    window = UsageWindow(BEGIN_S, BEGIN_S + 3_600)
    waits = await ledger.queries.waits(EVERYBODY, window, ("partition", "user"))
    found = {by: [(one.name, one.wait_s, one.runs) for one in own] for by, own in waits.items()}
    assert found == {"partition": [("all", 60, 5)], "user": [("alice", 60, 5)]}
    started = await ledger.queries.started(EVERYBODY, window)
    (kind,), (habits,), (burst,) = started.job_types, started.habits, started.bursts
    assert (kind.job_type, kind.runs, kind.users, kind.failed, kind.core_s) == ("job-#", 5, 1, 5, 8 * 150)
    assert (habits.user, habits.failed, habits.short) == ("alice", 5, 5)
    assert (burst.user, burst.runs) == ("alice", 5)


async def test_of_runs_that_go_on_bursts_alone_know_and_each_kind_counts_its_users_once(ledger: Ledger) -> None:
    ended = [job(number, 10, 10 + 100 * number) for number in (1, 2, 3)]
    others = [msgspec.structs.replace(job(number, 700, 800), user="bob") for number in (4, 5)]
    await ledger.learn(*ended, *others, job(6, 20, None, JobState.RUNNING))
    started = await ledger.queries.started(EVERYBODY, UsageWindow(BEGIN_S, BEGIN_S + 3_600))
    (kind,) = started.job_types
    assert (kind.runs, kind.users, kind.core_s) == (5, 2, 8 * (600 + 200))
    assert [(one.user, one.runs, one.core_s) for one in started.habits] == [("alice", 3, 4_800), ("bob", 2, 1_600)]
    assert [(one.user, one.runs) for one in started.bursts] == [("alice", 4), ("bob", 2)]


async def test_how_busy_gpus_were_is_counted_also_where_it_is_told_after_the_end(ledger: Ledger) -> None:
    one, other = Told(1, "n1"), Told(1, "n2")
    gpus = {"tres": {"gres/gpu": 2}}
    await ledger.history.hear(one.start(0), other.start(0))
    await ledger.learn(job(1, 0, 1_000, **gpus))
    assert (await ledger.total(0, 1_000)).gpu_seen_ms == 0
    await ledger.history.hear(gpu_state(one, 1_010, seen_s=990, busy_s=495, has_ended=True))
    await ledger.history.hear(gpu_state(other, 1_020, seen_s=980, busy_s=0, has_ended=True))
    await ledger.history.hear(
        gpu_state(other, 1_030, seen_s=500, busy_s=500, has_ended=True, uuid="GPU-2", is_shared=True)
    )
    await ledger.keep()
    whole = await ledger.total(0, 1_000)
    assert (whole.gpu_s, whole.gpu_seen_ms, whole.gpu_busy_ms) == (2_000, 1_970_000, 495_000)
    assert await ledger.total(0, 300) + await ledger.total(300, 1_000) == whole
    before = await ledger.rows()
    await rebuild_usage(ledger.history.store, "demo")
    await ledger.keep()
    assert await ledger.rows() == before


async def test_jobs_with_gpus_are_charged_again_after_the_upgrade_that_counts_them(
    tmp_path: Path, clock: ManualClock
) -> None:
    url = f"sqlite:///{tmp_path}/hub.sqlite3"
    history = await History.open(url, clock)
    told = Told(1, "n1")
    await history.hear(told.start(0), gpu_state(told, 90, seen_s=80, busy_s=40, has_ended=True))
    await history.learn(job(1, 0, 100), job(2, 0, 100))
    await Ledger(history).keep()
    await history.close()
    engine = create_engine(url)
    with engine.begin() as connection:
        take_back_to(connection, 24)
    engine.dispose()
    clock.advance(HOUR_S)
    upgraded = Ledger(await History.open(url, clock))
    assert (await upgraded.keeper.step()).jobs == 1
    assert (await upgraded.total(0, 100)).gpu_busy_ms == 40_000
    await upgraded.history.close()


async def test_a_database_of_before_has_every_job_charged_after_the_upgrade(tmp_path: Path, clock: ManualClock) -> None:
    url = f"sqlite:///{tmp_path}/hub.sqlite3"
    history = await History.open(url, clock)
    await history.learn(job(1, 0, 100), job(2, 0, 3_000))
    await history.close()
    engine = create_engine(url)
    with engine.begin() as connection:
        take_back_to(connection, 12)
    engine.dispose()
    upgraded = Ledger(await History.open(url, clock))
    await upgraded.keep()
    assert (await upgraded.total(-10, 4_000)).core_s == 0  # the clock stands at the begin
    clock.advance(5_000)
    assert (await upgraded.total(-10, 4_000)).core_s == 8 * 3_100
    await upgraded.history.close()
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM uncharged_jobs")).scalar() == 0
    engine.dispose()
