"""The tables of access in a database of before them, and whether the upgrade makes what the code expects."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from slurmlens.hub.access import tables
from slurmlens.hub.access.account_people import AccountPeople
from slurmlens.hub.database.metadata import metadata
from slurmlens.hub.history.facts import JobFilter
from testkit.access_people import PEOPLE, tell_jobs, viewer_named
from testkit.database_versions import take_back_to
from testkit.hub_history import History
from testkit.manual_clock import ManualClock

OWN = {tables.account_people.name, tables.login_tokens.name, tables.looks.name}


async def test_a_database_of_before_goes_on_and_shows_each_his_jobs(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hub.sqlite3"
    history = await History.open(url, ManualClock())
    await tell_jobs(history)
    await history.close()
    engine = create_engine(url)
    with engine.begin() as connection:
        take_back_to(connection, 5)
    history = await History.open(url, ManualClock())
    try:
        await AccountPeople(history.store, "demo").replace(PEOPLE)
        rows = (await history.queries.jobs(await viewer_named(history, "bob"), JobFilter())).rows
        assert {row.job_id for row in rows} == {42, 44}
        with engine.connect() as connection:
            different = compare_metadata(MigrationContext.configure(connection), metadata)
        assert [one for one in different if any(name in repr(one) for name in OWN)] == []
    finally:
        await history.close()
        engine.dispose()
