"""P20's overview at the length at which it is set: ten days with a million jobs each.

Making them takes minutes and gigabytes, so they are made once, in as many goes as one likes, by `COMMAND`, and the
folder is named: `make bench ARGS="--only P20LONG --long-history FOLDER"`. As in `p20_usage_reports` users, accounts
and kinds of jobs are those of a cluster with 20,000 jobs a day, and ledger and sums hold ten million.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

from bench.hub_load.histories import CLUSTER
from bench.hub_load.job_mix import DAY_S
from bench.hub_load.programs import hub
from bench.p20_usage_reports import BLOCK, OVERVIEW, asked, make, named
from bench.result import NotMeasurable, Result
from bench.setting import Setting

COPIES, DAYS = 50, 10
COMMAND = "python -m bench.p20_ten_million FOLDER [DAYS]"
ROWS = (named(OVERVIEW, jobs=BLOCK * COPIES * DAYS),)


def measure(setting: Setting) -> list[Result]:
    folder = setting.long_history
    if folder is None or not (folder / "hub.sqlite3").exists():
        raise NotMeasurable(f"--long-history FOLDER names what {COMMAND} made")
    with closing(sqlite3.connect(folder / "hub.sqlite3")) as connection:
        runs, last_day_s = connection.execute(
            "SELECT (SELECT count(*) FROM usage_runs), (SELECT max(day_s) FROM usage_days)"
        ).fetchone()
    if runs < 0.97 * BLOCK * COPIES * DAYS:
        raise NotMeasurable(f"{folder} holds {runs:,} runs yet; {COMMAND} goes on")
    with hub(folder, cluster=CLUSTER) as server:
        _, (overview, _) = asked(server, last_day_s + DAY_S, COPIES, DAYS, f"{runs:,} runs in the ledger")
    return [overview]


if __name__ == "__main__":
    made = Path(sys.argv[1])
    made.mkdir(parents=True, exist_ok=True)
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else DAYS
    asyncio.run(make(f"sqlite:///{made}/hub.sqlite3", int(time.time()) // DAY_S * DAY_S, COPIES, wanted))
