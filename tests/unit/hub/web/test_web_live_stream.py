"""A running job's stream of events, against the real server: what changed, and the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from slurmlens.hub.web import live_stream
from testkit.job_gallery import completed, running
from testkit.job_hub import FixedHistory, Live, make_gallery_app

Served = tuple[TestClient[Any, Any], FixedHistory, Live]
PATIENCE_S = 20.0


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    app, (history, live) = make_gallery_app({4711: running(40)})
    async with TestClient(TestServer(app)) as client:
        yield client, history, live
        live.close()


async def next_event(answer: ClientResponse) -> tuple[str, Any]:
    """(name, data) of the next event of a stream."""
    name, data = "", b""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            line = (await answer.content.readline()).strip()
            if line.startswith(b"event:"):
                name = line[6:].strip().decode()
            elif line.startswith(b"data:"):
                data += line[5:].strip()
            elif not line and data:
                return name, msgspec.json.decode(data)
            elif not line and answer.content.at_eof():
                return "closed", None


def news(live: Live) -> None:
    live.change(4711)


async def test_whoever_connects_gets_everything_once(served: Served) -> None:
    client, _, live = served
    async with client.get("/jobs/4711/live") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        name, view = await next_event(answer)
        assert name == "view"
        assert set(view["parts"]) >= {"headline", "figures", "nodes", "events"}
        name, points = await next_event(answer)
        assert name == "points"
        assert points["reset"]["charts"][0]["key"] == "cpu"
        assert live.watcher_count == 1
    assert view["title"] == "RUNNING · 4711 gemm"


@pytest.mark.parametrize("claim", ["shape=x&until=1", "until=abc", "shape=&until=nan", "until="])
async def test_a_claim_that_does_not_fit_gets_the_whole(served: Served, claim: str) -> None:
    client, _, _ = served
    async with client.get(f"/jobs/4711/live?{claim}") as answer:
        await next_event(answer)
        name, points = await next_event(answer)
        assert name == "points"
        assert "reset" in points


async def test_a_change_brings_what_changed_and_nothing_else(served: Served) -> None:
    client, history, live = served
    async with client.get("/jobs/4711/live") as answer:
        await next_event(answer)
        await next_event(answer)
        history.facts[4711] = running(47)
        news(live)
        _, view = await next_event(answer)
        assert "Running for 47 s" in view["parts"]["headline"]
        assert "events" not in view["parts"]
        name, points = await next_event(answer)
        assert (name, points["from"]) == ("points", 40)


async def test_the_end_is_told_and_closes_the_stream(served: Served) -> None:
    client, history, live = served
    async with client.get("/jobs/4711/live") as answer:
        await next_event(answer)
        await next_event(answer)
        history.facts[4711] = completed()
        news(live)
        names = [(await next_event(answer))[0] for _ in range(4)]
    assert names == ["view", "points", "ended", "closed"]


async def test_a_browser_hears_from_the_hub_even_where_nothing_changed(served: Served) -> None:
    client, _, live = served
    async with client.get("/jobs/4711/live") as answer:
        await next_event(answer)
        await next_event(answer)
        news(live)
        name, view = await next_event(answer)
        assert (name, view["parts"]) == ("view", {})


async def test_many_changes_at_once_are_few_messages(served: Served) -> None:
    client, history, live = served
    async with client.get("/jobs/4711/live") as answer:
        await next_event(answer)
        await next_event(answer)
        history.facts[4711] = running(47)
        for _ in range(500):
            news(live)
        await next_event(answer)
        await next_event(answer)
        history.facts[4711] = completed()
        news(live)
        assert (await next_event(answer))[0] == "view"


@pytest.mark.thorough
async def test_a_hundred_viewers_of_one_job_cost_one_reading_per_change(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_stream, "IDLE_S", 3600)  # a busy machine takes longer than that to open a hundred
    client, history, live = served
    answers = [await client.get("/jobs/4711/live") for _ in range(100)]
    for answer in answers:
        await next_event(answer)
        await next_event(answer)
    before = history.read
    history.facts[4711] = running(47)
    news(live)
    for answer in answers:
        assert "Running for 47 s" in (await next_event(answer))[1]["parts"]["headline"]
    assert history.read - before <= 3
    for answer in answers:
        answer.close()


async def test_nobody_is_shown_a_view_from_before_the_change_that_woke_them(served: Served) -> None:
    client, history, live = served
    async with client.get("/jobs/4711/live") as answer:
        await next_event(answer)
        await next_event(answer)
        for seconds in (41, 42, 43):
            assert (await client.get("/jobs/4711.json")).status == 200  # fills the cache with what was before
            history.facts[4711] = running(seconds)
            news(live)
            assert f"Running for {seconds} s" in (await next_event(answer))[1]["parts"]["headline"]
            await next_event(answer)


async def test_a_browser_that_leaves_is_forgotten(served: Served) -> None:
    client, history, live = served
    answer = await client.get("/jobs/4711/live")
    await next_event(answer)
    answer.close()
    async with asyncio.timeout(PATIENCE_S):
        seconds = 40
        while live.watcher_count:
            seconds += 1
            history.facts[4711] = running(seconds)
            news(live)
            await asyncio.sleep(0.05)
    assert live.watcher_count == 0


async def test_a_stream_whose_job_cannot_be_read_any_more_ends_and_is_logged(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    client, history, live = served
    async with client.get("/jobs/4711/live") as answer:
        await next_event(answer)
        await next_event(answer)
        history.facts = None  # type: ignore[assignment]
        news(live)
        assert (await next_event(answer))[0] == "closed"
    assert "a live page stopped" in caplog.text
    assert live.watcher_count == 0


async def test_a_hub_that_stops_ends_its_streams(served: Served) -> None:
    client, _, live = served
    async with client.get("/jobs/4711/live") as answer:
        await next_event(answer)
        await next_event(answer)
        live.close()
        assert (await next_event(answer))[0] == "closed"


async def test_a_finished_job_gets_its_picture_and_the_end_at_once(served: Served) -> None:
    client, history, _ = served
    history.facts[4711] = completed()
    async with client.get("/jobs/4711/live") as answer:
        assert [(await next_event(answer))[0] for _ in range(3)] == ["view", "points", "ended"]


async def test_an_unknown_job_has_no_stream(served: Served) -> None:
    client, _, _ = served
    answer = await client.get("/jobs/99/live")
    assert answer.status == 404
    assert (await answer.json())["reason"] == "no-such-job"
