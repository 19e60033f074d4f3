"""P28: log lines taken, understood, given to their jobs and kept: lines a second of the hub's CPU time.

Requests of a thousand documents (`hub_load.log_lines`) go through the hub's own intake in this process, into SQLite
with its full-text index, and into a real OpenSearch on this machine, whose CPU time is its own and not counted. HTTP
and the proof of the sender, which are P18's, are not in it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

import msgspec
from deploy.component import start_and_wait
from deploy.components.opensearch import OpenSearch
from deploy.errors import DeployError
from deploy.sandbox import Sandbox

from bench.hub_load.histories import HistoryShape, fill_at
from bench.hub_load.job_mix import JobMix
from bench.hub_load.log_lines import requests
from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting
from slurmlens.clock import SystemClock
from slurmlens.config.log_store import SearchServerConfig
from slurmlens.hub.database.store import Store
from slurmlens.hub.intake.log_lines import LogIntake
from slurmlens.hub.logs.enriching import Enricher
from slurmlens.hub.logs.keeping import LogKeeper
from slurmlens.hub.logs.opensearch_store import OpenSearchStore
from slurmlens.hub.logs.sqlite_store import SqliteLogStore
from slurmlens.hub.logs.store import LogStore
from slurmlens.hub.news import News
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter

JOBS = 2_000
MOST_BYTES = 64 * 1024 * 1024
START_S = 180.0
_WHAT = "log lines understood, given to their jobs and kept, {store}"
ROWS = (
    Row(
        "P28",
        _WHAT.format(store="SQLite FTS5"),
        Goal(5_000, at_least=True),
        Goal(10_000, at_least=True),
        "absolute",
        " lines/CPU-s",
    ),
    Row(
        "P28",
        _WHAT.format(store="OpenSearch"),
        Goal(10_000, at_least=True),
        Goal(20_000, at_least=True),
        "absolute",
        " lines/CPU-s",
    ),
)


class Anybody:
    """Proves nothing: who speaks is P18's."""

    async def node_of(self, headers: Mapping[str, str], body: bytes) -> str:
        return "loghost"


def measure(setting: Setting) -> list[Result]:
    mix = JobMix(JOBS, now_s=int(time.time()) - 60)
    folder, bodies = setting.new_folder(), requests(mix, setting.choose(200_000, 20_000))
    asyncio.run(fill_at(_url(folder), HistoryShape(mix, 0.0, 0.0)))
    clock = SystemClock()
    results = [_row(ROWS[0], folder, bodies, lambda: SqliteLogStore(folder / "logs", 3, clock))]
    with search_server() as server:
        settings = SearchServerConfig(url=server.url)
        results.append(_row(ROWS[1], folder, bodies, lambda: OpenSearchStore(settings, 3, clock)))
    return results


def _url(folder: Path) -> str:
    return f"sqlite:///{folder}/hub.sqlite3"


def _row(row: Row, folder: Path, bodies: list[bytes], make: Callable[[], LogStore]) -> Result:
    lines, cpu_s, wall_s = asyncio.run(_taken(folder, bodies, make))
    return row.measured(
        lines / cpu_s, f"{lines} lines in {wall_s:.1f} s of {cpu_s:.1f} s CPU: {lines / wall_s:.0f} a second"
    )


async def _taken(folder: Path, bodies: list[bytes], make: Callable[[], LogStore]) -> tuple[int, float, float]:
    clock, history, news = SystemClock(), await Store.open(_url(folder)), News()
    store, reporter = make(), Reporter(Counters(), clock)
    intake = LogIntake(
        max_body_bytes=MOST_BYTES,
        prove=Anybody(),
        forwarders=("loghost",),
        keeper=LogKeeper(store, Enricher(history, "demo", news), (), news, clock, reporter),
        zone=UTC,
        reporter=reporter,
        clock=clock,
    )
    took = 0
    cpu_s, wall_s = time.process_time(), time.monotonic()
    for begin in range(0, len(bodies), 2):  # two senders
        answers = await asyncio.gather(*(_send(intake.take, body) for body in bodies[begin : begin + 2]))
        took += sum(answers)
    cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - wall_s
    await store.close()
    await history.close()
    return took, cpu_s, wall_s


async def _send(
    take: Callable[[bytes, Mapping[str, str], str | None], Awaitable[tuple[int, bytes]]], body: bytes
) -> int:
    status, answer = await take(body, {}, None)
    if status != 200:
        raise NotMeasurable(f"the hub answered {status}: {answer.decode()[:200]}")
    return int(msgspec.json.decode(answer)["accepted"])


@contextmanager
def search_server() -> Iterator[OpenSearch]:
    """A real one, on loopback; NotMeasurable where there is none to be had."""
    try:
        sandbox = Sandbox()
        sandbox.start()
    except DeployError as error:
        raise NotMeasurable(str(error)) from error
    try:
        server = OpenSearch(sandbox)
        try:
            start_and_wait(server, START_S)
        except DeployError as error:
            raise NotMeasurable(str(error)) from error
        yield server
    finally:
        sandbox.stop()
