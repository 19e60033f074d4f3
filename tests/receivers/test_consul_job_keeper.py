"""The keys of 2015 in a real Consul: together or not at all, kept while it is away or forgets, bounded in number."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from deploy.components.consul import Consul

from slurmlens.clock import SystemClock
from slurmlens.config.consul import HubConsulConfig
from slurmlens.discovery.client import OPERATIONS_MAX, ConsulClient
from slurmlens.discovery.job_keeper import JobKeeper
from slurmlens.errors import DiscoveryError
from slurmlens.slurm.records import JobRecord, JobState, NodeRecord, PartitionRecord, RecordSource
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.components import private
from testkit.consul_agent import Agent, Api
from testkit.waiting import until

changed = msgspec.structs.replace


def job(job_id: int, **others: Any) -> JobRecord:
    told = {"user": "anna", "partition": "all", "start_s": 1_795_420_800, "nodes": ("n0",), "name": "PingPong"}
    return JobRecord(job_id=job_id, state=JobState.RUNNING, source=RecordSource.QUEUE, **(told | others))


def config(port: int, **others: Any) -> HubConsulConfig:
    base = HubConsulConfig(url=f"http://127.0.0.1:{port}", backoff_min_s=0.05, backoff_max_s=0.2, job_keys=True)
    return dataclasses.replace(base, **others)


class Hub:
    """A keeper over records that a test holds."""

    def __init__(self, settings: HubConsulConfig, *records: JobRecord) -> None:
        self.records = {record.job_id: record for record in records}
        self.counters = Counters()
        reporter = Reporter(self.counters, SystemClock())
        self.keeper = JobKeeper(settings, "demo", self._look_up, reporter, SystemClock())

    async def _look_up(self, job_id: int) -> JobRecord | None:
        return self.records.get(job_id)

    def learn(self, record: JobRecord) -> None:
        self.records[record.job_id] = record
        self.keeper.news_of([record.job_id])

    @property
    def transactions(self) -> float:
        return self.counters.counter("consul_transactions_total", "").value()


@asynccontextmanager
async def keeping(hub: Hub) -> AsyncIterator[Hub]:
    task = asyncio.create_task(hub.keeper.run())
    try:
        yield hub
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def has(api: Api, prefix: str, **wanted: str) -> None:
    """Wait until exactly these keys are below the prefix."""
    full = {prefix + name: text for name, text in wanted.items()}
    await until(lambda: _same(api, prefix, full), f"{full}")


async def _same(api: Api, prefix: str, full: dict[str, str]) -> bool:
    return await api.tree(prefix) == full


BEGIN = {
    "user": "anna",
    "clustername": "demo",
    "jobpartition": "all",
    "start": "1795420800",
    "nodelist": "n0",
    "jobname": "PingPong",
}


async def test_a_job_is_one_transaction_at_its_start_and_one_at_its_end(consul: Consul) -> None:
    api = Api(consul)
    async with keeping(Hub(config(consul.port))) as hub:
        hub.learn(job(101))
        await has(api, "slurm/job/101/", **BEGIN)
        assert hub.transactions == 1
        indexes = {pair["ModifyIndex"] for pair in await api.get("kv/slurm/job/101/?recurse")}
        assert len(indexes) == 1, "all at once"
        hub.keeper.news_of([101])
        hub.learn(changed(job(101), state=JobState.COMPLETED, end_s=1_795_420_860, exit_code=0, derived_exit_code=3))
        await has(api, "slurm/job/101/", **BEGIN, end="1795420860", exit_code2="0:0", derived_ec="3")
        assert hub.transactions == 2, "what did not change is not written"


async def test_a_requeued_job_loses_the_keys_of_its_end(consul: Consul) -> None:
    api = Api(consul)
    ended = changed(job(102), state=JobState.FAILED, end_s=1_795_420_860, exit_code=1)
    async with keeping(Hub(config(consul.port))) as hub:
        hub.learn(ended)
        await has(api, "slurm/job/102/", **BEGIN, end="1795420860", exit_code2="1:0")
    # Another hub: it does not know what its predecessor wrote.
    async with keeping(Hub(config(consul.port), job(102))):
        await has(api, "slurm/job/102/", **BEGIN)


async def test_partitions_are_kept_as_the_scheduler_told_them_last(consul: Consul) -> None:
    api = Api(consul)
    nodes = [NodeRecord(name="n0", cpu_count=4), NodeRecord(name="n1", cpu_count=4)]
    async with keeping(Hub(config(consul.port))) as hub:
        hub.keeper.take_partitions([PartitionRecord(name="odd", state="UP", nodes=("n0", "n1"))], nodes)
        await has(api, "slurm/partition/odd/", total_nodes="2", total_cpus="8", state="UP", nodes="n[0-1]")
        hub.keeper.take_partitions([PartitionRecord(name="odd", state="DOWN", nodes=("n0",))], nodes)
        await has(api, "slurm/partition/odd/", total_nodes="1", total_cpus="4", state="DOWN", nodes="n0")


async def test_of_jobs_that_have_ended_only_the_latest_keep_their_keys_and_strange_keys_stay() -> None:
    with private(Agent) as agent:
        api = Api(agent)
        await api.put("kv/slurm/job/999999/user", "somebody else's")
        async with keeping(Hub(config(agent.port, job_keys_kept=2))) as hub:
            hub.learn(job(1))
            for job_id in (2, 3, 4, 5):
                hub.learn(changed(job(job_id), state=JobState.COMPLETED, end_s=1_795_420_900))
            await until(lambda: _folders(api, "1", "4", "5", "999999"), "the latest two and the one that runs")


async def _folders(api: Api, *wanted: str) -> bool:
    found = await api.get("kv/slurm/job/?keys&separator=/") or []
    return {key.split("/")[2] for key in found} == set(wanted)


async def test_what_happens_while_consul_is_away_is_written_when_it_is_back_even_if_it_lost_everything() -> None:
    with private(Agent) as agent:
        api = Api(agent)
        async with keeping(Hub(config(agent.port), job(1))) as hub:
            hub.learn(job(1))
            await has(api, "slurm/job/1/", **BEGIN)
            agent.kill()
            agent.lose_data()
            hub.learn(job(2))
            failed = hub.counters.counter("consul_job_keys_failed_total", "", ("reason",))
            await until(lambda: failed.value("connect") > 1, "that it is away")
            hub.learn(changed(job(2), name="renamed"))
            await agent.restart()
            await has(api, "slurm/job/2/", **(BEGIN | {"jobname": "renamed"}))
            await has(api, "slurm/job/1/", **BEGIN)


async def test_a_transaction_holds_64_operations_and_one_that_fails_changes_nothing(consul: Consul) -> None:
    client, api = ConsulClient(config(consul.port)), Api(consul)
    sets = [{"Verb": "set", "Key": f"many/{number}", "Value": "eA=="} for number in range(OPERATIONS_MAX)]
    await client.transact(sets)
    assert len(await api.tree("many/")) == OPERATIONS_MAX
    with pytest.raises(DiscoveryError, match="64 is the most"):
        await client.transact([*sets, sets[0]])
    wrong = {"Verb": "cas", "Key": "half/b", "Value": "eA==", "Index": 77}
    with pytest.raises(DiscoveryError, match=r"operation 1: .*stale"):
        await client.transact([{"Verb": "set", "Key": "half/a", "Value": "eA=="}, wrong])
    assert await api.tree("half/") == {}
    await client.aclose()
