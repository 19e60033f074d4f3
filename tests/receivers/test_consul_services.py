"""Consul's services as facts of the inventory, from a real agent: they come, fare, go, and outlive its absence."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from slurmlens.clock import SystemClock
from slurmlens.config.consul import HubConsulConfig
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.inventory import service_watch
from slurmlens.hub.inventory.read.queries import InventoryQueries
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.inventory.service_watch import ServiceWatch
from testkit.components import private
from testkit.consul_agent import Agent, Api
from testkit.hub_history import History
from testkit.inventories import entity
from testkit.waiting import until


async def facts_of(queries: InventoryQueries, service: str) -> dict[str, object]:
    found = await queries.entity(EVERYBODY, entity(f"service {service}"), SystemClock().wall_ns())
    return {fact.attribute: fact.value for fact in found.state.facts}


async def test_services_are_facts_that_come_and_go_and_stay_while_consul_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_watch, "EVERY_S", 0.1)
    history = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", SystemClock())
    queries = InventoryQueries(history.store, "demo")
    with private(Agent) as agent:
        api = Api(agent)
        config = HubConsulConfig(url=agent.url, timeout_s=5.0)
        recorder = InventoryRecorder(history.store, "demo")
        watch = ServiceWatch(config, recorder, SystemClock(), history.reporter)
        task = asyncio.create_task(watch.run())
        try:
            await api.put("agent/service/register", {"ID": "m1", "Name": "mysql 'x'", "Port": 3306, "Tags": ["db"]})
            told = await until(lambda: facts_of(queries, "mysql 'x'"), "the service")
            node = (await api.get("agent/self"))["Config"]["NodeName"]
            assert (told["state"], told["tags"]) == ("passing", ("db",))
            assert told["instances"] == (f"{node}:3306 passing",)
            found = await queries.entity(EVERYBODY, entity(f"node {node}"), SystemClock().wall_ns())
            assert [one.entity.name for one in found.state.relations] == ["consul", "mysql 'x'"]
            agent.kill()
            counted = history.reporter.counters.snapshot
            await until(lambda: counted().get("inventory_services_unasked_total"), "that Consul is away")
            assert (await facts_of(queries, "mysql 'x'"))["state"] == "passing"
            await agent.restart()
            await api.put("agent/service/deregister/m1")

            async def is_gone() -> bool:
                return await facts_of(queries, "mysql 'x'") == {}

            await until(is_gone, "that the service is gone")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await history.close()
