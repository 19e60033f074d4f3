"""P29: searching many log lines: by job, a text within a day, and the course of the day; p50 of both stores.

The lines are of one day (`hub_load.log_lines.kept_lines`), ten million in a full run with SQLite and a million with
OpenSearch, whose answers must not be remembered: every question is another.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from bench.hub_load.log_lines import WORDS, kept_lines
from bench.p28_log_ingest import search_server
from bench.result import Goal, Result, Row
from bench.setting import Setting
from slurmlens.clock import SystemClock
from slurmlens.config.log_store import SearchServerConfig
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.logs.opensearch_store import OpenSearchStore
from slurmlens.hub.logs.query import LogQuery
from slurmlens.hub.logs.sqlite_store import SqliteLogStore
from slurmlens.hub.logs.store import LogStore

QUESTIONS = 15
DAY_NS = 86_400 * 10**9
BAR_NS = 900 * 10**9


def _rows(store: str) -> tuple[Row, ...]:
    goals = Goal(1_000, "< 1000"), Goal(200, "< 200")
    return tuple(
        Row("P29", f"{what}, p50, {store}", *goals, "absolute", " ms")
        for what in ("search by job", "search of text within a day", "course of a day")
    )


ROWS = (*_rows("SQLite"), *_rows("OpenSearch"))


def measure(setting: Setting) -> list[Result]:
    until_ns = time.time_ns() // BAR_NS * BAR_NS
    folder, clock = setting.new_folder(), SystemClock()
    count = setting.choose(10_000_000, 100_000)
    results = asyncio.run(_asked(lambda: SqliteLogStore(folder, 3, clock), count, until_ns, ROWS[:3]))
    with search_server() as server:
        settings = SearchServerConfig(url=server.url)
        few = setting.choose(1_000_000, 50_000)
        results += asyncio.run(_asked(lambda: OpenSearchStore(settings, 3, clock), few, until_ns, ROWS[3:]))
    return results


async def _asked(make: Callable[[], LogStore], count: int, until_ns: int, rows: tuple[Row, ...]) -> list[Result]:
    store = make()
    for lines in kept_lines(count, until_ns):
        await store.append(lines)
    await asyncio.sleep(2.0)  # a search server finds what it keeps a second later
    since_ns = until_ns - DAY_NS
    questions = (
        lambda number: store.search(EVERYBODY, LogQuery(job_id=1_000 + number)),
        lambda number: store.search(
            EVERYBODY, LogQuery(text=f"{WORDS[number]} {WORDS[number + 9]}", since_ns=since_ns, until_ns=until_ns)
        ),
        lambda number: store.histogram(EVERYBODY, LogQuery(until_ns=until_ns - number), since_ns, BAR_NS),
    )
    results = []
    for row, ask in zip(rows, questions, strict=True):
        times_ms = [await _time_ms(ask, number) for number in range(QUESTIONS)]
        results.append(row.measured(statistics.median(times_ms), f"{count} lines, longest {max(times_ms):.0f} ms"))
    await store.close()
    return results


async def _time_ms(ask: Callable[[int], Awaitable[object]], number: int) -> float:
    begin_s = time.perf_counter()
    await ask(number)
    return (time.perf_counter() - begin_s) * 1e3
