"""One projection of a job for all who look at it, however many and however they come."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from slurmlens.hub.access.viewer import EVERYBODY, Viewer
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.web.assets import Assets
from slurmlens.hub.web.ports import JobSources
from slurmlens.hub.web.render import make_environment
from slurmlens.hub.web.shown import Held
from slurmlens.hub.web.view_cache import MOST_KEPT, ViewCache
from testkit.job_gallery import running
from testkit.job_hub import FixedHistory, ToldInside


class SlowHistory(FixedHistory):
    """History whose readings end when the test says so."""

    def __init__(self) -> None:
        super().__init__({4711: running(40)})
        self.may_end = asyncio.Event()

    async def job_facts(
        self, viewer: Viewer, job_id: int, run: int | None = None, cluster: str | None = None
    ) -> JobFacts | None:
        facts = await super().job_facts(viewer, job_id, run, cluster)
        await self.may_end.wait()
        return facts


@pytest.fixture
def history() -> SlowHistory:
    return SlowHistory()


@pytest.fixture
def cache(history: SlowHistory) -> ViewCache:
    return ViewCache(history, JobSources(ToldInside()), make_environment(Assets()))


def now() -> float:
    return asyncio.get_running_loop().time()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_thousand_who_come_one_after_another_share_two_readings(cache: ViewCache, history: SlowHistory) -> None:
    """The first one's, and one for all who came while that went on and may not be given what is older than they."""
    asked = []
    for _ in range(1000):
        asked.append(asyncio.create_task(cache.get(EVERYBODY, 4711, None, not_before=now())))
        await asyncio.sleep(0)
    history.may_end.set()
    shown = await asyncio.gather(*asked)
    assert history.read == 2
    assert len(set(map(id, shown))) == 2


async def test_what_is_new_enough_is_not_read_again(cache: ViewCache, history: SlowHistory) -> None:
    history.may_end.set()
    since = now()
    first = await cache.get(EVERYBODY, 4711, None, not_before=since)
    assert await cache.get(EVERYBODY, 4711, None, not_before=since) is first
    assert history.read == 1


async def test_one_who_leaves_takes_the_answer_from_nobody(cache: ViewCache, history: SlowHistory) -> None:
    since = now()
    leaves, stays = (asyncio.create_task(cache.get(EVERYBODY, 4711, None, not_before=since)) for _ in range(2))
    await settle()
    leaves.cancel()
    history.may_end.set()
    assert await stays is not None
    assert history.read == 1


async def test_a_reading_that_fails_is_tried_again_by_the_next(cache: ViewCache, history: SlowHistory) -> None:
    history.may_end.set()
    odd = msgspec.structs.replace(running(40), nodes=(None,))
    history.facts = {4711: odd}
    with pytest.raises(AttributeError):
        await cache.get(EVERYBODY, 4711, None, not_before=now())
    history.facts = {4711: running(40)}
    assert await cache.get(EVERYBODY, 4711, None, not_before=now()) is not None


async def test_few_are_kept(cache: ViewCache, history: SlowHistory) -> None:
    history.may_end.set()
    history.facts = {number: running(40) for number in range(1, 3 * MOST_KEPT)}
    since = now()
    for number in history.facts:
        await cache.get(EVERYBODY, number, None, not_before=since)
    read = history.read
    await cache.get(EVERYBODY, 1, None, not_before=since)
    assert history.read == read + 1


async def test_all_browsers_that_have_the_same_get_the_same_bytes_made_once(
    cache: ViewCache, history: SlowHistory
) -> None:
    history.may_end.set()
    shown = await cache.get(EVERYBODY, 4711, None, not_before=now())
    assert shown is not None
    answers = await asyncio.gather(*(shown.news(Held()) for _ in range(1000)))
    assert len({id(events) for events, _ in answers}) == 1
    pages = await asyncio.gather(*(shown.page("/jobs/4711") for _ in range(1000)))
    assert len(set(map(id, pages))) == 1
