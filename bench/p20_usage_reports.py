"""P20: the report of a day on which a million jobs ran, and the management's overview of that day.

Twenty thousand jobs of one day are made (`hub_load.histories`) and charged by the hub's own keeper; then ledger and
hourly sums are there again and again, as fifty such clusters would fill them. The overview's target is set at ten
million jobs, ten such days (`make` takes how many): a quarter of an hour to make, and not in this run. Report and
overview are asked over HTTP as JSON: the figure is the hub's CPU time from the request to the last byte, which
does not depend on who else uses the machine; the wall's stands beside it. Each round asks for another window (the
day, and up to two hours before it) and another first table, so that nothing is given from what the hub keeps of the
overview; what it costs when opened again, and when another of its tables is to come first, stands beside it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from sqlalchemy import text

from bench.cpu_time import cpu_ns
from bench.hub_load.histories import CLUSTER, HistoryShape, fill
from bench.hub_load.job_mix import DAY_S, JobMix
from bench.hub_load.programs import Server, hub
from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting
from slurmlens.clock import SystemClock
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.record.concluding import JobKey, mark_uncharged
from slurmlens.hub.news import News
from slurmlens.hub.usage.charges import FOREVER_S
from slurmlens.hub.usage.keeping import UsageKeeper
from slurmlens.hub.usage.tables import HOUR_KEY, usage_hours, usage_runs

BLOCK = 20_000
ROUNDS = ("account", "user", "partition")
"""What the first table is of."""


def _row(what: str, must: float, aim: float) -> Row:
    return Row("P20", what, Goal(must, f"< {must:g}"), Goal(aim, f"< {aim:g}"), "absolute", " s")


REPORT = _row("report of a day of {jobs:,} jobs: CPU of the hub, p50", 5, 1)
OVERVIEW = _row("management overview of {jobs:,} jobs: CPU of the hub, p50", 2, 0.3)


def _named(row: Row, **values: int) -> Row:
    return Row(row.target, row.what.format(**values), row.must, row.aim, row.reference, row.unit)


ROWS = (_named(REPORT, jobs=50 * BLOCK), _named(OVERVIEW, jobs=50 * BLOCK))


def measure(setting: Setting) -> list[Result]:
    copies, days = setting.choose(50, 5), 1
    folder = setting.new_folder()
    now_s = int(time.time()) // DAY_S * DAY_S - 60
    made_s = time.perf_counter()
    asyncio.run(make(f"sqlite:///{folder}/hub.sqlite3", now_s, copies, days))
    made_s = time.perf_counter() - made_s
    return asked(folder, now_s, copies, days, f"made in {made_s:.0f} s")


def asked(folder: Path, now_s: int, copies: int, days: int, note: str) -> list[Result]:
    """What a hub on that database takes for both."""
    jobs = BLOCK * copies
    day = time.strftime("%Y-%m-%d", time.gmtime(now_s))
    window = {"from": now_s + 60 - days * DAY_S, "to": now_s + 60}
    addresses = (
        (_named(REPORT, jobs=jobs), [f"/reports.json?{urlencode({'period': 'day', 'at': day})}"] * len(ROUNDS)),
        (
            _named(OVERVIEW, jobs=jobs * days),
            [
                f"/management.json?{urlencode({'from': window['from'] - 3600 * number, 'to': window['to'], 'by': by})}"
                for number, by in enumerate(ROUNDS)
            ],
        ),
    )
    with hub(folder, cluster=CLUSTER) as server:
        report, overview = (_taken(row, server, of_rounds, note) for row, of_rounds in addresses)
        last = addresses[-1][1][-1]
        again_ms = _cpu_ms(server, last)
        other_ms = _cpu_ms(server, last.replace(f"by={ROUNDS[-1]}", f"by={ROUNDS[0]}"))
        note = f"opened again {again_ms:.0f} ms, with another table first {other_ms:.0f} ms; {overview.note}"
        return [report, dataclasses.replace(overview, note=note)]


def _cpu_ms(server: Server, address: str) -> float:
    before_ns = cpu_ns(server.pid)
    _get(server, address)
    return (cpu_ns(server.pid) - before_ns) / 1e6


def _taken(row: Row, server: Server, addresses: Sequence[str], note: str) -> Result:
    walls, spent = [], []
    for address in addresses:
        before_ns, began = cpu_ns(server.pid), time.perf_counter()
        document = _get(server, address)
        walls.append(time.perf_counter() - began)
        spent.append((cpu_ns(server.pid) - before_ns) / 1e9)
    rows = json.dumps(document).count('"runs"')
    return row.measured(
        statistics.median(spent),
        f"the first {spent[0]:.2f} s; {statistics.median(walls):.1f} s by the wall; {rows} rows of tables; {note}",
    )


async def make(url: str, now_s: int, copies: int, days: int) -> None:
    """A charged day, so many times over, on so many days."""
    mix = JobMix(BLOCK, now_s=now_s, jobs_a_day=BLOCK)
    store = await Store.open(url)
    try:
        await fill(store, HistoryShape(mix, 0.0, 0.0))
        keys = [JobKey(CLUSTER, job_id) for job_id in range(mix.first_job_id, mix.first_job_id + mix.jobs)]
        await store.write(lambda transaction: mark_uncharged(transaction, keys, now_s * 10**9))
        keeper = UsageKeeper(store, CLUSTER, News(), SystemClock())
        while (await keeper.step()).jobs:
            pass
        await store.write(lambda transaction: _repeat(transaction, copies, days))
    finally:
        await store.close()


def _repeat(transaction: Transaction, copies: int, days: int) -> None:
    """The ledger's runs under other ids, the hours' sums so many times as large, each day as the last one."""
    core = transaction.core
    index = next(iter(usage_runs.indexes))
    index.drop(core)
    columns = [column.name for column in usage_runs.columns]
    times = {"start_s", "end_s", "submit_s"}
    for day in range(days):
        for copy in range(copies):
            if day == copy == 0:
                continue
            values = ", ".join(
                f"job_id + {BLOCK * (day * copies + copy)}"
                if name == "job_id"
                else f"{name} - {day * DAY_S}"
                if name in times
                else name
                for name in columns
            )
            core.execute(
                text(
                    f"INSERT INTO usage_runs ({', '.join(columns)}) SELECT {values} FROM usage_runs"
                    f" WHERE job_id <= {BLOCK} AND end_s < {FOREVER_S}"
                )
            )
    index.create(core)
    sums = [column.name for column in usage_hours.columns if column.name not in HOUR_KEY]
    core.execute(text("CREATE TEMPORARY TABLE one_day AS SELECT * FROM usage_hours"))
    core.execute(text(f"UPDATE usage_hours SET {', '.join(f'{name} = {name} * {copies}' for name in sums)}"))
    key = ", ".join(HOUR_KEY)
    added = ", ".join(f"{name} = usage_hours.{name} + excluded.{name}" for name in sums)
    for day in range(1, days):
        shifted = ", ".join(f"hour_s - {day * DAY_S}" if name == "hour_s" else name for name in HOUR_KEY)
        many = ", ".join(f"{name} * {copies}" for name in sums)
        core.execute(
            text(
                f"INSERT INTO usage_hours ({key}, {', '.join(sums)}) SELECT {shifted}, {many} FROM one_day WHERE true"
                f" ON CONFLICT ({key}) DO UPDATE SET {added}"
            )
        )
    core.execute(text("DROP TABLE one_day"))
    core.execute(text("ANALYZE"))


def _get(server: Server, address: str) -> object:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    try:
        connection.request("GET", address)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise NotMeasurable(f"{address} was answered with {answer.status}: {body[:200]!r}")
        return json.loads(body)
    finally:
        connection.close()
