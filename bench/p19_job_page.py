"""P19: what the page of a wide job costs the hub, running and ended, and how long it holds the loop meanwhile.

A hub is told of the jobs by their nodes; another hub on the same database then shows them, so that the longest hold is
one of showing. CPU time is the hub's, of a page that is made anew, from the request to the last byte.
"""

from __future__ import annotations

import http.client
import json
import statistics
import time

from bench.cpu_time import cpu_ns
from bench.hub_load.programs import Server, hub
from bench.hub_load.wide_job import DAY_S, WideJob, tell
from bench.node_daemon import TOKEN
from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting

WIDTHS = ((128, Goal(200, "< 200"), Goal(100, "< 100")), (1000, Goal(600, "< 600"), Goal(250, "< 250")))
_WHAT = "job page of {nodes} nodes × 1 day, {state}: CPU of the hub"
ROWS = (
    *(
        Row("P19", _WHAT.format(nodes=nodes, state=state), must, aim, "absolute", " ms")
        for nodes, must, aim in WIDTHS
        for state in ("ended", "running")
    ),
    Row(
        "P19",
        "longest hold of the loop while these pages are made",
        Goal(50, "< 50"),
        Goal(20, "< 20"),
        "absolute",
        " ms",
    ),
)
_STALE_S = 3.0
"""Between two pages of a job, so that neither is the other's, and the rest after a reading is over."""
_CONCLUDED_S = 120.0


def measure(setting: Setting) -> list[Result]:
    folder = setting.new_folder()
    over_s = int(time.time()) - 600
    jobs = []
    for width, _, _ in WIDTHS:
        jobs.append(WideJob(job_id=100 * width, nodes=width, begin_s=over_s - DAY_S, is_over=True))
        jobs.append(WideJob(job_id=100 * width + 1, nodes=width, begin_s=over_s + 600 - DAY_S, is_over=False))
    with hub(folder) as server:
        for job in jobs:
            tell(job, server.port, TOKEN)
            _until_concluded(server, job)
    with hub(folder) as server:
        _get(server, "/jobs")
        results = [_page(server, job, row, setting.choose(7, 3)) for job, row in zip(jobs, ROWS, strict=False)]
        hold_ms = json.loads(_get(server, "/status.json")[1])["loop"]["longest_hold_ms"]
    return [*results, ROWS[-1].measured(hold_ms, "CPU time of the loop's own thread between two looks at its sockets")]


def _page(server: Server, job: WideJob, row: Row, rounds: int) -> Result:
    costs, size = [], 0
    for _ in range(rounds + 1):
        time.sleep(_STALE_S)
        before_ns = cpu_ns(server.pid)
        status, page = _get(server, f"/jobs/{job.job_id}")
        costs.append((cpu_ns(server.pid) - before_ns) / 1e6)
        size = len(page)
        if status != 200:
            raise NotMeasurable(f"the page of job {job.job_id} was answered with {status}")
    first, *others = costs
    spread = f"{min(others):.0f} to {max(others):.0f} ms; the very first {first:.0f} ms"
    note = f"{rounds} pages of {size / 1000:.0f} kB, {spread}"
    return row.measured(statistics.median(others), note)


def _until_concluded(server: Server, job: WideJob) -> None:
    """The hub shows all nodes of the job as they told."""
    deadline_s = time.monotonic() + _CONCLUDED_S
    while time.monotonic() < deadline_s:
        status, text = _get(server, f"/jobs/{job.job_id}.json")
        if status == 200 and len(json.loads(text)["nodes"]) == job.nodes:
            return
        time.sleep(1.0)
    raise NotMeasurable(f"job {job.job_id} was not shown with its {job.nodes} nodes within {_CONCLUDED_S:.0f} s")


def _get(server: Server, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
