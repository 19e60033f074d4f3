"""The hub's history on a real PostgreSQL: one plan for both databases."""

from __future__ import annotations

import asyncio
import gzip
import importlib.util
import itertools
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from bench.hub_load.histories import HistoryShape, fill
from bench.hub_load.job_mix import JobMix, jobs_of
from deploy.components.postgresql import PostgreSql
from sqlalchemy import Connection, Table, func, select

from slurmlens.config.access import AccessConfig
from slurmlens.config.retention import RetentionConfig
from slurmlens.errors import ConfigError
from slurmlens.hub.access.looks import LookFilter, LookLog, What, kinds_of_looks
from slurmlens.hub.access.tokens import LoginTokens
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.database.retention import Retention
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.facts import JobFilter, StateFilter
from slurmlens.hub.history.retention import DAY_S, kinds_of_history
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.access_people import tell_jobs, viewer_named
from testkit.checkout import ROOT
from testkit.hub_history import History
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S, Told

_numbers = itertools.count(1)


@pytest.fixture
def database_url(postgresql: PostgreSql) -> str:
    return postgresql.make_database(f"history{next(_numbers)}")


def same_history() -> ModuleType:
    """The tests of one history made twice, whose calls and comparison are used here on the other database."""
    path = ROOT / "tests" / "unit/hub/history/test_same_history.py"
    spec = importlib.util.spec_from_file_location("same_history_on_sqlite", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


async def test_the_same_calls_are_concluded_equally_and_every_page_is_there(database_url: str, tmp_path: Path) -> None:
    same = same_history()
    old = tmp_path / "old.sqlite3"
    old.write_bytes(gzip.decompress((same.FIXTURES / "hub-version-3.sqlite3.gz").read_bytes()))
    history = await History.open(database_url, ManualClock())
    try:
        await same.replay(history)
        await same.assert_same_conclusions(history, old)
        await history.refresh()
        rows = await history.listed(JobFilter())
        assert len(rows) > 40
        following = await history.listed(JobFilter(after=rows[9].place))
        assert following == rows[10:]
        failed = await history.listed(JobFilter(node="n1", state=StateFilter.FAILED))
        assert {row.job_id for row in failed} <= {row.job_id for row in rows}
        for row in rows:
            facts = await history.facts(row.job_id)
            assert facts.run == row.run
            await history.queries.job_events(EVERYBODY, row.job_id)
    finally:
        await history.close()


async def test_a_second_hub_on_one_database_is_refused(database_url: str) -> None:
    history = await History.open(database_url, ManualClock())
    try:
        with pytest.raises(ConfigError, match="another hub has it open"):
            await History.open(database_url, ManualClock())
    finally:
        await history.close()
    await (await History.open(database_url, ManualClock())).close()


async def test_what_was_acknowledged_is_there_for_the_next_hub_and_known(database_url: str) -> None:
    one = Told()
    history = await History.open(database_url, ManualClock())
    await history.hear(one.start(1), one.summary(1, 3))
    await history.close()
    history = await History.open(database_url, ManualClock())
    try:
        assert (await history.facts()).nodes[0].samples == 4
        assert (await history.apply([one.start(1), one.summary(1, 3)])).known == 2
    finally:
        await history.close()


async def test_what_is_too_old_goes_on_both_databases_alike(database_url: str, tmp_path: Path) -> None:
    left = []
    for url in (database_url, f"sqlite:///{tmp_path}/hub.sqlite3"):
        history = await History.open(url, ManualClock())
        try:
            mix = JobMix(150, now_s=BEGIN_S, jobs_a_day=50, nodes=20, seed=5)
            await fill(history.store, HistoryShape(mix, bodies_days=100, courses_days=100))
            history.clock.advance(91 * DAY_S)
            retention = Retention(history.store, kinds_of_history(RetentionConfig()), history.clock)
            while await retention.turn():
                pass
            tables = (schema.batches, schema.events, schema.courses, schema.sightings, schema.runs)
            left.append([await history.store.read(partial(counted, table=table)) for table in tables])
            left.append([(aged.kind, aged.removed, aged.behind_s) for aged in retention.told()])
            facts = await history.facts(next(job.job_id for job in jobs_of(mix) if job.runs[0].record.end_s))
            profile = facts.nodes[0].profile
            left.append([facts.outcome, facts.timeline, profile and profile.mean])
        finally:
            await history.close()
    assert left[:3] == left[3:]
    assert left[0][0] == 0
    assert left[0][2] > 100


def counted(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


async def test_each_sees_his_own_and_logins_and_looks_are_kept(database_url: str) -> None:
    history = await History.open(database_url, ManualClock())
    try:
        await tell_jobs(history)
        for name, seen in {"alice": {41, 43}, "bob": {42, 44}, "olga": {41, 42, 43, 44, 45}, "o'x\"": {45}}.items():
            viewer = await viewer_named(history, name)
            assert {row.job_id for row in (await history.queries.jobs(viewer, JobFilter())).rows} == seen
            assert (await history.queries.job_facts(viewer, 42) is not None) == (42 in seen)
            assert bool(await history.queries.job_events(viewer, 42)) == (42 in seen)
        tokens = LoginTokens(history.store, AccessConfig(), history.clock)
        link = await tokens.make_link("o'x\"")
        made = await asyncio.gather(*(tokens.use_link(link) for _ in range(4)))
        [session] = [one for one in made if one is not None]
        assert await tokens.user_of_session(session) == "o'x\""
        looks = LookLog(history.store, "demo", history.clock, Reporter(Counters(), history.clock))
        looks.saw_job(await viewer_named(history, "olga"), What.PAGE, 42, 1, "bob")
        await looks.write()
        bob = await viewer_named(history, "bob")
        assert [(look.who, look.job_id) for look in await looks.looks(bob, LookFilter())] == [("olga", 42)]
        history.clock.advance(2 * 86_400)
        while await Retention(history.store, kinds_of_looks(1.0), history.clock).turn():
            pass
        assert await looks.looks(bob, LookFilter()) == []
    finally:
        await history.close()
