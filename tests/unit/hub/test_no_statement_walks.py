"""What the hub does costs the same however long its history: no statement reads a table that grows from end to end."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.hub_load.histories import HistoryShape, fill_at
from bench.hub_load.job_mix import JobMix

from slurmlens.hub.history.read import job_list
from testkit.hub_history import History
from testkit.hub_scene import ROOMS, play
from testkit.manual_clock import ManualClock
from testkit.plans import Statements, assert_none_walks, functions_that_ask, on_sqlite, recording
from testkit.told_events import BEGIN_S

MIX = JobMix(4_000, now_s=BEGIN_S, jobs_a_day=1_000)
LONG_MIX, TIMES = JobMix(20_000, now_s=BEGIN_S), 50
LOOKED_AT = 300
MOST_STEPS = 40_000
"""A page of 200 rows takes some 20,000 of SQLite's instructions; a walk of 4,000 rows takes more than 80,000."""
STEPS_A_ROW = 20


async def played(path: Path, mix: JobMix, times: int = 1) -> Statements:
    """What the hub asked of a database with that history."""
    url = f"sqlite:///{path}"
    await fill_at(url, HistoryShape(mix), times)
    with recording() as statements:
        history = await History.open(url, ManualClock())
        try:
            await play(history, mix)
        finally:
            await history.close()
    return statements


@pytest.mark.thorough
async def test_no_statement_of_the_hub_walks_and_all_of_them_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_list, "MOST_LOOKED_AT", LOOKED_AT)  # as short as the history, in comparison
    path = tmp_path / "hub.sqlite3"
    statements = await played(path, MIX)
    assert_none_walks(statements, on_sqlite(path, MOST_STEPS))
    seen = set().union(*(statement.functions for statement in statements.values()))
    assert functions_that_ask(ROOMS) - seen == set(), "no call of testkit.hub_scene reaches these"


@pytest.mark.slow
async def test_no_statement_walks_through_a_million_jobs(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite3"
    statements = await played(path, LONG_MIX, TIMES)
    assert_none_walks(statements, on_sqlite(path, MOST_STEPS + STEPS_A_ROW * job_list.MOST_LOOKED_AT))
