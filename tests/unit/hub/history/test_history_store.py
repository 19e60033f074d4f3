"""The database file: opened, refused, killed in the middle of writing, and opened again."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, Select, func, insert, select

from slurmlens.errors import ConfigError, DeliveryError
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.record import storing
from slurmlens.hub.history.record.applying import Applied
from slurmlens.hub.history.record.concluding import WIDE_SIGHTINGS
from slurmlens.hub.news import RunsChanged, RunsMarked
from slurmlens.wire.received import SightingEvent
from testkit.checkout import ROOT
from testkit.hub_history import History
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S, Told, at_ns

INGEST_FOR_EVER = """
import asyncio, sys
from testkit.hub_history import History
from testkit.manual_clock import ManualClock
from testkit.told_events import Told

async def main():
    history = await History.open(sys.argv[1], ManualClock())
    for job_id in range(1, 1_000_000):
        one, two = Told(job_id, "n1"), Told(job_id, "n2")
        batch = [one.start(1), two.start(1), one.points(1, 1.0), one.summary(1, 3), two.summary(1, 3)]
        await history.apply(batch)
        print(job_id, flush=True)

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
    history = await History.open(database_url, clock)
    try:
        await history.refresh()  # what the hub does at its start
        sightings, events = schema.sightings, schema.events
        joined = select(sightings.c.job_id, func.count()).join(events, events.c.sighting == sightings.c.rid)
        counts = await history.store.read(lambda connection: _counts(connection, joined.group_by(sightings.c.job_id)))
        parts = select(sightings.c.job_id, func.count()).group_by(sightings.c.job_id)
        own = await history.store.read(lambda connection: _counts(connection, parts))
        assert set(range(1, last + 1)) <= set(counts) <= set(range(1, last + 2))
        assert set(counts.values()) == {5}
        assert own == dict.fromkeys(counts, 2)
        for job_id in (1, last, max(counts)):
            facts = await history.facts(job_id)
            assert [node.samples for node in facts.nodes] == [4, 4]
    finally:
        await history.close()


def _counts(connection: Connection, query: Select[tuple[int, int]]) -> dict[int, int]:
    return {row[0]: row[1] for row in connection.execute(query)}


async def test_a_transaction_that_fails_leaves_nothing(history: History) -> None:
    row = {"cluster": "demo", "job_id": 1}

    def write_twice(transaction: Transaction) -> None:
        transaction.put(schema.stale_jobs, ("cluster", "job_id"), [row])
        transaction.core.execute(insert(schema.stale_jobs).values(row))

    with pytest.raises(DeliveryError) as failed:
        await history.store.write(write_twice)
    assert failed.value.retriable
    query = select(func.count()).select_from(schema.stale_jobs)
    assert await history.store.read(lambda connection: connection.execute(query).scalar()) == 0


async def test_two_writers_take_turns(history: History) -> None:
    batches = [[Told(job_id).start(1), Told(job_id).summary(1, 3)] for job_id in range(1, 21)]
    await asyncio.gather(*(history.apply(batch, BEGIN_S) for batch in batches))
    await history.refresh()
    assert len((await history.queries.status(EVERYBODY)).nodes) == 1
    assert (await history.facts(20)).nodes[0].samples == 4


async def test_a_job_of_many_nodes_is_concluded_now_and_then_and_a_mark_remembers_it(history: History) -> None:
    """With each commit it would cost the square of its nodes."""
    heard = history.news.subscribe(RunsChanged, RunsMarked)
    await history.apply([Told(1, f"n{number}").start(1) for number in range(WIDE_SIGHTINGS)], at_ns(1))
    await history.apply([Told(1, "late").start(1)], at_ns(1.05))
    assert heard.take_all() == [RunsChanged(1), RunsMarked()]
    assert len((await history.facts(1)).nodes) == WIDE_SIGHTINGS
    refreshed = await history.refresher.refresh(at_ns(2))
    assert [key.job_id for key in refreshed.done] == [1]
    assert len((await history.facts(1)).nodes) == WIDE_SIGHTINGS + 1


async def test_batches_that_wait_together_share_a_transaction_and_no_fault(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One batch that can't be stored fails alone; the others of its group are stored."""
    real = storing.fold

    def poisoned(row: dict[str, object], events: Sequence[SightingEvent], heard_ns: int) -> None:
        if any(event.node == "n3" for event in events):
            raise OverflowError("too large for a column")
        real(row, events, heard_ns)

    monkeypatch.setattr(storing, "fold", poisoned)
    batches = [[Told(1, f"n{number}").start(1)] for number in range(6)]
    stored = await asyncio.gather(*(history.apply(batch, BEGIN_S) for batch in batches), return_exceptions=True)
    failed = [number for number, outcome in enumerate(stored) if isinstance(outcome, BaseException)]
    assert failed == [3]
    assert sum(len(outcome.new) for outcome in stored if not isinstance(outcome, BaseException)) == 5


async def test_a_sender_that_gives_up_leaves_the_others_of_its_group_an_answer(history: History) -> None:
    sending = [asyncio.create_task(history.apply([Told(1, f"n{n}").start(1)], BEGIN_S)) for n in range(4)]
    await asyncio.sleep(0)
    sending[0].cancel()
    done = await asyncio.wait_for(asyncio.gather(*sending, return_exceptions=True), 10)
    assert all(isinstance(outcome, asyncio.CancelledError | DeliveryError | Applied) for outcome in done)
    again = await history.apply([Told(1, "n2").start(1)], BEGIN_S)
    assert len(again.new) + again.known == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("garbage", "database.url"),
        ("mysql:///x.db", "postgresql://USER@HOST/NAME"),
        ("postgresql://host:port/x", "database.url"),
        ("nosuch://x", "database.url"),
        ("sqlite:////proc/none/x.db", "database.url"),
    ],
)
async def test_a_database_that_cannot_be_is_a_setting_to_mend(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        await Store.open(url)


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hub.sqlite3").write_bytes(b"no database at all" * 100)
    with pytest.raises(ConfigError, match="cannot be opened"):
        await Store.open(f"sqlite:///{tmp_path}/hub.sqlite3")


async def test_a_schema_of_a_later_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite3"
    database_url = f"sqlite:///{path}"
    await (await Store.open(database_url)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
    connection.close()
    with pytest.raises(ConfigError, match=r"schema is version 99, this release writes \d+"):
        await Store.open(database_url)


async def test_what_a_node_was_told_is_on_the_disk(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/hub.sqlite3")
    for pragma, value in (("journal_mode", "wal"), ("synchronous", 2)):
        found = await store.write(
            lambda transaction, pragma=pragma: transaction.core.exec_driver_sql(f"PRAGMA {pragma}").scalar()
        )
        assert found == value
    await store.close()
