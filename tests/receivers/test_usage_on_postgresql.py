"""What is kept of usage on a real PostgreSQL: two hubs at once, a rebuild meanwhile, no writes for a while."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import psycopg
import pytest
from deploy.components.postgresql import PostgreSql
from sqlalchemy import Connection, select

from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.database.store import StoreError
from slurmlens.hub.usage import tables as schema
from slurmlens.hub.usage.asked import EVERYBODYS
from slurmlens.hub.usage.charges import DAY_S, RunCharge
from slurmlens.hub.usage.facts import UsageFilter, UsageWindow
from slurmlens.hub.usage.keeping import UsageKeeper, charge_of_row
from slurmlens.hub.usage.read import UsageQueries
from slurmlens.hub.usage.rebuild import rebuild_usage
from slurmlens.slurm.records import JobRecord, JobState
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S
from testkit.usage_oracle import started_slowly

OTHERS_END = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
Answer = TypeVar("Answer")
_numbers = itertools.count(1)


@pytest.fixture
def database_url(postgresql: PostgreSql) -> str:
    return postgresql.make_database(f"usage{next(_numbers)}")


@pytest.fixture
async def hubs(database_url: str) -> AsyncIterator[tuple[History, History]]:
    clock = ManualClock()
    clock.advance(4 * DAY_S)
    both = [await History.open(database_url, clock, shared=True) for _ in range(2)]
    yield both[0], both[1]
    for one in both:
        await one.close()


def jobs(first: int, count: int, state: JobState = JobState.COMPLETED) -> list[JobRecord]:
    """Jobs of two days and one user, so that both hubs add to the same rows."""
    rng = random.Random(first)
    begun = [rng.randrange(2 * DAY_S) for _ in range(count)]
    return [
        record(
            state,
            job_id=first + number,
            submit=start - 60 * (number % 7),
            start=start,
            end=None if state is JobState.RUNNING else start + 4_000,
            cpu_count=8,
            account="physics",
            name=f"job-{number}",
        )
        for number, start in enumerate(begun)
    ]


def keeper_of(hub: History) -> UsageKeeper:
    return UsageKeeper(hub.store, "demo", hub.news, hub.clock)


async def keep(hub: History, most: int = 7) -> None:
    keeper = keeper_of(hub)
    while (await keeper.step(most)).jobs:
        await asyncio.sleep(0)


async def rows(hub: History) -> dict[str, list[tuple[object, ...]]]:
    def question(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
        return {one.name: sorted(map(tuple, connection.execute(select(one)))) for one in schema.SUMS}

    return await hub.store.read(question)


async def assert_as_slowly(hub: History) -> None:
    """The kept sums, and SELECTs over the ledger for an account whose all runs are, against the runs one by one."""

    def question(connection: Connection) -> list[RunCharge]:
        return [charge_of_row(dict(row)) for row in connection.execute(select(schema.usage_runs)).mappings()]

    window = UsageWindow(BEGIN_S - 100, BEGIN_S + 3 * DAY_S)
    slow = started_slowly(await hub.store.read(question), window)
    for which in (EVERYBODYS, UsageFilter(account="physics")):
        found = await UsageQueries(hub.store, "demo").started(EVERYBODY, window, which)
        assert {
            (one.job_type, one.size_class): (one.runs, one.users, one.core_s, one.failed) for one in found.job_types
        } == slow.kinds
        assert {one.user: (one.from_s, one.runs) for one in found.bursts} == slow.bursts


async def test_two_hubs_that_charge_at_once_and_a_rebuild_meanwhile_come_to_the_same_sums(
    hubs: tuple[History, History],
) -> None:
    one, other = hubs
    await one.learn(*jobs(1, 60, JobState.RUNNING))
    await asyncio.gather(keep(one), keep(other))
    await one.learn(*jobs(1, 60))
    await other.learn(*jobs(100, 60))
    await asyncio.gather(keep(one), keep(other), rebuild_usage(other.store, "demo"))
    await asyncio.gather(keep(one), keep(other))
    before = await rows(one)
    assert all(before.values())
    await assert_as_slowly(one)
    await rebuild_usage(one.store, "demo")
    await keep(one, 400)
    assert await rows(one) == before


async def test_a_database_that_takes_no_writes_for_a_while_loses_and_doubles_nothing(
    hubs: tuple[History, History], database_url: str
) -> None:
    one, _ = hubs
    await one.learn(*jobs(1, 30))
    await keeper_of(one).step(10)
    before = await rows(one)
    name = database_url.rpartition("/")[2]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        connection.execute(OTHERS_END)
        with pytest.raises(StoreError, match="read-only"):
            await again(lambda: keeper_of(one).step(10))
        connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        connection.execute(OTHERS_END)
    assert await again(lambda: rows(one)) == before
    await again(lambda: keep(one))
    assert sum(map(len, (await rows(one)).values())) > sum(map(len, before.values()))
    await assert_as_slowly(one)


async def again(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """What the call answers where the server has ended each connection that the hub had open."""
    for _ in range(9):
        with contextlib.suppress(StoreError):
            return await call()
    return await call()
