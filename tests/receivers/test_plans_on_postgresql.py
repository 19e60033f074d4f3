"""What the hub does costs the same however long its history, on a real PostgreSQL too: it plans otherwise."""

from __future__ import annotations

import itertools

import psycopg
import pytest
from bench.hub_load.histories import HistoryShape, fill_at
from bench.hub_load.job_mix import JobMix
from deploy.components.postgresql import PostgreSql

from slurmlens.hub.history.read import job_list
from testkit.hub_history import History
from testkit.hub_scene import play
from testkit.manual_clock import ManualClock
from testkit.plans import assert_none_walks, on_postgresql, recording
from testkit.told_events import BEGIN_S

MIX = JobMix(20_000, now_s=BEGIN_S, jobs_a_day=500)
LONG_MIX, TIMES = JobMix(20_000, now_s=BEGIN_S), 50
LOOKED_AT = 500
MOST_ROWS = 1_000

_numbers = itertools.count(1)


async def assert_flat(server: PostgreSql, mix: JobMix, most_rows: int, times: int = 1) -> None:
    """No statement walks in a database with that history."""
    url = server.make_database(f"plans{next(_numbers)}")
    await fill_at(url, HistoryShape(mix), times)
    with recording() as statements:
        history = await History.open(url, ManualClock())
        try:
            await play(history, mix)
        finally:
            await history.close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")  # the server's own, which comes when it likes
        assert_none_walks(statements, on_postgresql(connection, most_rows))


async def test_no_statement_of_the_hub_walks_on_postgresql(
    postgresql: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_list, "MOST_LOOKED_AT", LOOKED_AT)  # as short as the history, in comparison
    await assert_flat(postgresql, MIX, MOST_ROWS)


@pytest.mark.slow
async def test_no_statement_walks_through_a_million_jobs_on_postgresql(postgresql: PostgreSql) -> None:
    await assert_flat(postgresql, LONG_MIX, 2 * job_list.MOST_LOOKED_AT, TIMES)
