"""Lines in SQLite: what every store promises, and what belongs to files on this machine."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.logs.query import NOBODY, LogQuery
from slurmlens.hub.logs.sqlite_store import SqliteLogStore
from slurmlens.hub.logs.store import LogStoreError
from testkit.log_store_promises import AT_NS, DAY_NS, KEEP_DAYS, MINUTE_NS, LogStorePromises, at, line, messages
from testkit.manual_clock import ManualClock


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteLogStore]:
    made = SqliteLogStore(tmp_path / "logs", KEEP_DAYS, ManualClock())
    yield made
    await made.close()


class TestSqlite(LogStorePromises):
    pass


async def test_a_damaged_day_says_so_and_another_day_is_found(store: SqliteLogStore, tmp_path: Path) -> None:
    await store.append([(line(1), NOBODY)])
    (tmp_path / "logs" / "logs-2020-01-01.sqlite3").write_bytes(b"no database at all" * 100)
    with pytest.raises(LogStoreError, match="not a database"):
        await messages(store, until_ns=AT_NS - 365 * DAY_NS)
    assert await messages(store, since_ns=AT_NS) == ["hello"]


async def test_a_days_course_is_read_from_its_minutes(store: SqliteLogStore, tmp_path: Path) -> None:
    await store.append([(at(n, AT_NS + n * MINUTE_NS), NOBODY) for n in range(10)])
    (path,) = (tmp_path / "logs").glob("*.sqlite3")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE minutes SET lines = 7")
    slots = await store.histogram(EVERYBODY, LogQuery(until_ns=AT_NS + 10 * MINUTE_NS), AT_NS, 5 * MINUTE_NS)
    assert [slot.lines for slot in slots] == [35, 35]


async def test_a_file_of_an_earlier_release_is_counted_and_goes_on(tmp_path: Path) -> None:
    store = SqliteLogStore(tmp_path / "logs", KEEP_DAYS, ManualClock())
    await store.append([(at(n, AT_NS + n * MINUTE_NS, job_id=7), NOBODY) for n in range(10)])
    await store.close()
    (path,) = (tmp_path / "logs").glob("*.sqlite3")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE minutes; DROP INDEX lines_unfinished; PRAGMA user_version = 0")
    later = SqliteLogStore(tmp_path / "logs", KEEP_DAYS, ManualClock())
    for expected in (10, 11):
        (slot,) = await later.histogram(EVERYBODY, LogQuery(), AT_NS, 60 * MINUTE_NS)
        assert slot.lines == expected
        await later.append([(at(20, AT_NS + MINUTE_NS, job_id=8), NOBODY)])
    assert len(await later.unfinished(AT_NS, 100)) == 11
    await later.close()
