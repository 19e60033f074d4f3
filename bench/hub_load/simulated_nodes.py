"""Thousands of nodes in one process: each keeps a connection to the hub and sends what its jobs do.

    python -m bench.hub_load.simulated_nodes --hub 127.0.0.1:6830 --token-file FILE --nodes 5000 --seconds 60

Speaks the node's protocol with the product's own encoder (`wire.ecs`) and a token: one kept HTTP connection a node, a
heartbeat each interval at a moment of its own, and, with `--jobs-per-node-hour`, a job's start, profile deltas, end and
summary in requests of up to five lines, profiles packed once the hub says that it reads them. A node whose request is
not answered with 200 sends it again after a pause, with what has come to it since, as the daemon does, so an outage of
the hub ends in the reconnect storm of all of them. Prints one JSON document: what was sent, how it was answered, and
the answers' delay. Never asserts: the cases judge.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import math
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from bench.hub_load.kafka_road import KafkaRoad
from bench.result import percentile
from slurmlens.events import (
    AnyEvent,
    Figure,
    FigureSource,
    JobEnd,
    JobIdentity,
    JobProfile,
    JobStart,
    JobSummary,
    NodeHeartbeat,
    Point,
    Profile,
    Totals,
    Witness,
)
from slurmlens.metrics import METRICS
from slurmlens.wire import ecs
from slurmlens.wire.packed_body import PACKED_TYPE, pack_body

NS_PER_S = 1_000_000_000
BIN_S = 10.0
BINS_A_DELTA = 30
COLUMNS = tuple(metric.name for metric in METRICS)[:10]
RETRY_S = 2.0
ANSWER_TIMEOUT_S = 30.0
DESCRIPTORS_SPARE = 64
NDJSON = "application/x-ndjson\r\nContent-Encoding: gzip"


@dataclass(frozen=True, slots=True)
class Plan:
    """What one simulation does. `begin` of each node is spread over `beat_interval_s`, so that no second is fuller."""

    hubs: tuple[tuple[str, int], ...]
    token: str
    nodes: int
    seconds: float
    beat_interval_s: float = 10.0
    jobs_per_node_hour: float = 0.0
    skew_s: float = 0.0
    cluster: str = "bench"
    seed: int = 1
    day_s: float = 0.0
    """After so long the load is as it was: few nodes have jobs at its ends, most in its middle. 0: all, always."""
    failing_share: float = 0.0
    """Of the nodes; in the middle third of the run they are away, and then begin with a new boot."""
    lines_a_beat: int = 0
    """Log lines that each node sends beside its events."""
    kafka: str = ""
    """Where every second node's events go, as HOST:PORT."""

    def busy_share(self, now_s: float) -> float:
        """The chance that a node which is free begins a job at its beat."""
        return 0.5 - 0.45 * math.cos(2 * math.pi * now_s / self.day_s) if self.day_s else 1.0

    def is_away(self, number: int, elapsed_s: float) -> bool:
        """Whether that node has failed."""
        return number < self.failing_share * self.nodes and self.seconds / 3 < elapsed_s < self.seconds * 2 / 3

    @property
    def job_s(self) -> float:
        """A job's run time: one at a time on each node, so they follow each other."""
        return 3600.0 / self.jobs_per_node_hour if self.jobs_per_node_hour else 0.0


@dataclass(slots=True)
class Outcome:
    """What came of it, over all nodes; delays in seconds from the first byte sent to the answer read."""

    sent: int = 0
    lines: int = 0
    job_lines: int = 0
    """Events of jobs in requests that the hub took."""
    log_lines: int = 0
    """Log lines in requests that the hub took."""
    bytes_sent: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    delays_s: list[float] = field(default_factory=list)
    connections: int = 0
    undelivered: int = 0
    last_late_s: float = 0.0
    """Since the epoch: when the last request was taken that was due more than an interval before."""

    def document(self) -> dict[str, object]:
        delays = self.delays_s or [0.0]
        return {
            "sent": self.sent,
            "lines": self.lines,
            "job_lines": self.job_lines,
            "log_lines": self.log_lines,
            "bytes_sent": self.bytes_sent,
            "statuses": dict(self.statuses),
            "connections": self.connections,
            "undelivered": self.undelivered,
            "last_late_s": self.last_late_s,
            "delay_p50_s": percentile(delays, 0.5),
            "delay_p99_s": percentile(delays, 0.99),
            "delay_max_s": max(delays),
        }


