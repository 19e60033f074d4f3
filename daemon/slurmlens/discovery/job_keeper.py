"""Keeps the keys of 2015 in Consul's KV: one transaction for each change of a job or a partition.

Owns what was written and what is still to be written. Invariants: a job's keys change together or not at all; what
could not be written is written when Consul is back, in its then latest form; keys that Consul lost are written again
(looked for at the start, after failures, and every `STOCK_EVERY_S`); of jobs that have ended the latest `job_keys_kept`
stay; keys of jobs that we know nothing of are left alone. Fed by the hub's pipeline with job ids and partitions.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.consul import HubConsulConfig
from slurmlens.discovery import job_keys
from slurmlens.discovery.client import ConsulClient
from slurmlens.discovery.job_keys import Keys
from slurmlens.errors import DiscoveryError
from slurmlens.runtime.backoff import Backoff
from slurmlens.slurm.records import JobRecord, NodeRecord, PartitionRecord
from slurmlens.telemetry.internal import Reporter, lasting

STOCK_EVERY_S = 600.0

UNWRITTEN = lasting(
    "consul_job_keys_failed",
    logging.WARNING,
    "{waiting} jobs and partitions wait for Consul: {problem}; trying again in {wait_s:.1f} s",
    ("reason",),
)

LookUp = Callable[[int], Awaitable[JobRecord | None]]


class JobKeeper:
    """Writes the keys; `look_up` gives the latest record of a job."""

    def __init__(
        self,
        config: HubConsulConfig,
        cluster: str,
        look_up: LookUp,
        reporter: Reporter,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._config = config
        self._cluster = cluster
        self._look_up = look_up
        self._reporter = reporter
        self._clock = clock
        self._sleep = sleep
        self._backoff = Backoff(config.backoff_min_s, config.backoff_max_s)
        self._transactions = reporter.counters.counter("consul_transactions_total", "changes written to the KV")
        self._stirred = asyncio.Event()
        self._jobs: OrderedDict[int, None] = OrderedDict()
        self._partitions: dict[str, Keys] = {}
        self._written: dict[str, Keys] = {}
        self._ended: OrderedDict[int, None] = OrderedDict()

    def news_of(self, job_ids: Iterable[int]) -> None:
        """Something about these jobs changed."""
        for job_id in job_ids:
            self._jobs[job_id] = None
        self._stirred.set()

    def look_at_all(self) -> None:
        """Something about any of the jobs that have keys may have changed."""
        self._jobs.update(dict.fromkeys(job_keys.job_ids(self._written)))
        self._stirred.set()

    def take_partitions(self, partitions: Sequence[PartitionRecord], nodes: Sequence[NodeRecord]) -> None:
        """The cluster as the scheduler told it just now."""
        by_name = {node.name: node for node in nodes}
        for one in partitions:
            self._partitions[job_keys.partition_prefix(one.name)] = job_keys.partition_keys(one, by_name)
        self._stirred.set()

    async def run(self) -> None:
        """Write for ever; cancelling it closes the connection."""
        client = ConsulClient(self._config)
        stock_due_ns = 0
        try:
            while True:
                try:
                    if self._clock.monotonic_ns() >= stock_due_ns:
                        await self._take_stock(client)
                        stock_due_ns = self._clock.monotonic_ns() + round(STOCK_EVERY_S * NS_PER_S)
                    await self._write_all(client)
                except DiscoveryError as error:
                    stock_due_ns = 0
                    await self._failed(error)
                else:
                    self._backoff.reset()
                    await self._wait()
        finally:
            await client.aclose()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(STOCK_EVERY_S):
                await self._stirred.wait()
        except TimeoutError:
            return
        self._stirred.clear()

    async def _take_stock(self, client: ConsulClient) -> None:
        """Whatever is not there any more is to be written again; jobs of an earlier hub are taken over."""
        there = set(await client.folders(job_keys.JOBS)) | set(await client.folders(job_keys.PARTITIONS))
        for prefix in [prefix for prefix in self._written if prefix not in there]:
            del self._written[prefix]
            self._jobs.update(dict.fromkeys(job_keys.job_ids([prefix])))
        for job_id in sorted(job_keys.job_ids(there)):
            if job_keys.job_prefix(job_id) not in self._written:
                self._jobs.setdefault(job_id, None)

    async def _write_all(self, client: ConsulClient) -> None:
        while self._jobs:
            # Taken out first: news of this very job that comes meanwhile is to be looked up once more.
            job_id, _ = self._jobs.popitem(last=False)
            try:
                await self._write_job(client, job_id)
            except BaseException:
                self._jobs.setdefault(job_id, None)
                raise
        for prefix, keys in list(self._partitions.items()):
            await self._write(client, prefix, keys)
        while len(self._ended) > self._config.job_keys_kept:
            job_id = next(iter(self._ended))
            prefix = job_keys.job_prefix(job_id)
            await self._transact(client, job_keys.removal(prefix))
            self._written.pop(prefix, None)
            del self._ended[job_id]

    async def _write_job(self, client: ConsulClient, job_id: int) -> None:
        record = await self._look_up(job_id)
        keys = job_keys.job_keys(record, self._cluster) if record is not None else {}
        if record is None or not keys:
            return
        await self._write(client, job_keys.job_prefix(job_id), keys)
        self._ended.pop(job_id, None)
        if record.state.has_ended:
            self._ended[job_id] = None

    async def _write(self, client: ConsulClient, prefix: str, keys: Keys) -> None:
        operations = job_keys.changes(prefix, keys, self._written.get(prefix))
        if operations:
            await self._transact(client, operations)
        self._written[prefix] = keys

    async def _transact(self, client: ConsulClient, operations: Sequence[job_keys.Operation]) -> None:
        await client.transact(operations)
        self._transactions.add()

    async def _failed(self, error: DiscoveryError) -> None:
        wait_s = self._backoff.next_s()
        waiting = len(self._jobs) + len(self._partitions)
        self._reporter.report(UNWRITTEN, reason=error.reason, waiting=waiting, problem=str(error), wait_s=wait_s)
        await self._sleep(wait_s)
