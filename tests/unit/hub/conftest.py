"""What tests of the hub ask for: a history in a real SQLite file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testkit.hub_history import History
from testkit.manual_clock import ManualClock


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/hub.sqlite3"


@pytest.fixture
async def history(database_url: str, clock: ManualClock) -> AsyncIterator[History]:
    opened = await History.open(database_url, clock)
    try:
        yield opened
    finally:
        await opened.close()
