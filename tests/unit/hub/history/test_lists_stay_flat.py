"""Lists cost the same however many jobs there were: every statement of a list goes by an index, in the list's order."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bench.hub_load.histories import HistoryShape, fill
from bench.hub_load.job_mix import JobMix
from sqlalchemy import Connection, Select, text
from sqlalchemy.dialects import sqlite

from slurmlens.hub.access.predicates import entitlements
from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.history.conclude.run_rows import Section
from slurmlens.hub.history.facts import JobFilter, JobList, ListPlace, StateFilter
from slurmlens.hub.history.read import job_list
from slurmlens.hub.history.read.job_list import list_query
from slurmlens.slurm.records import JobState
from testkit.hub_history import History
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S

RUNS = 20_000

MAKE_RUNS = f"""
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {RUNS})
INSERT INTO runs (rid, cluster, job_id, number, incarnation, section, state, state_group, "user", account, "partition",
    order_ns, end_ns, outcome, nodes)
SELECT i, 'demo', i, 1, 1, 2, CASE i % 10 WHEN 0 THEN 'FAILED' ELSE 'COMPLETED' END,
    CASE i % 10 WHEN 0 THEN 'failed' ELSE 'finished' END, 'user' || (i * 7 % 300), 'account' || (i % 40),
    'part' || (i % 5), i * 1000, i * 1000 + 500, '{{"state":"COMPLETED","label":"COMPLETED","source":"nobody"}}',
    '["n1"]' FROM n
"""
MAKE_NODES = "INSERT INTO run_nodes SELECT 'n' || (rid % 100), section, order_ns, rid FROM runs"

FILTERS = [
    JobFilter(),
    JobFilter(user="user7"),
    JobFilter(account="account3"),
    JobFilter(partition="part2"),
    JobFilter(node="n5"),
    JobFilter(state=StateFilter.FAILED),
    JobFilter(state=JobState.COMPLETED),
    JobFilter(user="user7", state=StateFilter.FAILED),
    JobFilter(account="account3", partition="part2"),
    JobFilter(node="n5", user="user7"),
]
AFTER = [None, ListPlace(Section.OVER, 5_000_000, 5_000)]


@pytest.fixture
async def on_sqlite(tmp_path: Path, clock: ManualClock) -> AsyncIterator[History]:
    """For what is SQLite's own: its plans and its statistics. PostgreSQL's plans are in tests/receivers."""
    opened = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", clock)
    try:
        yield opened
    finally:
        await opened.close()


async def test_every_list_walks_an_index_and_sorts_nothing(on_sqlite: History) -> None:
    await on_sqlite.store.write(_fill)
    walks = {}
    for which, after in itertools.product(FILTERS, AFTER):
        wanted = msgspec.structs.replace(which, after=after)
        query = list_query(EVERYBODY, "demo", wanted, Section.OVER, 200)
        steps = await on_sqlite.store.read(_plan_of(query))
        if any("SCAN" in step or "TEMP B-TREE" in step for step in steps):
            walks[repr(wanted)] = steps
    assert walks == {}


async def test_a_user_s_own_list_walks_the_indexes_of_his_name_and_accounts(on_sqlite: History) -> None:
    await on_sqlite.store.write(_fill)
    viewer = Viewer("user7", frozenset({Role.USER}), accounts=frozenset({"account3", "account'4"}))
    own = entitlements(viewer)
    assert own is not None
    assert len(own) == 3
    for entitlement, after in itertools.product(own, AFTER):
        query = list_query(viewer, "demo", JobFilter(after=after), Section.OVER, 200, entitlement)
        steps = await on_sqlite.store.read(_plan_of(query))
        assert not any("SCAN" in step or "TEMP B-TREE" in step for step in steps), steps


def _plan_of(query: Select[Any]) -> Callable[[Connection], list[str]]:
    statement = str(query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    explain = text(f"EXPLAIN QUERY PLAN {statement}")
    return lambda connection: [row[-1] for row in connection.execute(explain)]


def _fill(transaction: Transaction) -> None:
    for statement in (MAKE_RUNS, MAKE_NODES, "ANALYZE"):
        transaction.core.exec_driver_sql(statement)


async def test_statistics_are_kept_while_the_hub_runs(on_sqlite: History) -> None:
    await on_sqlite.store.write(_fill)
    await on_sqlite.store.keep_statistics()
    query = text("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'runs'")
    assert (await on_sqlite.store.read(lambda connection: connection.execute(query).scalar_one())) > 5


@pytest.mark.thorough
async def test_pages_one_after_another_are_the_whole_list(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where few of many jobs fit: then a page looks through so many, and the next goes on."""
    await fill(history.store, HistoryShape(JobMix(600, now_s=BEGIN_S, jobs_a_day=300, nodes=20, users=12)))
    for which in (*FILTERS, JobFilter(user="user3"), JobFilter(node="n0005", user="user0"), JobFilter(user="nobody")):
        whole = await history.listed(msgspec.structs.replace(which, limit=10_000))
        with monkeypatch.context() as patched:
            patched.setattr(job_list, "MOST_LOOKED_AT", 50)
            pages = [page async for page in pages_of(history, msgspec.structs.replace(which, limit=23))]
        assert tuple(itertools.chain.from_iterable(page.rows for page in pages)) == whole
        assert all(len(page.rows) <= 23 for page in pages)


async def pages_of(history: History, which: JobFilter) -> AsyncIterator[JobList]:
    after: ListPlace | None = None
    while True:
        page = await history.queries.jobs(EVERYBODY, msgspec.structs.replace(which, after=after))
        yield page
        if page.next is None:
            return
        assert after is None or page.next != after
        after = page.next
