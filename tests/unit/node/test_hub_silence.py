"""The hub silences nodes by a setting: they learn it within seconds, and a hub that is away changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from slurmlens.config.silence import SilenceConfig
from slurmlens.hub.web.pages.silence import SilencePage, share_of
from slurmlens.node.hub_silence import HubSilence
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.runtime.http import HttpClient
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.manual_clock import ManualClock


class Hub:
    """A hub whose settings may change, as by a reload."""

    def __init__(self) -> None:
        self.settings = SilenceConfig()
        self.knows_the_address = True

    async def show(self, request: web.Request) -> web.StreamResponse:
        if not self.knows_the_address:
            return web.Response(status=404)
        return await SilencePage(self.settings).show(request)


@pytest.fixture
async def server() -> AsyncIterator[tuple[Hub, TestServer]]:
    hub, app = Hub(), web.Application()
    app.router.add_get("/api/v1/silence/{node}", hub.show)
    async with TestServer(app) as server:
        yield hub, server


def stage_of(server: TestServer, flag: Path, counters: Counters) -> tuple[HubSilence, list[bool], HttpClient]:
    changes: list[bool] = []
    client = HttpClient(FixedEndpoint("127.0.0.1", server.port or 0), timeout_s=20)
    reporter = Reporter(counters, ManualClock())
    return HubSilence(client, "c7", flag, lambda: changes.append(flag.exists()), reporter), changes, client


async def test_a_node_that_the_hub_names_is_silent_until_it_is_named_no_more(
    server: tuple[Hub, TestServer], tmp_path: Path
) -> None:
    hub, port = server
    stage, changes, client = stage_of(port, tmp_path / "off", Counters())
    for nodes in ("", "c[1-6]", "c[1-9]", "*", ""):
        hub.settings = SilenceConfig(nodes=nodes)
        await stage.ask()
    await client.aclose()
    assert changes == [False, True, False]


async def test_a_hub_that_is_away_or_a_relay_changes_nothing(server: tuple[Hub, TestServer], tmp_path: Path) -> None:
    hub, port = server
    flag = tmp_path / "off"
    stage, _, client = stage_of(port, flag, Counters())
    hub.settings = SilenceConfig(nodes="c7")
    await stage.ask()
    hub.knows_the_address, hub.settings = False, SilenceConfig()
    await stage.ask()
    assert flag.exists()
    await port.close()
    await stage.ask()
    await client.aclose()
    assert flag.exists()


async def test_a_flag_that_an_earlier_daemon_left_goes_with_the_first_answer(
    server: tuple[Hub, TestServer], tmp_path: Path
) -> None:
    _, port = server
    flag = tmp_path / "off"
    flag.touch()
    stage, _, client = stage_of(port, flag, Counters())
    await stage.ask()
    await client.aclose()
    assert not flag.exists()


async def test_a_folder_that_is_missing_is_told_when_silence_is_wanted(
    server: tuple[Hub, TestServer], tmp_path: Path
) -> None:
    hub, port = server
    counters = Counters()
    stage, _, client = stage_of(port, tmp_path / "nowhere" / "off", counters)
    await stage.ask()
    assert not any("hub_silence_failed" in name for name in counters.snapshot())
    hub.settings = SilenceConfig(nodes="*")
    await stage.ask()
    await client.aclose()
    assert any("hub_silence_failed" in name for name in counters.snapshot())


def test_a_percentage_takes_so_many_and_a_higher_one_the_same_and_more() -> None:
    names = [f"c{number}" for number in range(1000)]
    at = {
        percent: {name for name in names if SilencePage(SilenceConfig(nodes="*", percent=percent)).is_silent(name)}
        for percent in (0.0, 10.0, 50.0, 100.0)
    }
    assert at[0.0] < at[10.0] < at[50.0] < at[100.0]
    assert (len(at[0.0]), len(at[100.0])) == (0, 1000)
    assert 60 <= len(at[10.0]) <= 140
    assert min(map(share_of, names)) >= 0


def test_a_list_that_cannot_be_read_silences_nobody() -> None:
    assert not SilencePage(SilenceConfig(nodes="c[1-")).is_silent("c1")
