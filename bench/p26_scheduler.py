"""P26: what the hub's questions cost slurmctld.

The load is measured on a real small Slurm with jobs that wait, by slurmctld's own count of its requests (`sdiag`); how
soon a huge queue is decoded is `p26_huge_queue`'s.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy.errors import MachineLacks
from deploy.slurm import SmallSlurm, small_slurm

from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting
from slurmlens.clock import SystemClock
from slurmlens.config.hub import SlurmConfig
from slurmlens.errors import SourceError
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.record.announcing import Announcer
from slurmlens.hub.history.record.applying import Applier
from slurmlens.hub.news import News, QueueReceived
from slurmlens.hub.progress import keeping
from slurmlens.hub.scheduler.poller import Poller
from slurmlens.hub.scheduler.records import SchedulerRecords
from slurmlens.hub.scheduler.state import SchedulerState
from slurmlens.slurm.command import Answer
from slurmlens.slurm.pieces import Pieces
from slurmlens.slurm.source import CommandSource
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter

WAITING = 2000
SETTLE_S = 45.0
"""The questions of the start come together (nodes, partitions, the queue), and the next one comes after a minute."""

FULL_REQUESTS = ("REQUEST_JOB_INFO", "REQUEST_NODE_INFO", "REQUEST_PARTITION_INFO")

ROWS = (
    Row("P26", "full requests a minute to a real slurmctld, after the start", Goal(2), Goal(1), "absolute"),
    Row("P26", f"our share of slurmctld's time, {WAITING} jobs waiting", Goal(1), Goal(0.2), "sdiag", " %"),
)

_RPC = re.compile(r"(REQUEST_\w+)\s+\(\s*\d+\) count:(\d+)\s+ave_time:\d+\s+total_time:(\d+)")


def measure(setting: Setting) -> list[Result]:
    try:
        with small_slurm(extra_conf=f"MaxJobCount={2 * WAITING + 1000}") as slurm:
            _fill(slurm)
            seconds = setting.choose(240, 120)
            requests, busy_s, waiting = asyncio.run(_poll(slurm, setting.new_folder(), seconds))
    except MachineLacks as error:
        raise NotMeasurable(str(error)) from error
    note = (
        f"{requests} in {seconds} s, {busy_s * 1e3:.0f} ms of slurmctld's time; {waiting} records; 3 more at the start"
    )
    return [
        ROWS[0].measured(requests / seconds * 60, note),
        ROWS[1].measured(busy_s / seconds * 100, note),
    ]


def _fill(slurm: SmallSlurm) -> None:
    """Jobs that wait, each submitted alone: the tasks of an array would wait as one record."""
    submit = "sbatch --quiet --hold --chdir=/tmp --mem=50 --output=/dev/null --wrap=true >/dev/null"
    loop = f"for _ in $(seq {WAITING}); do {submit} || exit 1; done"
    slurm.slurm("sh", "-c", loop, user="alice", timeout_s=600)


async def _poll(slurm: SmallSlurm, folder: Path, seconds: float) -> tuple[int, float, int]:
    """Full requests, seconds of slurmctld's time for them, and records of the queue, while a poller is at work."""

    async def inside(
        arguments: Sequence[str], environment: Mapping[str, str], timeout_s: float, read: Callable[[Pieces], Answer]
    ) -> Answer:
        argv = ["env", "-i", *(f"{name}={value}" for name, value in environment.items()), *arguments]
        run = await asyncio.to_thread(slurm.sandbox.run, argv, check=False, timeout_s=timeout_s)
        if run.returncode:
            raise SourceError(run.stderr[-200:])
        return await asyncio.to_thread(read, [run.stdout.encode()])

    clock = SystemClock()
    store = await Store.open(f"sqlite:///{folder}/hub.sqlite3")

    news, reporter = News(), Reporter(Counters(), clock)
    queues = news.subscribe(QueueReceived)
    announcer = Announcer(news, reporter)
    poller = Poller(
        CommandSource(SlurmConfig(command_timeout_s=120), inside),
        SchedulerRecords(store, (await Applier.load(store, announcer, (keeping.KEEPER,))).concluder, "demo", announcer),
        news,
        SchedulerState(asked_since_ns=clock.wall_ns()),
        interval_s=SlurmConfig().poll_interval_s,
        clock=clock,
        reporter=reporter,
    )
    polling = asyncio.create_task(poller.poll_queue())
    await asyncio.sleep(SETTLE_S)
    before = _requests(slurm)
    await asyncio.sleep(seconds)
    polling.cancel()
    await asyncio.gather(polling, return_exceptions=True)
    after = _requests(slurm)
    await store.close()
    seen = max((len(fact.records) for fact in queues.take_all() if isinstance(fact, QueueReceived)), default=0)
    return after[0] - before[0], after[1] - before[1], seen


def _requests(slurm: SmallSlurm) -> tuple[int, float]:
    """How many full requests slurmctld has answered, and the seconds that it took: of all who ask."""
    rpcs = {name: (int(count), int(us)) for name, count, us in _RPC.findall(slurm.slurm("sdiag"))}
    asked = [rpcs.get(name, (0, 0)) for name in FULL_REQUESTS]
    return sum(count for count, _ in asked), sum(us for _, us in asked) / 1e6
