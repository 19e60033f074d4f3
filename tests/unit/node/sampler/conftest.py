"""What the engine's tests share: an engine on each kind of tree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.engine_bench import Bench
from testkit.manual_clock import ManualClock
from testkit.moving_tree import MovingTree


@pytest.fixture(params=["v1-22.05", "v2-22.05", "v2-22.05-io-pids"])
def bench(
    request: pytest.FixtureRequest, tmp_path: Path, unpacked_recordings: Path, clock: ManualClock
) -> Iterator[Bench]:
    made = Bench(MovingTree(request.param, tmp_path, unpacked_recordings), clock)
    yield made
    made.engine.close()
