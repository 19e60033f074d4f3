"""P22: how many jobs an hour boards are made for: each running job's board from facts to Grafana's JSON.

Pure work of one core, in CPU time: boards of 2,000 running jobs of 4 nodes and annotations of as many runs, written
down twice, for a board is made when its job starts and again when it ends. Reading jobs from the hub and Grafana's own
time are not in it. The reference is the writing of the same JSON by the standard library alone.
"""

from __future__ import annotations

import json
import time

from bench.result import Goal, Result, Row
from bench.setting import Setting
from slurmlens.clock import NS_PER_S
from slurmlens.hub.dashboards.grafana import dashboard
from slurmlens.hub.dashboards.inputs import BoardJob, Placement
from slurmlens.hub.dashboards.job import job_board
from slurmlens.hub.dashboards.job_marks import marks_of
from slurmlens.hub.views.job.view import Phase
from slurmlens.hub.views.jobs.view import JobLine
from slurmlens.slurm.records import JobState

BEGIN_S = 1_800_000_000
KEPT_UP = Row(
    "P22",
    "boards: jobs an hour that one core keeps up with",
    Goal(1_000, "≥ 1,000", at_least=True),
    Goal(20_000, "≥ 20,000", at_least=True),
    "json.dumps of the same boards",
    " jobs/h",
)
ROWS = (KEPT_UP,)


def measure(setting: Setting) -> list[Result]:
    count = setting.choose(2_000, 200)
    before = time.process_time()
    boards = [job_board("demo", _job(number, end_s)) for number in range(count) for end_s in (None, BEGIN_S + 900)]
    written = [dashboard(board, "https://lens.example.org") for board in boards]
    marks = [
        mark.body for mark in marks_of("demo", [_line(number) for number in range(count)], "https://l.example.org")
    ]
    took_s = time.process_time() - before
    decoded = [json.loads(one) for one in written]
    before = time.process_time()
    for one in decoded:
        json.dumps(one, sort_keys=True, indent=1)
    floor_s = time.process_time() - before
    size = f"{len(marks)} annotations, {len(written[0]) / 1024:.0f} KiB a board"
    note = f"{took_s / floor_s:.2f} times json.dumps alone; {size}"
    return [KEPT_UP.measured(count / took_s * 3600, note)]


def _job(number: int, end_s: int | None) -> BoardJob:
    places = tuple(Placement(f"n{(number * 4 + node) % 1000}", node % 16) for node in range(4))
    return BoardJob(
        job_id=number + 1, run=1, name="gemm", user="alice", begin_s=BEGIN_S, end_s=end_s, placements=places
    )


def _line(number: int) -> JobLine:
    return JobLine(
        job_id=number + 1,
        run=1,
        phase=Phase.ENDED,
        state=JobState.FAILED,
        state_text="FAILED 42:0",
        name="gemm",
        user="alice",
        partition="all",
        node_list="n[0-3]",
        started_ns=BEGIN_S * NS_PER_S,
        ended_ns=(BEGIN_S + 900) * NS_PER_S,
    )
