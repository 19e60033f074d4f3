"""Answers that several ask for within seconds: made once, by key, and never given older than promised."""

from __future__ import annotations

import asyncio

import pytest

from slurmlens.hub.web.kept_answers import KeptAnswers


class Maker:
    """Makes answers when it is let."""

    def __init__(self) -> None:
        self.made = 0
        self.go = asyncio.Event()

    async def make(self) -> int:
        self.made += 1
        mine = self.made
        await self.go.wait()
        return mine


async def test_all_who_ask_for_one_thing_share_one_making() -> None:
    kept: KeptAnswers[str, int] = KeptAnswers(60.0, 4)
    maker = Maker()
    asking = [asyncio.create_task(kept.get("a", maker.make)) for _ in range(5)]
    maker.go.set()
    assert await asyncio.gather(*asking) == [1] * 5
    assert await kept.get("a", maker.make) == 1


async def test_nobody_waits_for_what_another_asked_for() -> None:
    kept: KeptAnswers[str, int] = KeptAnswers(60.0, 4)
    slow, quick = Maker(), Maker()
    waiting = asyncio.create_task(kept.get("slow", slow.make))
    quick.go.set()
    assert await kept.get("quick", quick.make) == 1
    assert not waiting.done()
    slow.go.set()
    assert await waiting == 1


async def test_what_is_older_than_promised_is_made_anew() -> None:
    kept: KeptAnswers[str, int] = KeptAnswers(-1.0, 4)
    maker = Maker()
    maker.go.set()
    assert [await kept.get("a", maker.make) for _ in range(3)] == [1, 2, 3]


async def test_who_leaves_takes_the_answer_from_nobody() -> None:
    kept: KeptAnswers[str, int] = KeptAnswers(60.0, 4)
    maker = Maker()
    leaving, staying = (asyncio.create_task(kept.get("a", maker.make)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    maker.go.set()
    assert await staying == 1


async def test_what_could_not_be_made_is_raised_and_not_kept() -> None:
    kept: KeptAnswers[str, int] = KeptAnswers(60.0, 4)

    async def fail() -> int:
        raise ValueError("no")

    maker = Maker()
    maker.go.set()
    with pytest.raises(ValueError, match="no"):
        await kept.get("a", fail)
    assert await kept.get("a", maker.make) == 1


async def test_only_so_many_are_kept_and_the_newest_of_them() -> None:
    kept: KeptAnswers[int, int] = KeptAnswers(60.0, 2)
    maker = Maker()
    maker.go.set()
    for key in (1, 2, 3):
        await kept.get(key, maker.make)
    assert await kept.get(3, maker.make) == 3
    assert await kept.get(1, maker.make) == 4
