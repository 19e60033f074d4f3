"""A node behind a relay learns that the hub wants it silent, by the same question at the same address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from slurmlens.config.silence import SilenceConfig
from slurmlens.hub.web.pages.silence import SilencePage
from slurmlens.node.hub_silence import HubSilence
from slurmlens.relay.events_port import EventsPort
from slurmlens.relay.silence import AWAY_S, FRESH_S, SilenceAsker
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.runtime.http import HttpClient
from slurmlens.runtime.http_server import HttpLimits, HttpServer
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire.ingest import IngestAnswer, answer
from testkit.manual_clock import ManualClock

LIMITS = HttpLimits(max_body_bytes=1000, pending_bytes=2000, connections=8, idle_timeout_s=30.0)


class Hub:
    """Counts questions; its settings may change, as by a reload."""

    def __init__(self) -> None:
        self.settings = SilenceConfig()
        self.asked = 0

    async def show(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        return await SilencePage(self.settings).show(request)


@pytest.fixture
async def hub() -> AsyncIterator[tuple[Hub, TestServer]]:
    hub, app = Hub(), web.Application()
    app.router.add_get("/api/v1/silence/{node}", hub.show)
    async with TestServer(app) as server:
        yield hub, server


@asynccontextmanager
async def running(server: HttpServer) -> AsyncIterator[None]:
    task = asyncio.create_task(server.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def no_lines(*_: object) -> IngestAnswer:
    return answer(500)


async def test_a_node_behind_a_relay_is_silent_while_the_hub_says_so_and_stays_so_while_it_is_away(
    hub: tuple[Hub, TestServer], tmp_path: Path
) -> None:
    settings, server = hub
    clock, reporter = ManualClock(), Reporter(Counters(), ManualClock())
    asker = SilenceAsker(HttpClient(FixedEndpoint("127.0.0.1", server.port or 0), timeout_s=20), clock)
    relay = HttpServer("127.0.0.1", 0, EventsPort(no_lines, no_lines, asker.ask), LIMITS, reporter)
    await relay.bind()
    async with running(relay):
        client = HttpClient(FixedEndpoint("127.0.0.1", relay.port or 0), timeout_s=20)
        node = HubSilence(client, "c7", tmp_path / "off", lambda: None, reporter)
        seen = []
        for nodes in ("", "c[1-9]", "c[1-6]", "c7"):
            settings.settings = SilenceConfig(nodes=nodes)
            clock.advance(FRESH_S)
            await node.ask()
            seen.append((tmp_path / "off").exists())
        assert seen == [False, True, False, True]
        await server.close()
        for _ in range(2):
            clock.advance(AWAY_S)
            await node.ask()
            assert (tmp_path / "off").exists()
        await client.aclose()
    await asker.aclose()


async def test_a_node_that_asks_twice_at_once_asks_the_hub_once_and_another_asks_for_itself(
    hub: tuple[Hub, TestServer],
) -> None:
    settings, server = hub
    settings.settings = SilenceConfig(nodes="c7")
    asker = SilenceAsker(HttpClient(FixedEndpoint("127.0.0.1", server.port or 0), timeout_s=20), ManualClock())
    answers = [await asker.ask(f"/api/v1/silence/{node}") for node in ("c7", "c7", "c8")]
    assert [b'"silent":true' in told.body for told in answers] == [True, True, False]
    assert settings.asked == 2
    await asker.aclose()


async def test_a_hub_that_is_away_is_not_asked_by_every_node(hub: tuple[Hub, TestServer]) -> None:
    settings, server = hub
    clock = ManualClock()
    asker = SilenceAsker(HttpClient(FixedEndpoint("127.0.0.1", server.port or 0), timeout_s=20), clock)
    await server.close()
    assert [(await asker.ask(f"/api/v1/silence/c{n}")).status for n in range(3)] == [503, 503, 503]
    assert settings.asked == 0
    await asker.aclose()


async def test_a_relay_without_a_hub_says_so() -> None:
    assert (await SilenceAsker(None, ManualClock()).ask("/api/v1/silence/c7")).status == 404
