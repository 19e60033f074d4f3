"""P39 at the length at which it is set: lists of a hub with ten million jobs.

Making them takes a quarter of an hour and 11 GB, so they are made once, by `COMMAND`, and the folder is named:
`make bench ARGS="--only P39LONG --long-history FOLDER"`.
"""

from __future__ import annotations

import time

from bench.hub_load.job_mix import JobMix
from bench.p39_lists import BLOCK, compared, row_of
from bench.result import NotMeasurable, Result
from bench.setting import Setting

TIMES = 500
COMMAND = (
    f"python -m bench.hub_load.histories --database sqlite:///FOLDER/hub.sqlite3 --jobs {BLOCK} --times {TIMES}"
    " --bodies-days 0 --courses-days 0"
)
ROWS = (row_of("10,000,000", "one filter", 20, 5), row_of("10,000,000", "two filters", 100, 30))


def measure(setting: Setting) -> list[Result]:
    folder = setting.long_history
    if folder is None:
        raise NotMeasurable(f"--long-history FOLDER names a history that {COMMAND} made")
    if not (folder / "hub.sqlite3").exists():
        raise NotMeasurable(f"there is no hub.sqlite3 in {folder}")
    return compared(setting, JobMix(BLOCK, now_s=int(time.time()) - 60), folder, TIMES, ROWS)
