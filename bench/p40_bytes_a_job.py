"""P40: what a job of two nodes takes in the database, in its first weeks and for good, against what its nodes sent.

Each node of each job sends one request of a start, a delta, an end, a summary and a heartbeat (`hub_load.full_bodies`:
five minutes in bins of 10 s, ten metrics), the scheduler tells its record; runs are concluded, profiles packed. Then a
hundred days pass at once and retention takes its steps, by its default ages: coarse profiles are left. After some more
years these are gone, too, and what is left is kept for good. Bytes are the used pages of an SQLite file, with all
indexes, less those of an empty one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from bench.hub_load.full_bodies import BIN_S, BINS, job_events
from bench.result import Goal, Result, Row
from bench.setting import Setting
from slurmlens.clock import NS_PER_S
from slurmlens.config.retention import RetentionConfig
from slurmlens.errors import DecodeError
from slurmlens.hub.database.retention import Retention
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.bodies import MOST_BYTES
from slurmlens.hub.history.record.announcing import Announcer
from slurmlens.hub.history.record.applying import Applier
from slurmlens.hub.history.record.packing import Packer
from slurmlens.hub.history.record.storing import Request
from slurmlens.hub.history.retention import DAY_S, kinds_of_history
from slurmlens.hub.news import News
from slurmlens.hub.progress.keeping import KEEPER
from slurmlens.hub.scheduler.records import SchedulerRecords
from slurmlens.slurm.records import JobRecord, JobState, RecordSource
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from slurmlens.wire.ingest import unpack
from slurmlens.wire.packed_body import pack_body, split_body
from slurmlens.wire.received import ReceivedLine, received_lines

BEGIN_S = 1_795_420_800
NODES = 2
JOBS_AT_ONCE = 100
_REFERENCE = "what the job's nodes sent, packed as they send it"
ROWS = (
    Row(
        "P40", "bytes a job of 2 nodes in the database: in its first weeks", Goal(12_000), Goal(5000), _REFERENCE, " B"
    ),
    Row("P40", "bytes a job of 2 nodes in the database: for good", Goal(4000), Goal(2000), _REFERENCE, " B"),
)


class SetClock:
    """The hub's clock, set by the bench: retention is to believe that time has passed."""

    def __init__(self) -> None:
        self.now_s = BEGIN_S

    def wall_ns(self) -> int:
        return self.now_s * NS_PER_S

    def monotonic_ns(self) -> int:
        return self.now_s * NS_PER_S

    def boottime_ns(self) -> int:
        return self.now_s * NS_PER_S


def measure(setting: Setting) -> list[Result]:
    return asyncio.run(_measure(setting.new_folder() / "hub.sqlite3", setting.choose(4000, 500)))


async def _measure(path: Path, jobs: int) -> list[Result]:
    clock = SetClock()
    store = await Store.open(f"sqlite:///{path}")
    try:
        empty_bytes = _used_bytes(path)
        sent_bytes = await _tell(store, clock, jobs) / jobs
        young_bytes = (_used_bytes(path) - empty_bytes) / jobs
        retention = Retention(store, kinds_of_history(RetentionConfig()), clock)
        old_bytes = (await _after_days(100, path, retention, clock) - empty_bytes) / jobs
        for_good_bytes = (await _after_days(4000, path, retention, clock) - empty_bytes) / jobs
    finally:
        await store.close()
    sent = f"{sent_bytes:.0f} B sent"
    return [
        ROWS[0].measured(young_bytes, f"{young_bytes / sent_bytes:.2f} of the {sent}"),
        ROWS[1].measured(
            for_good_bytes,
            f"{for_good_bytes / sent_bytes:.2f} of the {sent}; {old_bytes:.0f} B from a hundred days on, with coarse"
            " profiles, until these go after three years",
        ),
    ]


async def _tell(store: Store, clock: SetClock, jobs: int) -> int:
    """Everything about so many jobs; returns the bytes that nodes sent."""
    news, reporter = News(), Reporter(Counters(), clock)
    announcer = Announcer(news, reporter)
    applier = await Applier.load(store, announcer, (KEEPER,))
    records = SchedulerRecords(store, applier.concluder, "bench", announcer)
    packer = Packer(store, applier.recent_profiles, news, reporter)
    sent_bytes = 0
    for begin in range(1, jobs + 1, JOBS_AT_ONCE):
        job_ids = range(begin, min(begin + JOBS_AT_ONCE, jobs + 1))
        requests = [_request(job_id, part) for job_id in job_ids for part in range(NODES)]
        sent_bytes += sum(len(request.body) + len(request.profiles) for request in requests)
        await asyncio.gather(*(applier.apply(request) for request in requests))
        await records.take([_record(job_id) for job_id in job_ids], clock.wall_ns())
        while (await packer.pack()).batches:
            pass
    await applier.beats.write(store)
    return sent_bytes


def _request(job_id: int, part: int) -> Request:
    """As the hub's intake makes it of what a node sends."""
    events = job_events(job_id, BEGIN_S - 60 + job_id % 50, part, NODES)
    body = pack_body(b"".join(ecs.encode(event) + b"\n" for event in events), 3)
    assert body is not None
    half = split_body(body)
    received = [
        ReceivedLine(number, event)
        for number, event in received_lines(unpack(half.lines, "gzip", MOST_BYTES), half.profiles)
        if not isinstance(event, DecodeError)
    ]
    return Request(half.lines, "gzip", received, BEGIN_S * NS_PER_S, half.profiles)


def _record(job_id: int) -> JobRecord:
    end_s = BEGIN_S - 60 + job_id % 50
    start_s = int(end_s - BINS * BIN_S)
    return JobRecord(
        job_id=job_id,
        state=JobState.COMPLETED,
        source=RecordSource.ACCOUNTING,
        name="simulation",
        user=f"user{job_id % 50}",
        user_id=3000 + job_id % 50,
        account=f"project{job_id % 20}",
        partition="batch",
        qos="normal",
        submit_s=start_s - 100,
        eligible_s=start_s - 100,
        start_s=start_s,
        end_s=end_s,
        time_limit_s=3600,
        nodes=tuple(f"n{(job_id * NODES + part) % 1000:04}" for part in range(NODES)),
        node_count=NODES,
        cpu_count=32 * NODES,
        memory_bytes=256 * 2**30,
        exit_code=0,
        exit_signal=0,
    )


async def _after_days(days: int, path: Path, retention: Retention, clock: SetClock) -> int:
    clock.now_s += days * DAY_S
    while await retention.turn():
        pass
    return _used_bytes(path)


def _used_bytes(path: Path) -> int:
    """Of the pages that hold something: what went by age left room for what comes."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    connection.close()
    return int((pages - free) * size)
