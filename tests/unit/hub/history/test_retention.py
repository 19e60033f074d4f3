"""What is too old goes in small steps, and nothing that was concluded changes by it."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bench.hub_load.histories import HistoryShape, fill
from bench.hub_load.job_mix import JobMix
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, func, select

from slurmlens.config.hub import HubConfig
from slurmlens.config.retention import RetentionConfig
from slurmlens.events import AnyEvent
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.retention import AIM_S, MOST_HELD_S, MOST_ROWS, DueItems, Retention, StepSize
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.facts import Detail
from slurmlens.hub.history.profiles.coarse import COARSE_BINS
from slurmlens.hub.history.record.concluding import JobKey
from slurmlens.hub.history.retention import DAY_S, kinds_of_history
from slurmlens.hub.views.job.profile_bins import integral
from slurmlens.slurm.records import JobState
from testkit.checkout import ROOT
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S, Told

AGES = RetentionConfig(bodies_days=14, profiles_days=30, events_days=90, coarse_profiles_days=1000)
CONCLUDED = (schema.runs, schema.run_nodes, schema.executions)
MIX = JobMix(300, now_s=BEGIN_S, jobs_a_day=150, seed=3)


def aging(history: History, ages: RetentionConfig = AGES) -> Retention:
    return Retention(history.store, kinds_of_history(ages), history.clock)


async def everything_due_goes(retention: Retention) -> int:
    """How many turns it took."""
    turns = 0
    while await retention.turn():
        turns += 1
    return turns


async def rows(history: History, table: Table, *left_out: str) -> list[tuple[Any, ...]]:
    columns = [column for column in table.columns if column.name not in left_out]
    query = select(*columns).order_by(*table.primary_key.columns)

    def read(connection: Connection) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in connection.execute(query)]

    return await history.store.read(read)


async def concluded(history: History) -> list[list[tuple[Any, ...]]]:
    """What no retention may change."""
    return [
        *[await rows(history, table) for table in CONCLUDED],
        await rows(history, schema.sightings, "detail", "heard_ns"),
    ]


async def count(history: History, table: Table) -> int:
    query = select(func.count()).select_from(table)
    return await history.store.read(lambda connection: connection.execute(query).scalar_one())


async def a_job_that_ended(history: History) -> list[AnyEvent]:
    one = Told()
    events = [one.start(0), one.points(0, *[float(number) for number in range(300)]), one.end(3000)]
    events.append(one.summary(0, 3000, means=tuple(float(number) for number in range(300))))
    await history.hear(*events)
    await history.learn(record(JobState.COMPLETED, end=3000, nodes=("n1",)))
    return events


async def test_detail_goes_step_by_step_and_the_run_stays(history: History) -> None:
    await a_job_that_ended(history)
    before, retention = await concluded(history), aging(history)
    assert not await retention.turn()
    facts = await history.facts()
    assert facts.nodes[0].profile is not None
    assert facts.nodes[0].profile.count == 300

    history.clock.advance(15 * DAY_S)
    await everything_due_goes(retention)
    assert await history.queries.job_events(EVERYBODY, 7) == []
    assert len((await history.facts()).timeline) == 2
    assert (await history.facts()).nodes[0].profile == facts.nodes[0].profile

    history.clock.advance(20 * DAY_S)
    await everything_due_goes(retention)
    coarse = (await history.facts()).nodes[0].profile
    assert coarse is not None
    assert coarse.count <= COARSE_BINS
    assert integral(coarse, "cpu_cores") == pytest.approx(integral(facts.nodes[0].profile, "cpu_cores"), rel=0.01)
    assert len((await history.facts()).timeline) == 2

    history.clock.advance(60 * DAY_S)
    await everything_due_goes(retention)
    assert (await history.facts()).timeline == ()
    assert (await history.facts()).nodes[0].profile is not None

    history.clock.advance(1000 * DAY_S)
    await everything_due_goes(retention)
    last = await history.facts()
    assert last.nodes[0].profile is None
    assert last.nodes[0].totals == facts.nodes[0].totals
    assert last.outcome == facts.outcome
    assert (facts.detail, last.detail) == (Detail.ALL, Detail.NO_COURSE)
    assert await concluded(history) == before
    told = {aged.kind: aged for aged in retention.told()}
    assert {name: aged.removed for name, aged in told.items()} == {
        "bodies": 1,
        "fine profiles": 1,
        "events": 4,
        "coarse profiles": 1,
    }
    assert all(aged.last_ns and aged.behind_s == 0 for aged in told.values())


async def test_what_still_runs_and_what_is_not_packed_keeps_everything(history: History) -> None:
    one = Told()
    await history.apply([one.start(0), one.points(0, 1.0, 2.0)])
    history.clock.advance(5000 * DAY_S)
    retention = aging(history)
    assert not await retention.turn()
    assert await count(history, schema.batches) == 1
    await history.refresh()
    await everything_due_goes(retention)
    assert await count(history, schema.batches) == 0
    assert await count(history, schema.events) == 2
    assert (await history.facts()).nodes[0].profile is not None


async def test_an_event_that_comes_after_all_gives_its_detail_back_and_ages_anew(history: History) -> None:
    events = await a_job_that_ended(history)
    before, retention = await concluded(history), aging(history)
    history.clock.advance(100 * DAY_S)
    await everything_due_goes(retention)
    assert await rows(history, schema.events) == []
    await history.hear(*events)
    await history.refresh()
    assert await concluded(history) == before
    assert len(await history.queries.job_events(EVERYBODY, 7)) == 4
    assert len((await history.facts()).timeline) == 2
    assert not await retention.turn()
    history.clock.advance(100 * DAY_S)
    await everything_due_goes(retention)
    assert await rows(history, schema.events) == []
    assert await concluded(history) == before


async def test_what_was_heard_while_a_step_was_made_ready_is_left_alone(history: History) -> None:
    events = await a_job_that_ended(history)
    history.clock.advance(31 * DAY_S)
    fine = kinds_of_history(AGES)[1]
    before_ns = history.clock.wall_ns() - 30 * DAY_S * 10**9
    due = await history.store.read(lambda connection: fine.due(connection, before_ns, 10))
    assert due is not None
    assert len(due.items) == 1
    await history.hear(msgspec.structs.replace(events[1], id="late"))
    assert await history.store.write(lambda transaction: fine.remove(transaction, due.items)) == 0
    assert [row[-1] for row in await rows(history, schema.sightings)] == [Detail.ALL.value]


class HeavyKind:
    """Steps that take a millisecond a row, on a clock of the test's."""

    name, kept_s = "heavy", 0.0

    def __init__(self, clock: ManualClock, left: int) -> None:
        self._clock, self._left = clock, left
        self.held_s: list[float] = []

    def due(self, connection: Connection, before_ns: int, most: int) -> DueItems | None:
        return DueItems(range(min(most, self._left)), before_ns - 10**9) if self._left else None

    def remove(self, transaction: Transaction, items: Sequence[Any]) -> int:
        self.held_s.append(len(items) / 1000)
        self._clock.advance(self.held_s[-1])
        self._left -= len(items)
        return len(items)