class NodeLife:
    """The events of one node, in order; one job at a time. `number` makes names, `rng` what is measured."""

    def __init__(self, plan: Plan, number: int) -> None:
        self._plan = plan
        self.name = f"n{number:05}"
        self._rng = random.Random(plan.seed * 1_000_003 + number)
        self._skew_s = self._rng.gauss(0.0, plan.skew_s) if plan.skew_s else 0.0
        self._boot_id = f"{number:08x}-0000-4000-8000-000000000000"
        self._count = 0
        self._first_job = number * 10_000 + 1
        self._job = 0
        self._job_since_s = -1.0
        self._told_bins = 0

    def events(self, now_s: float) -> list[AnyEvent]:
        """What the node has to say now: always a heartbeat, and what its job did since the last time."""
        told: list[AnyEvent] = []
        now_s += self._skew_s
        if self._plan.job_s:
            told += self._job_events(now_s)
        told.append(self._heartbeat(now_s))
        return told

    def boot(self) -> None:
        """It failed and comes back: what ran is gone, and nobody said so."""
        self._boot_id = f"{self._boot_id[:-1]}1"
        if self._job_since_s >= 0:
            self._job, self._job_since_s = self._job + 1, -1.0

    def log_lines(self, count: int, now_s: float) -> bytes:
        """What its daemons logged since the last time, of its job where it has one."""
        job = f"slurm_{self._identity.job_id}" if self._job_since_s >= 0 else "sshd"
        stamp = datetime.fromtimestamp(now_s, UTC).isoformat()
        lines = (
            {
                "@timestamp": stamp,
                "host": self.name,
                "program": job if number % 2 else "slurmd",
                "message": f"iteration {self._count} part {number}: residual {self._rng.random():.6f}, a checkpoint",
                "severity": 6,
                "pid": 4711,
            }
            for number in range(count)
        )
        return b"\n".join(json.dumps(line).encode() for line in lines)

    def _job_events(self, now_s: float) -> Iterator[AnyEvent]:
        if self._job_since_s < 0:
            if self._rng.random() > self._plan.busy_share(now_s):
                return
            self._job_since_s, self._told_bins = now_s, 0
            yield JobStart(sighting=self._sighting, job=self._identity, witness=Witness.HOOK, **self._envelope(now_s))
            return
        bins = int((now_s - self._job_since_s) / BIN_S)
        is_over = now_s - self._job_since_s >= self._plan.job_s
        if bins - self._told_bins >= BINS_A_DELTA and not is_over:
            profile = self._profile(self._told_bins, bins)
            job_id = self._identity.job_id
            yield JobProfile(sighting=self._sighting, job_id=job_id, profile=profile, **self._envelope(now_s))
            self._told_bins = bins
        if is_over:
            yield JobEnd(sighting=self._sighting, job=self._identity, witness=Witness.HOOK, **self._envelope(now_s))
            yield self._summary(now_s, max(1, bins))
            self._job, self._job_since_s = self._job + 1, -1.0

    @property
    def _identity(self) -> JobIdentity:
        job_id = self._first_job + self._job
        return JobIdentity(
            job_id=job_id,
            user_id=1000 + job_id % 97,
            user_name=f"user{job_id % 97}",
            account=f"account{job_id % 13}",
            partition="batch",
            node_list=self.name,
            node_count=1,
            cpus_per_node="64",
        )

    @property
    def _sighting(self) -> str:
        return f"{self.name}-{self._identity.job_id}-1"

    def _envelope(self, now_s: float) -> dict[str, object]:
        self._count += 1
        return {
            "id": f"{self.name}-{self._plan.seed:04x}-{self._count:012x}",
            "time_ns": round(now_s * NS_PER_S),
            "boot_id": self._boot_id,
            "boottime_ns": time.clock_gettime_ns(time.CLOCK_BOOTTIME),
            "cluster": self._plan.cluster,
            "node": self.name,
        }

    def _heartbeat(self, now_s: float) -> NodeHeartbeat:
        running = ((self._identity.job_id, self._sighting),) if self._job_since_s >= 0 else ()
        return NodeHeartbeat(
            version="0.1.0", interval_s=self._plan.beat_interval_s, running=running, **self._envelope(now_s)
        )

    def _summary(self, now_s: float, bins: int) -> JobSummary:
        begin_s = self._job_since_s
        return JobSummary(
            sighting=self._sighting,
            job=self._identity,
            start_ns=round(begin_s * NS_PER_S),
            end_ns=round(now_s * NS_PER_S),
            start_witness=Witness.HOOK,
            end_witness=Witness.HOOK,
            unseen_s=0.0,
            slot=0,
            totals=Totals(
                samples=bins,
                cpu_s=Figure(value=(now_s - begin_s) * 40, source=FigureSource.PARENT_REST),
                memory_peak_bytes=Figure(value=2e10, source=FigureSource.LAST_SAMPLE),
            ),
            profile=self._profile(0, min(bins, 360)),
            **self._envelope(now_s),
        )

    def _profile(self, first: int, last: int) -> Profile:
        values = [round(self._rng.uniform(10, 60), 3) for _ in range(first, max(last, first + 1))]
        points = [Point(value * 0.9, value, value * 1.2) for value in values]
        start_ns = round((self._job_since_s + first * BIN_S) * NS_PER_S)
        return Profile(start_ns=start_ns, width_s=BIN_S, columns=dict.fromkeys(COLUMNS, points))


