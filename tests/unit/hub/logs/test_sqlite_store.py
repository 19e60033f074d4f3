"""Lines in SQLite: what every store promises, and what belongs to files on this machine."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.logs.query import NOBODY, JobOwner, LogQuery, StoredLine
from slurmlens.hub.logs.sqlite_days import day_of
from slurmlens.hub.logs.sqlite_queries import newest
from slurmlens.hub.logs.sqlite_store import SqliteLogStore
from slurmlens.hub.logs.store import LogStoreError
from slurmlens.hub.logs.tail import fits
from slurmlens.hub.logs.words import terms_of
from testkit.log_store_promises import (
    ALICE,
    ALICES,
    AT_NS,
    BOB,
    DAY_NS,
    KEEP_DAYS,
    MINUTE_NS,
    LogStorePromises,
    at,
    line,
    messages,
)
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


EARLIER = """
PRAGMA journal_mode = WAL;
CREATE TABLE lines (
    number INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, id TEXT NOT NULL UNIQUE, node TEXT NOT NULL, program TEXT,
    severity INTEGER NOT NULL, job_id INTEGER, kind TEXT, user TEXT, account TEXT, partition TEXT, line BLOB NOT NULL);
CREATE INDEX lines_by_time ON lines (time_ns, number, severity);
CREATE INDEX lines_of_job ON lines (job_id, time_ns, number) WHERE job_id IS NOT NULL;
CREATE INDEX lines_of_node ON lines (node, time_ns, number);
CREATE VIRTUAL TABLE words USING fts5 (
    message, content='', tokenize="unicode61 remove_diacritics 0 tokenchars '_'");
