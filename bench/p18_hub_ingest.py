"""P18: what a hub takes, lines a second of its CPU time, over HTTP, with runs concluded and courses packed.

A relay's requests of whole jobs (`hub_load.full_bodies`), sent as fast as they are answered by a process beside it. The
hub's CPU time is counted until its profiles are packed, too. SQLite on the bench's folder, fsync as the machine has it.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.cpu_time import cpu_ns
from bench.hub_load.programs import hub
from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting

FEW, MANY = 5, 200
PACKED_WITHIN_S = 60.0
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
)


def measure(setting: Setting) -> list[Result]:
    results = []
    for row, lines in zip(ROWS, (FEW, MANY), strict=True):
        rates = [_rate(setting.new_folder(), lines, setting.choose(4000, 1000)) for _ in range(setting.choose(3, 1))]
        results.append(row.measured(statistics.median(rates), f"runs: {', '.join(f'{rate:.0f}' for rate in rates)}"))
    return results


def _rate(folder: Path, lines: int, jobs: int) -> float:
    with hub(folder, relays=("relay",)) as server:
        command = [sys.executable, "-m", "bench.hub_load.full_bodies", "--hub", f"127.0.0.1:{server.port}"]
        before_ns = cpu_ns(server.pid)
        options = ["--token-file", str(folder / "tokens"), "--lines", str(lines), "--jobs", str(jobs)]
        sent = json.loads(subprocess.run([*command, *options], stdout=subprocess.PIPE, check=True).stdout)
        if set(sent["statuses"]) != {"200"}:
            raise NotMeasurable(f"the hub answered {sent['statuses']}")
        _until_packed(folder / "hub.sqlite3")
        return float(sent["lines"]) / ((cpu_ns(server.pid) - before_ns) / 1e9)


def _until_packed(path: Path) -> None:
    """Waits until the hub has packed the last batch."""
    deadline_s = time.monotonic() + PACKED_WITHIN_S
    question = "SELECT (SELECT max(id) FROM batches), (SELECT value FROM marks WHERE name = 'packed')"
    while time.monotonic() < deadline_s:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            last, packed = connection.execute(question).fetchone()
        connection.close()
        if last == packed:
            return
        time.sleep(0.1)
    raise NotMeasurable("the hub did not pack its profiles")
