"""P18: what a hub takes, lines a second of its CPU time, over HTTP, with runs concluded and courses packed.

Requests of whole jobs (`hub_load.full_bodies`), their profiles packed as nodes of this release send them, sent as fast
as they are answered by a process beside it: few lines a request as nodes send them, over 64 connections, many as a
relay does, over 8. The note has the same as JSON, as nodes before sent it. The hub's CPU time is counted from when it
has come to rest after its start until all profiles are packed and all jobs are charged to the sums of usage. SQLite on
the bench's folder, fsync as the machine has it. PostgreSQL shares the machine with hub and sender: there it is lines a
second of wall time, with the hub's CPU beside.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.cpu_time import cpu_ns
from bench.hub_load.postgresql import BenchPostgreSql
from bench.hub_load.programs import Server, hub
from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting

FEW, MANY = 5, 200
CONNECTIONS = {FEW: 64, MANY: 8}
DONE_WITHIN_S = 60.0
ROWS = (
    Row(
        "P18",
        f"hub ingest, {FEW} lines a request, SQLite",
        Goal(5000, at_least=True),
        Goal(10_000, at_least=True),
        "absolute",
        " lines/CPU-s",
    ),
    Row(
        "P18",
        f"hub ingest, {MANY} lines a request, SQLite",
        Goal(8000, at_least=True),
        Goal(15_000, at_least=True),
        "absolute",
        " lines/CPU-s",
    ),
    Row(
        "P18",
        f"hub ingest, {MANY} lines a request, PostgreSQL on the same two cores, wall",
        Goal(5000, at_least=True),
        Goal(8000, at_least=True),
        "absolute",
        " lines/s",
    ),
)
IDLE_S = 0.3
REST_NS = 2_000_000
"""A hub that uses less in that time is at rest."""
_LEFT = """
SELECT coalesce((SELECT max(id) FROM batches), 0) - coalesce((SELECT value FROM marks WHERE name = 'packed'), 0)
    + (SELECT count(*) FROM uncharged_jobs)
"""
"""Batches to be packed and jobs to be charged."""


class _Taken(NamedTuple):
    """Lines a second: of the hub's CPU time, packing and charging included, and of the time until the last answer."""

    a_cpu_s: float
    a_wall_s: float


def measure(setting: Setting) -> list[Result]:
    jobs, rounds = setting.choose(4000, 1000), setting.choose(3, 1)
    results = []
    for row, lines in zip(ROWS[:2], (FEW, MANY), strict=True):
        rates = [_on_sqlite(setting.new_folder(), lines, jobs).a_cpu_s for _ in range(rounds)]
        as_json = _on_sqlite(setting.new_folder(), lines, jobs, "--json").a_cpu_s
        note = f"runs: {', '.join(f'{rate:.0f}' for rate in rates)}; profiles as JSON: {as_json:.0f}"
        results.append(row.measured(statistics.median(rates), note))
    try:
        results.append(_on_postgresql(setting.new_folder(), jobs))
    except NotMeasurable as reason:
        results.append(ROWS[2].no_figure(f"not measured: {reason}"))
    return results


def _on_sqlite(folder: Path, lines: int, jobs: int, *options: str) -> _Taken:
    def left() -> int:
        with sqlite3.connect(f"file:{folder}/hub.sqlite3?mode=ro", uri=True) as connection:
            (count,) = connection.execute(_LEFT).fetchone()
        connection.close()
        return int(count)

    return _taken(folder, None, lines, jobs, left, *options)


def _on_postgresql(folder: Path, jobs: int) -> Result:
    import psycopg

    with BenchPostgreSql(folder) as server:

        def left() -> int:
            with psycopg.connect(server.url) as connection:
                (count,) = connection.execute(_LEFT).fetchone() or (0,)
            return int(count)

        taken = _taken(folder, server.url, MANY, jobs, left)
    return ROWS[2].measured(taken.a_wall_s, f"{taken.a_cpu_s:.0f} lines a second of the hub's CPU time")


def _taken(
    folder: Path,
    database_url: str | None,
    lines: int,
    jobs: int,
    left: Callable[[], int],
    *options: str,
) -> _Taken:
    with hub(folder, database_url, relays=("relay",)) as server:
        command = [sys.executable, "-m", "bench.hub_load.full_bodies", "--hub", f"127.0.0.1:{server.port}"]
        before_ns = _once_idle_ns(server)
        told = ["--token-file", str(folder / "tokens"), "--lines", str(lines), "--jobs", str(jobs)]
        told += ["--connections", str(CONNECTIONS[lines]), *options]
        sent = json.loads(subprocess.run([*command, *told], stdout=subprocess.PIPE, check=True).stdout)
        if set(sent["statuses"]) != {"200"}:
            raise NotMeasurable(f"the hub answered {sent['statuses']}")
        _until_done(left)
        return _Taken(float(sent["lines"]) / ((cpu_ns(server.pid) - before_ns) / 1e9), sent["lines"] / sent["wall_s"])


def _once_idle_ns(server: Server) -> int:
    """The hub's CPU time once its start is over: it listens a moment before that."""
    spent_ns, before_ns = cpu_ns(server.pid), 0
    while spent_ns - before_ns > REST_NS:
        time.sleep(IDLE_S)
        spent_ns, before_ns = cpu_ns(server.pid), spent_ns
    return spent_ns


def _until_done(left: Callable[[], int]) -> None:
    """Waits until the hub has packed the last batch and charged the last job."""
    deadline_s = time.monotonic() + DONE_WITHIN_S
    while time.monotonic() < deadline_s:
        if not left():
            return
        time.sleep(0.1)
    raise NotMeasurable("the hub did not pack its profiles and charge its jobs")
