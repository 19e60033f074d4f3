"""Who watches which job and what they are told."""

from __future__ import annotations

import asyncio

import pytest

from slurmlens.config.hub import HubProfileConfig
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.news import Change, ChangeKind, Live, NewsWatch

VIEW = Change(kind=ChangeKind.VIEW, job_id=7)


def points(number: int, job_id: int = 7) -> Change:
    return Change(kind=ChangeKind.POINTS, job_id=job_id, node=f"n{number}")


@pytest.fixture
def live() -> Live:
    return Live(HubProfileConfig(live_interval_s=10, idle_interval_s=300), queue_changes=4)


async def taken(watch: NewsWatch, count: int) -> list[Change]:
    return [await asyncio.wait_for(anext(watch), 5) for _ in range(count)]


async def test_a_watch_sees_its_own_job_in_order(live: Live) -> None:
    with live.watch(EVERYBODY, 7) as watch:
        for change in (points(1), points(2, job_id=8), VIEW):
            live.publish(change)
        assert await taken(watch, 2) == [points(1), VIEW]


async def test_a_watch_of_all_sees_every_job(live: Live) -> None:
    with live.watch(EVERYBODY, None) as watch:
        live.publish(points(1))
        live.publish(points(2, job_id=8))
        assert await taken(watch, 2) == [points(1), points(2, job_id=8)]


async def test_a_slow_reader_is_told_to_read_anew_once_and_costs_no_memory(live: Live) -> None:
    with live.watch(EVERYBODY, 7) as watch:
        for number in range(1000):
            live.publish(points(number))
        found = await taken(watch, 1)
        assert found[0].kind is ChangeKind.RESYNC
        assert len(watch._changes) <= 4


async def test_the_same_news_twice_is_told_once(live: Live) -> None:
    with live.watch(EVERYBODY, 7) as watch:
        live.publish(VIEW)
        live.publish(VIEW)
        live.publish(points(1))
        assert await taken(watch, 2) == [VIEW, points(1)]


async def test_a_reader_waits_until_there_is_something(live: Live) -> None:
    with live.watch(EVERYBODY, 7) as watch:
        reading = asyncio.create_task(taken(watch, 1))
        await asyncio.sleep(0)
        assert not reading.done()
        live.publish(VIEW)
        assert await reading == [VIEW]


async def test_closing_ends_every_watch_now_and_to_come(live: Live) -> None:
    with live.watch(EVERYBODY, 7) as watch:
        live.publish(VIEW)
        live.close()
        assert [change async for change in watch] == [VIEW]
    with live.watch(EVERYBODY, 7) as late:
        assert [change async for change in late] == []


def test_a_node_sends_often_while_somebody_watches_one_of_its_jobs(live: Live) -> None:
    live.runs_on("n1", [7, 8])
    live.started_on("n2", 9)
    assert live.wanted_interval_s("n1") == 300
    with live.watch(EVERYBODY, 7), live.watch(EVERYBODY, 9):
        assert (live.wanted_interval_s("n1"), live.wanted_interval_s("n2"), live.wanted_interval_s("n3")) == (
            10,
            10,
            300,
        )
        live.runs_on("n1", [8])
        assert live.wanted_interval_s("n1") == 300
    assert live.watcher_count == 0
    assert live.wanted_interval_s("n2") == 300


async def test_who_asked_once_counts_as_somebody_who_looks_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = HubProfileConfig(live_interval_s=10.0, idle_interval_s=300.0)
    live = Live(settings)
    live.runs_on("n1", [7])
    assert live.wanted_interval_s("n1") == 300.0
    live.looked(EVERYBODY, 7)
    assert live.wanted_interval_s("n1") == 10.0
    monkeypatch.setattr("slurmlens.hub.news.LOOKED_S", -1.0)
    live.looked(EVERYBODY, 7)
    assert live.wanted_interval_s("n1") == 300.0
