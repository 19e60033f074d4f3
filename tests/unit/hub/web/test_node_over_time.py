"""Pages over what nodes told of themselves: a node over a week, and outsiders for operators alone."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from slurmlens.clock import NS_PER_S
from slurmlens.config.hub import HubConfig
from slurmlens.events import MachineState, NodeReading, Outsider
from slurmlens.hub.inventory.read.queries import InventoryQueries
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.node_states.read import NodeStateQueries
from slurmlens.hub.web.app import make_app
from testkit.hub_history import History
from testkit.inventories import fact, relation, telling
from testkit.job_hub import Live, ToldInside, plain_status, take_nothing
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S, at_ns

NODES = tuple(f"n{number}" for number in range(1, 9))
TELLINGS = 96


def telling_of(node: str, seconds: float) -> MachineState:
    """A day's wave of load; n7 is hot and busy whatever the others do, and has somebody without a job."""
    wave = 24 + 20 * math.sin(seconds / 86_400 * 6.28)
    is_odd = node == "n7"
    told = {
        "cpu.user_cores": 60.0 if is_odd else wave,
        "cpu.system_cores": 1.0,
        "cpu.cores_count": 64.0,
        "memory.total_bytes": 256e9,
        "memory.available_bytes": 200e9 - wave * 1e9,
        "pressure.io_some_ratio": 0.02,
        "hwmon.temperature_celsius": 91.0 if is_odd else 55.0,
    }
    return MachineState(
        id=f"{node}-{seconds}",
        time_ns=at_ns(seconds),
        boot_id="boot",
        boottime_ns=1,
        cluster="demo",
        node=node,
        interval_s=60.0,
        readings=tuple(NodeReading(name, "", value) for name, value in told.items()),
        outsiders=(Outsider(uid=1007, cpu_cores=3.5, memory_bytes=2**31, processes=9),) if is_odd else (),
    )


@pytest.fixture
async def client(history: History, clock: ManualClock) -> AsyncIterator[TestClient]:
    facts = [fact(f"node {name}", "state", "IDLE") for name in NODES]
    facts += [fact(f"node {name}", "cpu_count", 64) for name in NODES]
    inside = [relation("partition all", "contains", f"node {name}") for name in NODES[:7]]
    inside.append(relation("partition rest", "contains", "node n8"))
    await InventoryRecorder(history.store, "demo").take(telling(BEGIN_S * NS_PER_S, *facts, *inside))
    for place in range(TELLINGS):
        await history.hear(*(telling_of(node, 900.0 * place) for node in NODES))
    clock.advance(BEGIN_S + 900 * (TELLINGS - 1) + 30 - clock.wall_ns() / NS_PER_S)
    app = make_app(
        queries=history.queries,
        progress=ToldInside(),
        inventory=InventoryQueries(history.store, "demo"),
        node_states=NodeStateQueries(history.store, "demo"),
        live=Live(),
        take_events=take_nothing,
        status=plain_status,
        settings=HubConfig(cluster="demo"),
        clock=clock,
    )
    async with TestClient(TestServer(app)) as opened:
        yield opened


async def text_of(client: TestClient, address: str) -> str:
    answer = await client.get(address)
    assert answer.status == 200, await answer.text()
    return await answer.text()


async def test_a_nodes_page_shows_its_figures_over_time_and_who_is_there_without_a_job(client: TestClient) -> None:
    page = await text_of(client, "/nodes/n7")
    for key in ("cpu", "memory", "pressure_io", "temperature"):
        assert f'data-chart="{key}"' in page
    assert 'data-chart="gpu"' not in page
    assert "user 1007 without a job: 3.5 cores busy, 2.0 GiB, 9 processes" in page
    view = await (await client.get("/nodes/n1.json")).json()
    assert len(view["charts"]["times_s"]) == TELLINGS
    assert view["outsiders"] == []


async def test_a_partitions_page_leads_to_its_nodes_at_a_glance(client: TestClient) -> None:
    assert "/cluster?partition=all" in await text_of(client, "/partitions/all")
