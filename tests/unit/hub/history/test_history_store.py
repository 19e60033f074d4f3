"""The database file: opened, refused, killed in the middle of writing, and opened again."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.dialects import postgresql

from slurmlens.errors import ConfigError, DeliveryError
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.database import tables as schema
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.record import sighting_writer
from slurmlens.hub.history.record.apply import Applied
from slurmlens.hub.history.refresh import LEAST_JOBS
from testkit.checkout import ROOT
from testkit.hub_history import History
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S, Told

INGEST_FOR_EVER = """
import asyncio, sys
from testkit.told_events import Told
from slurmlens.hub.history.record.apply import Applier
from slurmlens.hub.history.refresh import Refresher
from slurmlens.hub.database.store import Store

async def main():
    store = await Store.open(sys.argv[1])
    applier, refresher = Applier(store), Refresher(store)
    for job_id in range(1, 1_000_000):
        one, two = Told(job_id, "n1"), Told(job_id, "n2")
        batch = [one.start(1), two.start(1), one.points(1, 1.0), one.summary(1, 3), two.summary(1, 3)]
        await applier.apply(batch, 1)
        print(job_id, flush=True)
        await refresher.refresh(1)

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 7, 20])
async def test_a_hub_killed_at_any_moment_has_what_it_acknowledged_and_nothing_half_done(
    database_url: str, clock: ManualClock, acknowledged: int
) -> None:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}/daemon:{ROOT}/tests"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", INGEST_FOR_EVER, database_url, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    last = 0
    while last < acknowledged:
        last = int(await process.stdout.readline())
    process.kill()
    told, _ = await process.communicate()
    last = max([last, *(int(line) for line in told.split())])
    store = await Store.open(database_url)
    try:
        history = History(store, clock)
        await history.refresh()  # what the hub does at its start
        async with store.read() as connection:
            events = dict(
                (await connection.execute(select(schema.events.c.job_id, func.count()).group_by("job_id"))).all()  # type: ignore[arg-type]
            )
            sightings = dict(
                (await connection.execute(select(schema.sightings.c.job_id, func.count()).group_by("job_id"))).all()  # type: ignore[arg-type]
            )
        assert set(range(1, last + 1)) <= set(events) <= set(range(1, last + 2))
        assert set(events.values()) == {5}
        assert sightings == dict.fromkeys(events, 2)
        for job_id in (1, last, max(events)):
            facts = await history.facts(job_id)
            assert [node.samples for node in facts.nodes] == [4, 4]
    finally:
        await store.close()


async def test_a_transaction_that_fails_leaves_nothing(history: History) -> None:
    row = {"cluster": "demo", "job_id": 1}

    async def write_twice() -> None:
        async with history.store.write() as connection:
            await connection.execute(insert(schema.stale_jobs).values(row))
            await connection.execute(insert(schema.stale_jobs).values(row))

    with pytest.raises(DeliveryError) as failed:
        await write_twice()
    assert failed.value.retriable
    async with history.store.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(schema.stale_jobs))).scalar() == 0


async def test_two_writers_take_turns(history: History) -> None:
    batches = [[Told(job_id).start(1), Told(job_id).summary(1, 3)] for job_id in range(1, 21)]
    await asyncio.gather(*(history.applier.apply(batch, BEGIN_S) for batch in batches))
    await history.refresh()
    assert len((await history.queries.status(EVERYBODY)).nodes) == 1
    assert (await history.facts(20)).nodes[0].samples == 4


async def test_what_comes_in_does_not_wait_for_all_that_is_to_be_made_anew(history: History) -> None:
    """Else a node gets no answer in time, sends the same again, and the hub hears nothing new."""
    await history.applier.apply([Told(job_id).start(1) for job_id in range(1, 41)], BEGIN_S)
    refreshing = asyncio.create_task(history.refresher.refresh(1))
    while not history.store._writing.locked():
        await asyncio.sleep(0)
    applied = await history.applier.apply([Told(41).start(1)], BEGIN_S)
    refreshed = await refreshing
    assert len(applied.new) == 1
    assert len(refreshed.done) == LEAST_JOBS
    assert len((await history.refresher.refresh(1)).done) == 41 - LEAST_JOBS


