from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testkit.hub_history import History
from testkit.manual_clock import ManualClock


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    opened = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", ManualClock())
    yield opened
    await opened.close()
