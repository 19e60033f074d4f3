"""P20: the report of a day on which a million jobs ran, and the management's overview of that day.

Twenty thousand jobs of one day are made (`hub_load.histories`) and charged by the hub's own keeper; then ledger and
sums are there again and again, as fifty such clusters with the same users would fill them, a day at a time (`make`
goes on where it was stopped). The overview's target is set at ten million jobs, ten such days: `p20_ten_million`;
on PostgreSQL: `p20_on_postgresql`. Report and overview are asked over HTTP as JSON: the figure is the hub's CPU time
from the request to the last byte, which does not depend on who else uses the machine; the wall's stands beside it.
Each round asks for another window (the days, and up to two hours before them) and another first table, so that nothing
is given from what the hub keeps of the overview; what it costs when opened again, when another of its tables is to come
first, and when the window begins and ends amid an hour, stands beside it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from functools import partial
from urllib.parse import urlencode

from sqlalchemy import Connection, Table, delete, func, select, text

from bench.cpu_time import cpu_ns
from bench.hub_load.histories import CLUSTER, HistoryShape, fill
from bench.hub_load.job_mix import DAY_S, JobMix
from bench.hub_load.programs import Server, get_json, hub
from bench.result import Goal, Result, Row
from bench.setting import Setting
from slurmlens.clock import SystemClock
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.record.concluding import JobKey, mark_uncharged
from slurmlens.hub.news import News
from slurmlens.hub.usage.charges import FOREVER_S
from slurmlens.hub.usage.keeping import UsageKeeper
from slurmlens.hub.usage.tables import SUMS, usage_runs

BLOCK = 20_000
ROUNDS = ("account", "user", "partition")
"""What the first table is of."""
TIMES = ("start_s", "end_s", "submit_s", "hour_s", "day_s", "begin_s", "slot_s")


def row_of(what: str, must: float, aim: float) -> Row:
    """A row of P20, in seconds."""
    return Row("P20", what, Goal(must, f"< {must:g}"), Goal(aim, f"< {aim:g}"), "absolute", " s")


REPORT = row_of("report of a day of {jobs:,} jobs: CPU of the hub, p50", 5, 1)
OVERVIEW = row_of("management overview of {jobs:,} jobs: CPU of the hub, p50", 2, 0.3)


def named(row: Row, **values: int) -> Row:
    """A row with these numbers in its name."""
    return Row(row.target, row.what.format(**values), row.must, row.aim, row.reference, row.unit)


ROWS = (named(REPORT, jobs=50 * BLOCK), named(OVERVIEW, jobs=50 * BLOCK))


def measure(setting: Setting) -> list[Result]:
    copies, days = setting.choose(50, 5), 1
    folder = setting.new_folder()
    end_s = int(time.time()) // DAY_S * DAY_S
    made_s = time.perf_counter()
    asyncio.run(make(f"sqlite:///{folder}/hub.sqlite3", end_s, copies, days))
    made_s = time.perf_counter() - made_s
    with hub(folder, cluster=CLUSTER) as server:
        return [one for one, _ in asked(server, end_s, copies, days, f"made in {made_s:.0f} s")]


def asked(server: Server, end_s: int, copies: int, days: int, note: str) -> list[tuple[Result, float]]:
    """What a hub takes for both, and how long by the wall, in seconds."""
    jobs = BLOCK * copies
    day = time.strftime("%Y-%m-%d", time.gmtime(end_s - 1))
    begin_s = end_s - days * DAY_S
    windows = [{"from": begin_s - 3600 * number, "to": end_s, "by": by} for number, by in enumerate(ROUNDS)]
    report = named(REPORT, jobs=jobs), [f"/reports.json?{urlencode({'period': 'day', 'at': day})}"] * len(ROUNDS)
    overview = named(OVERVIEW, jobs=jobs * days), [f"/management.json?{urlencode(window)}" for window in windows]
    (of_report, report_wall_s), (of_overview, wall_s) = (_taken(*one, server, note) for one in (report, overview))
    again_ms = _cpu_ms(server, overview[1][-1])
    other_ms = _cpu_ms(server, overview[1][-1].replace(f"by={ROUNDS[-1]}", f"by={ROUNDS[0]}"))
    cut = {"from": begin_s + 1_234, "to": end_s - 1_234}
    cut_ms = _cpu_ms(server, f"/management.json?{urlencode(cut)}")
    told = f"opened again {again_ms:.0f} ms, with another table first {other_ms:.0f} ms, amid an hour {cut_ms:.0f} ms"
    of_overview = dataclasses.replace(of_overview, note=f"{told}; {of_overview.note}")
    return [(of_report, report_wall_s), (of_overview, wall_s)]


def _cpu_ms(server: Server, address: str) -> float:
    before_ns = cpu_ns(server.pid)
    get_json(server, address)
    return (cpu_ns(server.pid) - before_ns) / 1e6


def _taken(row: Row, addresses: Sequence[str], server: Server, note: str) -> tuple[Result, float]:
    walls, spent = [], []
    for address in addresses:
        before_ns, began = cpu_ns(server.pid), time.perf_counter()
        document = get_json(server, address)
        walls.append(time.perf_counter() - began)
        spent.append((cpu_ns(server.pid) - before_ns) / 1e9)
    rows = json.dumps(document).count('"runs"')
    wall_s = statistics.median(walls)
    told = f"the first {spent[0]:.2f} s; {wall_s:.2f} s by the wall; {rows} rows of tables; {note}"
    return row.measured(statistics.median(spent), told), wall_s


async def make(url: str, end_s: int, copies: int, days: int) -> None:
    """Charged days, the last of which ends at `end_s`, each so many times over; those that are there already stay."""
    store = await Store.open(url)
    try:
        if not await store.read(_last_job_id):
            await _make_one(store, end_s)
            await store.write(_set_aside)
        for day in range(-(-await store.read(_last_job_id) // BLOCK) // copies, days):
            await store.write(partial(_add_day, day=day, copies=copies))
        await store.write(lambda transaction: transaction.core.execute(text("ANALYZE")))
    finally:
        await store.close()


def _last_job_id(connection: Connection) -> int:
    return int(connection.execute(select(func.max(usage_runs.c.job_id))).scalar() or 0)


async def _make_one(store: Store, end_s: int) -> None:
    mix = JobMix(BLOCK, now_s=end_s - 60, jobs_a_day=BLOCK)
    await fill(store, HistoryShape(mix, 0.0, 0.0))
    keys = [JobKey(CLUSTER, job_id) for job_id in range(mix.first_job_id, mix.first_job_id + mix.jobs)]
    await store.write(lambda transaction: mark_uncharged(transaction, keys, end_s * 10**9))
    keeper = UsageKeeper(store, CLUSTER, News(), SystemClock())
    while (await keeper.step()).jobs:
        pass


def _set_aside(transaction: Transaction) -> None:
    """What days are made of; the sums of the one that is there are to come from all of its copies."""
    for table in (usage_runs, *SUMS):
        transaction.core.execute(text(f"CREATE TABLE one_{table.name} AS SELECT * FROM {table.name}"))
    for table in SUMS:
        transaction.core.execute(delete(table))


def _add_day(transaction: Transaction, day: int, copies: int) -> None:
    """So many times the jobs of the one day, so many days earlier, under other ids."""
    for copy in range(copies):
        first = BLOCK * (day * copies + copy)
        if first:
            _copy(transaction, usage_runs, {"job_id": f"job_id + {first}"}, day, f"end_s < {FOREVER_S}")
    for table in SUMS:
        sums = [column.name for column in table.columns if not column.primary_key]
        _copy(transaction, table, {name: f"{name} * {copies}" for name in sums}, day, "true")


def _copy(transaction: Transaction, table: Table, changes: Mapping[str, str], day: int, where: str) -> None:
    values = {column.name: f'"{column.name}"' for column in table.columns}
    values |= {name: f"{name} - {day * DAY_S}" for name in TIMES if name in values} | dict(changes)
    key = ", ".join(f'"{column.name}"' for column in table.primary_key)
    added = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in changes)
    is_sum = table is not usage_runs
    names = ", ".join(f'"{name}"' for name in values)
    made = f"INSERT INTO {table.name} ({names}) SELECT {', '.join(values.values())} FROM one_{table.name} WHERE {where}"
    added_to = f" ON CONFLICT ({key}) DO UPDATE SET {added}" if is_sum else ""
    transaction.core.execute(text(made + added_to))
