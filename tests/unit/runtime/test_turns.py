"""Turns of the loop: so many go on in each, and nobody is forgotten."""

from __future__ import annotations

import asyncio
from collections import Counter

from slurmlens.runtime.turns import Turns


async def test_no_more_than_the_bound_go_on_in_one_turn_and_all_do_in_their_order() -> None:
    turns, turn, went = Turns(8), 0, []
    begin = asyncio.Event()

    async def wanting(number: int) -> None:
        await begin.wait()
        await turns.take()
        went.append((number, turn))

    tasks = [asyncio.create_task(wanting(number)) for number in range(100)]
    await asyncio.sleep(0)
    begin.set()
    while len(went) < 100:
        turn += 1
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert [number for number, _ in went] == list(range(100))
    assert max(Counter(at for _, at in went).values()) <= 8
