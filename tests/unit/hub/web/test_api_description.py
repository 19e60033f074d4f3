"""The JSON addresses are what their description says: any request that fits it is answered as it promises."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from aiohttp import ClientSession, web
from hypothesis import HealthCheck, given, settings

from slurmlens.clock import NS_PER_S
from slurmlens.config.hub import HubConfig
from slurmlens.hub.inventory.read.queries import InventoryQueries
from slurmlens.hub.inventory.read.software import SoftwareQueries
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.web.app import make_app
from slurmlens.hub.web.conditional import tag_of
from slurmlens.slurm.records import JobState
from testkit.hub_history import History, record
from testkit.inventories import fact, relation, telling
from testkit.job_hub import Live, ToldInside, plain_status, take_nothing
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S

CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
]


async def _hub(folder: Path) -> tuple[web.Application, History]:
    clock = ManualClock()
    history = await History.open(f"sqlite:///{folder}/hub.sqlite3", clock)
    facts = [fact("node n1", "exists", True), fact("node n1", "state", "IDLE"), fact("node n1", "cpu_count", 4)]
    inside = relation("partition all", "contains", "node n1")
    await InventoryRecorder(history.store, "demo").take(telling(BEGIN_S * NS_PER_S, *facts, inside))
    await history.learn(
        record(JobState.RUNNING, job_id=7, nodes=("n1",), cpu_count=2),
        record(JobState.FAILED, job_id=8, end=60, nodes=("n1",)),
        record(JobState.PENDING, job_id=9, start=None),
    )
    app = make_app(
        queries=history.queries,
        progress=ToldInside(),
        inventory=InventoryQueries(history.store, "demo"),
        software=SoftwareQueries(history.store, "demo"),
        live=Live().demand,
        take_events=take_nothing,
        status=plain_status,
        settings=HubConfig(cluster="demo"),
        clock=clock,
    )
    return app, history


@pytest.fixture(scope="module")
def hub_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A hub in a thread of its own: what asks it does so as any program would."""
    loop, url, ready, over = asyncio.new_event_loop(), [], threading.Event(), asyncio.Event()

    async def serve() -> None:
        app, history = await _hub(tmp_path_factory.mktemp("described"))
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        ready.set()
        await over.wait()
        await runner.cleanup()
        await history.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(30), "the hub did not start"
    yield url[0]
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


@pytest.mark.thorough
def test_whatever_fits_the_description_is_answered_as_it_says(hub_url: str) -> None:
    described = schemathesis.openapi.from_url(f"{hub_url}/api/v1/openapi.json")
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:

        @given(operation.as_strategy())
        @settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        def is_answered(case: Any) -> None:
            case.call_and_validate(checks=CHECKS)

        is_answered()


async def test_the_description_names_every_part_of_a_path(hub_url: str) -> None:
    async with ClientSession() as client, client.get(f"{hub_url}/api/v1/openapi.json") as answer:
        paths = (await answer.json())["paths"]
    names = {one["name"] for one in paths["/api/v1/jobs/{job_id}/{run}"]["get"]["parameters"]}
    assert names == {"job_id", "run"}
    assert not [path for path in paths if ":" in path]


async def test_what_did_not_change_is_not_sent_again(hub_url: str) -> None:
    async with ClientSession() as client:
        async with client.get(f"{hub_url}/api/v1/jobs/8") as first:
            tag = first.headers["ETag"]
        async with client.get(f"{hub_url}/jobs/8.json", headers={"If-None-Match": tag}) as again:
            assert (again.status, await again.read()) == (304, b"")
        async with client.get(f"{hub_url}/api/v1/jobs/7", headers={"If-None-Match": tag}) as other:
            assert other.status == 200


def test_answers_that_differ_in_their_moment_alone_have_one_tag() -> None:
    assert tag_of(b'{"made_ns":1,"a":2}') == tag_of(b'{"made_ns":17,"a":2}') != tag_of(b'{"made_ns":1,"a":3}')