async def test_steps_grow_until_the_writer_is_held_for_as_long_as_it_may_be(history: History) -> None:
    heavy = HeavyKind(history.clock, 500)
    retention = Retention(history.store, [heavy], history.clock)
    assert await everything_due_goes(retention) > 500 / (1000 * MOST_HELD_S)
    assert max(heavy.held_s) <= MOST_HELD_S
    assert retention.told()[0].removed == 500


def test_a_step_that_took_too_long_is_followed_by_a_smaller_one() -> None:
    size = StepSize(1000)
    size.took(10 * AIM_S)
    assert size.rows == 250
    for _ in range(30):
        size.took(1.0)
    assert size.rows == 1
    for _ in range(30):
        size.took(0.0001)
    assert size.rows == MOST_ROWS


async def test_the_next_hub_goes_on_counting(history: History) -> None:
    await a_job_that_ended(history)
    history.clock.advance(15 * DAY_S)
    await everything_due_goes(aging(history))
    later = aging(history)
    await later.load()
    assert {aged.kind: aged.removed for aged in later.told()}["bodies"] == 1


@pytest.mark.thorough
@settings(max_examples=12, deadline=None, database=None, derandomize=True)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_whatever_is_dropped_and_whenever_all_is_concluded_as_before(seed: int, days: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_dropped_and_concluded_again(f"sqlite:///{folder}/hub.sqlite3", seed, days))