"""
COUNTED = """
CREATE TABLE minutes (minute INTEGER PRIMARY KEY, lines INTEGER NOT NULL, errors INTEGER NOT NULL);
CREATE INDEX lines_unfinished ON lines (time_ns) WHERE job_id IS NOT NULL AND user IS NULL;
PRAGMA user_version = 1;
"""


@pytest.mark.parametrize("tables", [EARLIER, EARLIER + COUNTED], ids=["without counts", "without stretches"])
async def test_a_day_that_an_earlier_release_began_goes_on_and_is_asked_as_any(tmp_path: Path, tables: str) -> None:
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs" / f"logs-{day_of(AT_NS)}.sqlite3"
    kept = at(1, AT_NS, "disk full", job_id=7)
    row = (1, kept.time_ns, kept.id, "n1", None, 6, 7, None, None, None, None, msgspec.json.encode(kept))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(tables)
        connection.execute("INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        connection.execute("INSERT INTO words (rowid, message) VALUES (1, ?)", (kept.message,))
        if tables.endswith(COUNTED):
            connection.execute("INSERT INTO minutes VALUES (?, 1, 0)", (kept.time_ns // MINUTE_NS,))
    store = SqliteLogStore(tmp_path / "logs", KEEP_DAYS, ManualClock())
    assert await messages(store) == ["disk full"]
    await store.append([(kept, NOBODY), (at(2, AT_NS + MINUTE_NS, "disk empty", job_id=8), NOBODY)])
    (slot,) = await store.histogram(EVERYBODY, LogQuery(), AT_NS, 60 * MINUTE_NS)
    assert slot.lines == 2
    first, *_ = unfinished = await store.unfinished(AT_NS, 100)
    assert len(unfinished) == 2
    await store.replace([msgspec.structs.replace(first, owner=JobOwner("alice"))])
    for query, found in (({"text": "disk"}, 2), ({"job_id": 7}, 1), ({"node": "n1", "text": "empty"}, 1)):
        assert len(await messages(store, **query)) == found, query
    assert await messages(store, user="alice") == ["disk empty"]
    await store.close()


async def test_lines_that_an_earlier_release_wrote_in_between_are_found(tmp_path: Path) -> None:
    store = SqliteLogStore(tmp_path / "logs", KEEP_DAYS, ManualClock())
    await store.append([(at(n, AT_NS + n * 20 * MINUTE_NS, job_id=7), NOBODY) for n in range(3)])
    await store.close()
    (path,) = (tmp_path / "logs").glob("*.sqlite3")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM stretches WHERE first_number > 1")
    later = SqliteLogStore(tmp_path / "logs", KEEP_DAYS, ManualClock())
    await later.append([(at(3, AT_NS + 60 * MINUTE_NS, job_id=7), NOBODY)])
    assert await messages(later, job_id=7) == ["m3", "m2", "m1", "m0"]
    await later.close()


@pytest.mark.parametrize(
    "query",
    [{"job_id": 7}, {"node": "n1"}, {"user": "alice"}, {"kind": "oom_kill"}, {"kinds": frozenset({"oom_kill", "x"})}],
    ids=["job", "node", "user", "kind", "kinds"],
)
async def test_an_index_answers_and_begins_with_the_stretch_of_now(
    store: SqliteLogStore, tmp_path: Path, query: dict[str, object]
) -> None:
    await store.append([(line(1), NOBODY)])
    (path,) = (tmp_path / "logs").glob("*.sqlite3")
    with closing(sqlite3.connect(path)) as connection:
        asked: list[str] = []
        connection.set_trace_callback(asked.append)
        list(newest(connection, EVERYBODY, LogQuery(**query), 10))  # type: ignore[arg-type]
        connection.set_trace_callback(None)
        (plan,) = connection.execute(f"EXPLAIN QUERY PLAN {asked[-1]}").fetchall()[:1]
        assert plan[3].startswith("SEARCH lines USING INDEX lines_of_"), plan
        assert "<expr>=?" in plan[3], plan


async def test_one_line_found_again_under_other_endings_and_times_is_not_taken_for_another(
    store: SqliteLogStore,
) -> None:
    ends = [
        msgspec.structs.replace(line(1), id=line_id) for line_id in ("a-12345678", "b-12345678", "12345678", "5678")
    ]
    assert len((await store.append([(one, NOBODY) for one in ends])).new) == 4
    read_again = [msgspec.structs.replace(one, time_ns=one.time_ns + 5 * MINUTE_NS) for one in ends]
    assert (await store.append([(one, NOBODY) for one in read_again])).new == ()


_WORDS = st.sampled_from(["disk", "full", "fan", "is_full"])
_LINES = st.lists(
    st.tuples(
        st.integers(0, 200),  # minutes, in no order
        st.lists(_WORDS, max_size=3).map(" ".join),
        st.sampled_from(["n1", "n2"]),
        st.sampled_from([(None, NOBODY), (7, ALICES), (8, JobOwner("carol", "project"))]),
    ),
    max_size=30,
)
_QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "text": _WORDS | st.just('"disk full"'),
        "node": st.sampled_from(["n1", "n2"]),
        "job_id": st.sampled_from([7, 9]),
        "user": st.just("alice"),
        "since_ns": st.integers(0, 200).map(lambda minute: AT_NS + minute * MINUTE_NS),
        "until_ns": st.integers(0, 200).map(lambda minute: AT_NS + minute * MINUTE_NS),
    },
)


@settings(max_examples=12, deadline=None)
@given(st.lists(_LINES, max_size=3), st.lists(_QUERIES, min_size=1, max_size=5), st.integers(1, 5))
def test_lines_in_no_order_are_found_as_a_walk_of_all_finds_them(
    batches: list[list[tuple[int, str, str, tuple[int | None, JobOwner]]]],
    queries: list[dict[str, object]],
    limit: int,
) -> None:
    async def asked(folder: Path) -> None:
        store, kept = SqliteLogStore(folder, KEEP_DAYS, ManualClock()), list[StoredLine]()
        for batch in batches:
            lines = []
            for minute, message, node, (job_id, owner) in batch:
                said = at(len(kept) + len(lines), AT_NS + minute * MINUTE_NS, message or "-", job_id=job_id)
                lines.append((msgspec.structs.replace(said, node=node), owner))
            kept += (await store.append(lines)).new
        kept.sort(key=lambda one: one.place, reverse=True)
        for query, viewer in product(queries, (EVERYBODY, ALICE, BOB)):
            question = LogQuery(**query)  # type: ignore[arg-type]
            terms = terms_of(question.text or "")
            fitting = [one for one in kept if fits(viewer, question, one, terms) and _is_within(question, one)]
            found, after = list[StoredLine](), None
            while True:
                page = await store.search(viewer, msgspec.structs.replace(question, limit=limit, after=after))
                found += page.lines
                if not page.has_more:
                    break
                after = page.lines[-1].place
            assert found == fitting, query
            since_ns = question.since_ns or AT_NS
            slots = await store.histogram(viewer, question, since_ns, 7 * MINUTE_NS)
            assert sum(slot.lines for slot in slots) == len(fitting), query
        await store.close()

    with TemporaryDirectory() as folder:
        asyncio.run(asked(Path(folder)))


def _is_within(query: LogQuery, stored: StoredLine) -> bool:
    at_ns = stored.line.time_ns
    return (query.since_ns is None or at_ns >= query.since_ns) and (query.until_ns is None or at_ns < query.until_ns)
