"""What tests of the hub ask for: a history in a real database, SQLite's or, with `--history-on`, PostgreSQL's."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testkit.hub_history import History
from testkit.manual_clock import ManualClock

_numbers = itertools.count(1)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of the test's own."""
    if request.config.getoption("--history-on") == "sqlite":
        return f"sqlite:///{tmp_path}/hub.sqlite3"
    url: str = request.getfixturevalue("postgresql").make_database(f"unit{next(_numbers)}")
    return url


@pytest.fixture
async def history(database_url: str, clock: ManualClock) -> AsyncIterator[History]:
    opened = await History.open(database_url, clock)
    try:
        yield opened
    finally:
        await opened.close()