async def _dropped_and_concluded_again(url: str, seed: int, days: list[int]) -> None:
    rng = random.Random(seed)
    history = await History.open(url, ManualClock())
    try:
        mix = JobMix(60, now_s=BEGIN_S, jobs_a_day=30, nodes=12, seed=seed)
        await fill(history.store, HistoryShape(mix, bodies_days=100, courses_days=100))
        await history.store.read(history.applier.numbers.load)
        before, retention = await concluded(history), aging(history)
        keys = [JobKey("demo", number) for number in range(1, 61)]
        for advance in days:
            history.clock.advance(advance * DAY_S)
            for _ in range(rng.randrange(1, 12)):
                await retention.turn()
            now_ns = history.clock.wall_ns()
            again = await history.store.write(
                lambda transaction, now_ns=now_ns: history.concluder.conclude(transaction, keys, now_ns)
            )
            assert not again.failed
            assert await concluded(history) == before
            for key in rng.sample(keys, 3):
                assert await history.queries.job_facts(EVERYBODY, key.job_id) is not None
    finally:
        await history.close()


AGE_FOR_EVER = """
import asyncio, sys
from slurmlens.hub.database import retention
from testkit.hub_history import History
from testkit.manual_clock import ManualClock
sys.path.insert(0, sys.argv[2])
from test_retention import aging, DAY_S

retention.MOST_ROWS = 3
retention.LEAST_REST_S = retention.REST = 0.0

async def main():
    history = await History.open(sys.argv[1], ManualClock())
    history.clock.advance(200 * DAY_S)
    ages = aging(history)
    await ages.load()
    while await ages.turn():
        print(sum(aged.removed for aged in ages.told()), flush=True)

asyncio.run(main())
"""


@pytest.mark.thorough
async def test_a_hub_killed_between_steps_goes_on_and_comes_to_the_same(tmp_path: Path) -> None:
    left = []
    for is_killed in (False, True):
        url = f"sqlite:///{tmp_path}/{'killed' if is_killed else 'whole'}.sqlite3"
        history = await History.open(url, ManualClock())
        await fill(history.store, HistoryShape(MIX, bodies_days=100, courses_days=100))
        await history.close()
        if is_killed:
            await _killed_while_it_ages(url)
        history = await History.open(url, ManualClock())
        try:
            history.clock.advance(200 * DAY_S)
            ages = aging(history)
            await ages.load()
            await everything_due_goes(ages)
            tables = (schema.batches, schema.events, schema.courses, schema.sightings, schema.runs)
            left.append([await rows(history, table) for table in tables])
            left[-1].append([aged.removed for aged in ages.told()])
        finally:
            await history.close()
    assert left[0] == left[1]


async def _killed_while_it_ages(url: str) -> None:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}/daemon:{ROOT}/tests:{ROOT}"}
    for steps in (3, 7):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", AGE_FOR_EVER, url, str(Path(__file__).parent)),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        for _ in range(steps):
            assert int(await process.stdout.readline()) > 0
        process.kill()
        await process.communicate()


def test_ages_that_contradict_each_other_are_named() -> None:
    assert list(RetentionConfig().problems()) == []
    problems = dict(RetentionConfig(profiles_days=100, events_days=90).problems())
    assert "profiles_days" in problems["events_days"]
    assert HubConfig().retention == RetentionConfig()