class NodeLink:
    """One node's kept connection; made again after an error, as the daemon does."""

    def __init__(self, plan: Plan, number: int, outcome: Outcome, road: KafkaRoad | None = None) -> None:
        self._plan = plan
        self._number = number
        self._life = life = NodeLife(plan, number)
        self._hub = plan.hubs[number // 2 % len(plan.hubs)]
        self._road = road
        self._outcome = outcome
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reads_packed = False
        self._retries = random.Random(life.name)

    async def run(self, begin_s: float, until_s: float) -> None:
        """Sends at every interval from `begin_s` on, until `until_s` (both of the loop's clock).

        What is due while the hub does not take it waits, and goes with the next request that it takes.
        """
        loop = asyncio.get_running_loop()
        due_s, waiting, waiting_job_lines = begin_s, b"", 0
        oldest_s = due_s
        while due_s < until_s or waiting:
            if not waiting:
                oldest_s = due_s
                await asyncio.sleep(max(0.0, due_s - loop.time()))
            while due_s <= min(loop.time(), until_s):
                if self._plan.is_away(self._number, due_s - begin_s):
                    if due_s + self._plan.beat_interval_s - begin_s >= self._plan.seconds * 2 / 3:
                        self._life.boot()
                    due_s += self._plan.beat_interval_s
                    continue
                events = self._life.events(time.time())
                waiting += b"".join(ecs.encode(event) + b"\n" for event in events)
                self._outcome.lines += len(events)
                waiting_job_lines += len(events) - 1  # the last is the heartbeat, of which no row is kept
                due_s += self._plan.beat_interval_s
            if not waiting:
                continue
            await self._post_log_lines()
            if await self._post(waiting):
                self._outcome.job_lines += waiting_job_lines
                waiting, waiting_job_lines = b"", 0
                if loop.time() - oldest_s > self._plan.beat_interval_s:
                    self._outcome.last_late_s = max(self._outcome.last_late_s, time.time())
            elif loop.time() >= until_s:
                self._outcome.undelivered += 1
                break
            else:
                await asyncio.sleep(RETRY_S * self._retries.uniform(0.5, 1.5))
        if self._writer is not None:
            self._writer.close()

    async def _post(self, body: bytes) -> bool:
        """One try; whether the hub, or the topic, took it."""
        if self._road is not None:
            return await self._road.take(body)
        packed = pack_body(body, 3) if self._reads_packed else None
        if packed:
            return await self._try("events", PACKED_TYPE, packed)
        return await self._try("events", NDJSON, gzip.compress(body, 3))

    async def _post_log_lines(self) -> None:
        """They are not sent again here: a daemon's spool does that."""
        count = self._plan.lines_a_beat
        if count:
            body = gzip.compress(self._life.log_lines(count, time.time()), 3)
            self._outcome.log_lines += count if await self._try("logs", NDJSON, body) else 0

    async def _try(self, address: str, kind: str, packed: bytes) -> bool:
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                status = await self._exchange(address, kind, packed)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            self._hang_up()
            self._outcome.statuses[type(error).__name__] += 1
            return False
        self._outcome.delays_s.append(time.monotonic() - began_s)
        self._outcome.statuses[str(status)] += 1
        return status == 200

    async def _exchange(self, address: str, kind: str, packed: bytes) -> int:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(*self._hub)
            self._outcome.connections += 1
        assert self._reader is not None
        head = (
            f"POST /api/v1/{address} HTTP/1.1\r\nHost: {self._hub[0]}:{self._hub[1]}\r\n"
            f"Content-Type: {kind}\r\nX-Slurmlens-Node: {self._life.name}\r\n"
            f"Authorization: Bearer {self._plan.token}\r\nContent-Length: {len(packed)}\r\n\r\n"
        )
        self._writer.write(head.encode() + packed)
        self._outcome.sent += 1
        self._outcome.bytes_sent += len(head) + len(packed)
        return await self._answer(self._reader)

    async def _answer(self, reader: asyncio.StreamReader) -> int:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
        # An answer to log lines says nothing of profiles.
        self._reads_packed |= b'"schemas":[1,2]' in await reader.readexactly(length)
        if b"connection: close" in head:
            self._hang_up()
        return status

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None


async def simulate(plan: Plan) -> Outcome:
    """Runs all nodes for the plan's time."""
    outcome = Outcome()
    begin_s = asyncio.get_running_loop().time() + 0.5
    spread_s = plan.beat_interval_s / max(1, plan.nodes)
    road = KafkaRoad(plan.kafka) if plan.kafka else None
    if road is not None:
        await road.start()
        begin_s = asyncio.get_running_loop().time() + 0.5
    links = [NodeLink(plan, number, outcome, road if number % 2 else None) for number in range(plan.nodes)]
    await asyncio.gather(
        *(link.run(begin_s + number * spread_s, begin_s + plan.seconds) for number, link in enumerate(links))
    )
    if road is not None:
        await road.stop()
    return outcome


@dataclass(frozen=True, slots=True)
class Arguments:
    """The command line."""

    plan: Plan

    @classmethod
    def parse(cls, arguments: Sequence[str] | None = None) -> Self:
        parser = argparse.ArgumentParser(prog="python -m bench.hub_load.simulated_nodes", description=__doc__)
        parser.add_argument("--hub", required=True, metavar="HOST:PORT,…", help="several share the nodes")
        parser.add_argument("--token-file", type=Path, required=True, help="one word: a token for any node")
        parser.add_argument("--nodes", type=int, required=True)
        parser.add_argument("--seconds", type=float, default=60.0)
        parser.add_argument("--beat-interval-s", type=float, default=10.0)
        parser.add_argument("--jobs-per-node-hour", type=float, default=0.0)
        parser.add_argument("--skew-s", type=float, default=0.0, help="spread of the nodes' clocks")
        parser.add_argument("--cluster", default="bench")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--day-s", type=float, default=0.0, help="the load rises and falls once in so long")
        parser.add_argument("--failing-share", type=float, default=0.0, help="of the nodes, away for a third of it")
        parser.add_argument("--lines-a-beat", type=int, default=0, help="log lines of a node beside its events")
        parser.add_argument("--kafka", default="", metavar="HOST:PORT", help="where every second node's events go")
        options = parser.parse_args(arguments)
        hubs = (one.rpartition(":") for one in options.hub.split(","))
        return cls(
            Plan(
                hubs=tuple((host, int(port)) for host, _, port in hubs),
                token=options.token_file.read_text().split()[-1],
                nodes=options.nodes,
                seconds=options.seconds,
                beat_interval_s=options.beat_interval_s,
                jobs_per_node_hour=options.jobs_per_node_hour,
                skew_s=options.skew_s,
                cluster=options.cluster,
                seed=options.seed,
                day_s=options.day_s,
                failing_share=options.failing_share,
                lines_a_beat=options.lines_a_beat,
                kafka=options.kafka,
            )
        )


def main(arguments: Sequence[str] | None = None) -> int:
    plan = Arguments.parse(arguments).plan
    wanted = plan.nodes + DESCRIPTORS_SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    print(json.dumps(asyncio.run(simulate(plan)).document()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