async def test_batches_that_wait_together_share_a_transaction_and_no_fault(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One batch that can't be stored fails alone; the others of its group are stored."""
    real = sighting_writer.facts_of

    def poisoned(events: object) -> dict[str, object]:
        if any(event.node == "n3" for event in events):  # type: ignore[attr-defined]
            raise OverflowError("too large for a column")
        return real(events)  # type: ignore[arg-type]

    monkeypatch.setattr(sighting_writer, "facts_of", poisoned)
    batches = [[Told(1, f"n{number}").start(1)] for number in range(6)]
    stored = await asyncio.gather(*(history.applier.apply(batch, BEGIN_S) for batch in batches), return_exceptions=True)
    failed = [number for number, outcome in enumerate(stored) if isinstance(outcome, BaseException)]
    assert failed == [3]
    assert sum(len(outcome.new) for outcome in stored if not isinstance(outcome, BaseException)) == 5


async def test_a_sender_that_gives_up_leaves_the_others_of_its_group_an_answer(history: History) -> None:
    sending = [asyncio.create_task(history.applier.apply([Told(1, f"n{n}").start(1)], BEGIN_S)) for n in range(4)]
    await asyncio.sleep(0)
    sending[0].cancel()
    done = await asyncio.wait_for(asyncio.gather(*sending, return_exceptions=True), 10)
    assert all(isinstance(outcome, asyncio.CancelledError | DeliveryError | Applied) for outcome in done)
    again = await history.applier.apply([Told(1, "n2").start(1)], BEGIN_S)
    assert len(again.new) + again.known == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("garbage", "database.url"),
        ("sqlite:///x.db", "sqlite\\+aiosqlite"),
        ("nosuch://x", "database.url"),
        ("sqlite+aiosqlite:////proc/none/x.db", "database.url"),
    ],
)
async def test_a_database_that_cannot_be_is_a_setting_to_mend(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        await Store.open(url)


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hub.sqlite3").write_bytes(b"no database at all" * 100)
    with pytest.raises(ConfigError, match="cannot be opened"):
        await Store.open(f"sqlite+aiosqlite:///{tmp_path}/hub.sqlite3")


async def test_a_database_of_the_release_before_is_upgraded_and_keeps_what_it_holds(database_url: str) -> None:
    await (await Store.open(database_url)).close()
    path = database_url.removeprefix("sqlite+aiosqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE nodes DROP COLUMN beat_heard_ns")
        connection.execute("DROP TABLE drops")
        connection.execute("UPDATE schema_version SET version = 1")
        connection.execute("INSERT INTO nodes (cluster, node, heard_ns, boot_id) VALUES ('demo', 'n1', 17, 'b')")
    connection.close()
    await (await Store.open(database_url)).close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT node, beat_heard_ns FROM nodes").fetchall() == [("n1", 17)]
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(3,)]
    connection.close()


async def test_an_upgraded_table_is_the_one_that_a_new_database_has(database_url: str) -> None:
    await (await Store.open(database_url)).close()
    path = database_url.removeprefix("sqlite+aiosqlite:///")
    shape = "PRAGMA table_info(drops)"
    with sqlite3.connect(path) as connection:
        new = connection.execute(shape).fetchall()
        connection.execute("DROP TABLE drops")
        connection.execute("UPDATE schema_version SET version = 2")
    connection.close()
    await (await Store.open(database_url)).close()
    with sqlite3.connect(path) as connection:
        assert connection.execute(shape).fetchall() == new
        assert len(new) == 7
    connection.close()


async def test_a_schema_of_another_release_is_refused_and_left_alone(database_url: str) -> None:
    await (await Store.open(database_url)).close()
    path = database_url.removeprefix("sqlite+aiosqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    connection.close()
    with pytest.raises(ConfigError, match="schema is version 99, this release writes 3"):
        await Store.open(database_url)


async def test_what_a_node_was_told_is_on_the_disk(history: History) -> None:
    async with history.store.read() as connection:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2)):
            assert (await connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar() == value


SMALL = {"version", "run", "number", "incarnation", "slot"}
"""What our own programs count; every other integer comes from outside and may need 64 bits."""


def test_what_comes_from_outside_has_64_bits_in_postgresql_too() -> None:
    """SQLite gives every integer 64 bits; PostgreSQL's INTEGER has 32, and nanoseconds do not fit."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in schema.metadata.sorted_tables:
        for column in table.columns:
            if column.type.compile(dialect) == "INTEGER":
                assert column.name in SMALL or column.name.startswith("is_"), f"{table.name}.{column.name}"
