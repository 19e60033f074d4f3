"""The stages of history work when there is something to do, and ask the database for nothing while there is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.history import refresh
from slurmlens.hub.history.record import packing
from slurmlens.hub.history.record.concluding import WIDE_SIGHTINGS
from slurmlens.hub.news import ProfileGrew
from testkit.hub_history import History
from testkit.told_events import Told, at_ns
from testkit.waiting import until


@pytest.fixture(autouse=True)
def _no_gathering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "GATHER_S", 0.0)
    monkeypatch.setattr(packing, "GATHER_S", 0.0)


@asynccontextmanager
async def running(*stages: Callable[[], Any]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(stage()) for stage in stages]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_was_marked_is_concluded_when_the_marks_are_told(history: History) -> None:
    async with running(history.refresher.run):
        await until(lambda: history.refresher._heard.is_idle, "the stage waits for marks")
        await history.apply([Told(1, f"n{number}").start(1) for number in range(WIDE_SIGHTINGS)], at_ns(1))
        await history.apply([Told(1, "late").start(1)], at_ns(1.05))

        async def is_whole() -> bool:
            return len((await history.facts(1)).nodes) == WIDE_SIGHTINGS + 1

        await until(is_whole, "the job of many nodes is concluded")


async def test_what_a_crash_left_marked_is_concluded_at_the_start(history: History) -> None:
    await history.apply([Told(1, f"n{number}").start(1) for number in range(WIDE_SIGHTINGS)], at_ns(1))
    await history.apply([Told(1, "late").start(1)], at_ns(1.05))
    history.refresher._heard.take_all()  # nobody is told any more
    async with running(history.refresher.run):
        await until(lambda: history.refresher._heard.is_idle, "the stage waits for marks")
    assert len((await history.facts(1)).nodes) == WIDE_SIGHTINGS + 1


async def test_profiles_are_packed_when_their_batch_is_told_and_whoever_watches_hears_of_it(history: History) -> None:
    watching = history.news.subscribe(ProfileGrew, job_id=7)
    one = Told(node="n1")
    async with running(history.packer.run):
        await history.apply([one.start(0.1), one.points(0, 1.0)])
        assert await asyncio.wait_for(anext(watching), 20) == ProfileGrew(7)
    assert await history.queries.job_facts(EVERYBODY, 7) is not None


async def test_an_idle_hub_asks_its_database_for_nothing(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    await history.hear(Told(node="n1").start(0.1))
    async with running(history.refresher.run, history.packer.run):
        heard = (history.refresher._heard, history.packer._heard)
        await until(lambda: all(one.is_idle for one in heard), "both stages wait for news")
        asked: list[object] = []
        monkeypatch.setattr(history.store, "read", asked.append)
        for _ in range(100):
            await asyncio.sleep(0)
        assert asked == []
