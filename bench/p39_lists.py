"""P39: what a page of 200 jobs costs a hub with three million jobs, against the same page of a hub with 20,000.

Two hubs, each on a made history (`hub_load.histories`), are asked for the same lists in turn over HTTP, as JSON: the
newest page and one from the middle of the history, by one filter and by two. CPU time is the hub's, from the request to
the last byte; making the view and its JSON is in it. Two filters find fewer jobs in the short history, so that its
pages are shorter there. The target is set at ten million, which take a quarter of an hour and 11 GB to make: those are
`p39_ten_million`'s.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlencode

from bench.cpu_time import cpu_ns
from bench.hub_load.histories import HistoryShape, fill_at
from bench.hub_load.job_mix import DAY_S, JobMix
from bench.hub_load.programs import Server, hub
from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting

BLOCK = 20_000
CLUSTER = "demo"
ONE_FILTER: Sequence[dict[str, str]] = (
    {"user": "user0"},
    {"user": "user300"},
    {"account": "account3"},
    {"partition": "long"},
    {"node": "n0005"},
    {"state": "failed"},
)
TWO_FILTERS: Sequence[dict[str, str]] = (
    {"user": "user0", "state": "failed"},
    {"account": "account3", "partition": "long"},
    {"node": "n0005", "user": "user0"},
    {"partition": "gpu", "state": "NODE_FAIL"},
)
_WHAT = "list page of 200 of {jobs} jobs, {filters}: CPU of the hub, p50"


def row_of(jobs: str, filters: str, must: float, aim: float) -> Row:
    what = _WHAT.format(jobs=jobs, filters=filters)
    return Row("P39", what, Goal(must, f"< {must:g}"), Goal(aim, f"< {aim:g}"), "the same of 20,000 jobs", " ms")


ROWS = (row_of("3,000,000", "one filter", 20, 5), row_of("3,000,000", "two filters", 100, 30))
QUICK_ROWS = (row_of("200,000", "one filter", 20, 5), row_of("200,000", "two filters", 100, 30))


def measure(setting: Setting) -> list[Result]:
    mix = JobMix(BLOCK, now_s=int(time.time()) - 60)
    times, many = setting.choose(150, 10), setting.new_folder()
    asyncio.run(fill_at(_url(many), HistoryShape(mix, 0.0, 0.0), times))
    return compared(setting, mix, many, times, QUICK_ROWS if setting.quick else ROWS)


def compared(setting: Setting, mix: JobMix, many: Path, times: int, rows: Sequence[Row]) -> list[Result]:
    """Lists of the history in `many`, which is `times` as long as the mix, against those of the mix alone."""
    few, rounds = setting.new_folder(), setting.choose(5, 2)
    asyncio.run(fill_at(_url(few), HistoryShape(mix, 0.0, 0.0)))
    with hub(few, cluster=CLUSTER) as short, hub(many, cluster=CLUSTER) as long:
        for server in (short, long):
            _get(server, "/jobs.json")
        return [
            _compared(row, short, long, list(_addresses(filters, mix, times)), rounds)
            for row, filters in zip(rows, (ONE_FILTER, TWO_FILTERS), strict=True)
        ]


def _addresses(filters: Sequence[dict[str, str]], mix: JobMix, times: int) -> Iterator[tuple[str, str]]:
    """The short and the long hub's address of each list: its newest page, and one from the middle."""
    for which in filters:
        yield _address(which), _address(which)
        yield _address(which | {"after": _middle(mix, 1)}), _address(which | {"after": _middle(mix, times)})


def _middle(mix: JobMix, times: int) -> str:
    over_s = mix.now_s - times * mix.jobs * DAY_S // mix.jobs_a_day // 2
    return f"2.{over_s * 10**9}.1"


def _address(which: dict[str, str]) -> str:
    return f"/jobs.json?{urlencode(which)}"


def _compared(row: Row, short: Server, long: Server, addresses: list[tuple[str, str]], rounds: int) -> Result:
    ours, reference, first = [], [], []
    for number in range(rounds + 1):
        for short_address, long_address in addresses:
            reference_ms, _ = _cost(short, short_address)
            ours_ms, shown = _cost(long, long_address)
            if number == 0:
                first.append(ours_ms)
                continue
            ours.append(ours_ms)
            reference.append(reference_ms)
    p50, short_p50 = statistics.median(ours), statistics.median(reference)
    note = (
        f"with {BLOCK:,} jobs {short_p50:.1f} ms: {p50 / short_p50:.2f} times that; the dearest"
        f" {max(ours):.0f} ms, the first ones {statistics.median(first):.0f} ms; {shown} jobs on the last page"
    )
    return row.measured(p50, note)


def _cost(server: Server, address: str) -> tuple[float, int]:
    before_ns = cpu_ns(server.pid)
    document = _get(server, address)
    spent_ms = (cpu_ns(server.pid) - before_ns) / 1e6
    return spent_ms, len(json.loads(document)["rows"])


def _get(server: Server, address: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    try:
        connection.request("GET", address)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise NotMeasurable(f"{address} was answered with {answer.status}")
        return body
    finally:
        connection.close()


def _url(folder: Path) -> str:
    return f"sqlite:///{folder}/hub.sqlite3"
