"""What storing costs without HTTP: a hub's intake, history and packing in this process, and a bare table beside it.

Both take the same jobs (`full_bodies.job_events`), as many lines a commit: the hub packed, as nodes send them, the bare
table each line as the JSON that the node's spool holds, by `executemany` into a table with a text key. Both on SQLite
with `synchronous=FULL`. CPU time is this process's.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from bench.hub_load.full_bodies import bodies, job_events
from slurmlens.clock import SystemClock
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.record.announcing import Announcer
from slurmlens.hub.history.record.applying import Applier
from slurmlens.hub.history.record.packing import Packer
from slurmlens.hub.history.record.storing import Request
from slurmlens.hub.intake.lines import read_lines
from slurmlens.hub.news import News
from slurmlens.hub.progress.keeping import KEEPER
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from slurmlens.wire.ingest import unpack
from slurmlens.wire.packed_body import split_body

MOST_BYTES = 2**26


class LineCosts(NamedTuple):
    """CPU seconds a line: of all, and of packing among it."""

    all_s: float
    packing_s: float


def hub_costs(folder: Path, jobs: int, lines: int) -> LineCosts:
    """Of the hub's own write path, a commit a request."""
    return asyncio.run(_hub_costs(folder, list(bodies(jobs, lines)), jobs * 5))


async def _hub_costs(folder: Path, requests: list[bytes], count: int) -> LineCosts:
    clock, news = SystemClock(), News()
    reporter = Reporter(Counters(), clock)
    store = await Store.open(f"sqlite:///{folder}/hub.sqlite3")
    try:
        applier = await Applier.load(store, Announcer(news, reporter), (KEEPER,))
        packer = Packer(store, applier.recent_profiles, news, reporter)
        began_s = time.process_time()
        for body in requests:
            lines, profiles = split_body(body)
            unpacked = unpack(lines, "gzip", MOST_BYTES)
            taken = read_lines(unpacked, lambda node: True, "bench", clock.wall_ns(), profiles)
            await applier.apply(Request(lines, "gzip", taken.lines, clock.wall_ns(), profiles))
        stored_s = time.process_time()
        while (await packer.pack()).batches:
            pass
        ended_s = time.process_time()
    finally:
        await store.close()
    return LineCosts((ended_s - began_s) / count, (ended_s - stored_s) / count)


def bare_cost_s(folder: Path, jobs: int, lines: int) -> float:
    """CPU seconds a line of a bare `executemany`."""
    made = list(_rows(jobs))
    connection = sqlite3.connect(folder / "bare.sqlite3", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE lines (id TEXT PRIMARY KEY, line BLOB NOT NULL)")
    waiting = iter(made)
    began_s = time.process_time()
    while some := list(islice(waiting, lines)):
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO lines VALUES (?, ?)", some)
        connection.execute("COMMIT")
    took_s = time.process_time() - began_s
    connection.close()
    return took_s / len(made)


def _rows(jobs: int) -> Iterator[tuple[str, bytes]]:
    now_s = time.time() - 60
    for job_id in range(1, jobs + 1):
        yield from ((event.id, ecs.encode(event)) for event in job_events(job_id, now_s))
