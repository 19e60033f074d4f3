"""P20 on PostgreSQL: the same day of a million jobs, by the wall, for the work is that of two programs.

The server is Debian's, on the same two cores (`hub_load.postgresql`); the hub's own CPU time stands beside each figure.
"""

from __future__ import annotations

import asyncio
import time

from bench.hub_load.histories import CLUSTER
from bench.hub_load.job_mix import DAY_S
from bench.hub_load.postgresql import BenchPostgreSql
from bench.hub_load.programs import hub
from bench.p20_usage_reports import BLOCK, asked, make, row_of
from bench.result import Result
from bench.setting import Setting

COPIES = 50
ROWS = (
    row_of(f"report of a day of {BLOCK * COPIES:,} jobs, PostgreSQL on the same two cores, wall, p50", 5, 1),
    row_of(f"management overview of {BLOCK * COPIES:,} jobs, PostgreSQL on the same two cores, wall, p50", 2, 0.3),
)


def measure(setting: Setting) -> list[Result]:
    copies = setting.choose(COPIES, 5)
    folder = setting.new_folder()
    end_s = int(time.time()) // DAY_S * DAY_S
    with BenchPostgreSql(setting.new_folder()) as database:
        asyncio.run(make(database.url, end_s, copies, 1))
        with hub(folder, database.url, cluster=CLUSTER) as server:
            found = asked(server, end_s, copies, 1, f"{BLOCK * copies:,} jobs")
    return [
        row.measured(wall_s, f"{result.value:.2f} s of the hub's CPU time; {result.note}")
        for row, (result, wall_s) in zip(ROWS, found, strict=True)
    ]
