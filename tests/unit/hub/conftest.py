"""What tests of the hub ask for: a history in a real SQLite file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from slurmlens.hub.database.store import Store
from testkit.hub_history import History
from testkit.manual_clock import ManualClock


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/hub.sqlite3"


@pytest.fixture
async def history(database_url: str, clock: ManualClock) -> AsyncIterator[History]:
    store = await Store.open(database_url)
    try:
        yield History(store, clock)
    finally:
        await store.close()
