"""Lines in SQLite: what was kept is found by who may see it, and nothing typed can be a mistake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.logs.query import NOBODY, JobOwner, LogPlace, LogQuery
from slurmlens.hub.logs.sqlite_store import LogStoreError, SqliteLogStore
from slurmlens.hub.logs.tail import fits
from slurmlens.hub.logs.words import terms_of
from slurmlens.log_lines import LogLine
from testkit.manual_clock import ManualClock

S = 10**9
DAY_NS = 86_400 * S
AT_NS = 1_796_000_000 * S
ALICE, BOB = Viewer("alice", frozenset({Role.USER})), Viewer("bob", frozenset({Role.USER}), frozenset({"project"}))
ALICES = JobOwner("alice", "project", "all")


def line(number: int, message: str = "hello", **fields: object) -> LogLine:
    return LogLine(id=f"l{number}", time_ns=AT_NS + number * S, node="n1", message=message, **fields)  # type: ignore[arg-type]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteLogStore]:
    made = SqliteLogStore(tmp_path / "logs", 3, ManualClock())
    yield made
    made.close()


async def messages(store: SqliteLogStore, viewer: Viewer = EVERYBODY, **query: object) -> list[str]:
    page = await store.search(viewer, LogQuery(**query))  # type: ignore[arg-type]
    return [stored.line.message for stored in page.lines]


async def test_the_newest_stand_first_over_midnight_and_pages_go_on_where_one_ended(store: SqliteLogStore) -> None:
    lines = [msgspec.structs.replace(line(n, f"m{n}"), time_ns=AT_NS + n * DAY_NS // 4) for n in range(20)]
    await store.append([(one, NOBODY) for one in lines])
    found, place = [], None
    for _ in range(10):
        page = await store.search(EVERYBODY, LogQuery(limit=3, after=place))
        found += [stored.line.message for stored in page.lines]
        if not page.has_more:
            break
        place = page.lines[-1].place
    assert found == [f"m{n}" for n in reversed(range(20))]


async def test_a_line_that_comes_again_is_one(store: SqliteLogStore) -> None:
    assert len(await store.append([(line(1), NOBODY), (line(1), NOBODY), (line(2), NOBODY)])) == 2
    assert await store.append([(line(1), NOBODY)]) == []
    assert len(await messages(store)) == 2


async def test_every_condition_is_heeded_by_store_and_tail_alike(store: SqliteLogStore) -> None:
    lines = [
        (line(1, "disk full", program="app", job_id=7, severity=3), ALICES),
        (line(2, "Disk is_full again", program="app", severity=6), NOBODY),
        (msgspec.structs.replace(line(3, "other", kind="oom_kill"), node="n2"), NOBODY),
    ]
    stored = await store.append(lines)
    queries: list[dict[str, object]] = [
        {"job_id": 7}, {"node": "n2"}, {"program": "app"}, {"severity": 3}, {"kind": "oom_kill"}, {"user": "alice"},
        {"partition": "all"}, {"text": "DISK"}, {"text": "disk full"}, {"node": "n1", "text": "is_full"},
    ]  # fmt: skip
    for query in queries:
        asked = LogQuery(**query)  # type: ignore[arg-type]
        terms = terms_of(asked.text or "")
        tailed = [one.line.message for one in stored if fits(EVERYBODY, asked, one, terms)]
        assert sorted(await messages(store, **query)) == sorted(tailed), query


async def test_a_user_sees_lines_of_own_jobs_and_no_other(store: SqliteLogStore) -> None:
    stored = await store.append([(line(1, "of alice", job_id=7), ALICES), (line(2, "of nobody"), NOBODY)])
    stored += await store.append([(line(3, "of carol", job_id=8), JobOwner("carol", "other", "all"))])
    for viewer, seen in ((ALICE, ["of alice"]), (BOB, ["of alice"]), (Viewer("x", frozenset()), [])):
        assert await messages(store, viewer) == seen
        assert await messages(store, viewer, text="of") == seen
        assert [one.line.message for one in stored if fits(viewer, LogQuery(), one, ())] == seen
        counted = await store.histogram(viewer, LogQuery(), AT_NS, DAY_NS)
        assert sum(slot.lines for slot in counted) == len(seen)
        around = await store.around(viewer, "n1", LogPlace(AT_NS + 2 * S, 2))
        assert [one.line.message for one in around.lines] == seen


async def test_what_a_node_said_around_a_line_crosses_midnight(store: SqliteLogStore) -> None:
    midnight_ns = AT_NS - AT_NS % DAY_NS + DAY_NS
    lines = [msgspec.structs.replace(line(n, f"m{n}"), time_ns=midnight_ns + (n - 3) * S) for n in range(6)]
    await store.append([(one, NOBODY) for one in lines])
    around = await store.around(EVERYBODY, "n1", LogPlace(midnight_ns, 1), count=2)
    assert [one.line.message for one in around.lines] == ["m5", "m4", "m3", "m2"]


async def test_a_histogram_counts_every_line_once(store: SqliteLogStore) -> None:
    await store.append([(line(n, severity=3 if n % 5 == 0 else 6), NOBODY) for n in range(100)])
    slots = await store.histogram(EVERYBODY, LogQuery(), AT_NS, 10 * S)
    assert [(slot.begin_ns, slot.lines, slot.errors) for slot in slots] == [
        (AT_NS + n * 10 * S, 10, 2) for n in range(10)
    ]


async def test_days_go_by_age_and_others_stay(tmp_path: Path) -> None:
    clock = ManualClock()
    store = SqliteLogStore(tmp_path, 3, clock)
    days = [msgspec.structs.replace(line(n, f"d{n}"), time_ns=clock.wall_ns() - n * DAY_NS) for n in range(6)]
    await store.append([(one, NOBODY) for one in days])
    assert len(await store.forget_old()) == 2
    assert await messages(store) == ["d0", "d1", "d2", "d3"]
    assert await store.forget_old() == []
    store.close()


async def test_a_damaged_day_says_so_and_another_day_is_found(store: SqliteLogStore, tmp_path: Path) -> None:
    await store.append([(line(1), NOBODY)])
    (tmp_path / "logs" / "logs-2020-01-01.sqlite3").write_bytes(b"no database at all" * 100)
    with pytest.raises(LogStoreError, match="not a database"):
        await messages(store, until_ns=AT_NS - 365 * DAY_NS)
    assert await messages(store, since_ns=AT_NS) == ["hello"]


async def test_readers_and_writer_work_side_by_side(store: SqliteLogStore) -> None:
    async def write(begin: int) -> None:
        await store.append([(line(begin + n), NOBODY) for n in range(50)])

    async def read() -> Sequence[str]:
        return await messages(store, text="hello")

    await asyncio.gather(*(write(n * 50) for n in range(10)), *(read() for _ in range(10)))
    assert len(await messages(store, limit=1000)) == 500
