"""Log lines: delivered + reported as dropped = written, whatever happens to daemon, hub and the file itself."""

from __future__ import annotations

import random
import signal
from pathlib import Path

from conservation.conftest import SEED
from conservation.log_lines import log_road


async def test_whatever_breaks_every_line_of_a_file_is_at_the_hub_once(ordeal_folder: Path) -> None:
    async with log_road(ordeal_folder, "lines_per_s = 100000") as road:
        struck = await road.suffer(random.Random(SEED), lines=2000)
        await road.settle()
        assert not road.verdict(), (struck, road.verdict(), road.node.tail(600))
        assert road.dropped() == 0


async def test_what_a_bound_drops_is_reported_and_nothing_else_is_missing(ordeal_folder: Path) -> None:
    async with log_road(ordeal_folder, "unit_lines_per_s = 20\nlines_per_s = 100000") as road:
        road.file.write(1500)
        await road.settle()
        await road.node.end(signal.SIGTERM)
        road.file.write(500)
        await road.node.start()
        await road.settle()
        assert not road.verdict(), (road.verdict(), road.node.tail(600))
        assert road.dropped() > 500
