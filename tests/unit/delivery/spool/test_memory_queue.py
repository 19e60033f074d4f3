"""Batches in memory alone: bounded, in order, each line taken once or told as dropped."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.delivery.batches import Batch, Stream
from slurmlens.delivery.spool.memory_queue import MemoryQueue
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.manual_clock import ManualClock

DROPPED = 'queue_dropped_lines_total{stream="metrics",reason="memory_limit"}'


def queue_of(most_batches: int) -> tuple[MemoryQueue, Counters]:
    clock, counters = ManualClock(), Counters()
    return MemoryQueue(Stream.METRICS, ["carbon"], most_batches, clock, Reporter(counters, clock)), counters


def batch(number: int) -> Batch:
    return Batch(Stream.METRICS, b"%d\n" % number, 1, 0)


async def test_a_reader_waits_for_the_first_and_then_gets_what_fits() -> None:
    queue, _ = queue_of(10)
    reading = asyncio.create_task(queue.read("carbon", 4))
    await asyncio.sleep(0)
    assert not reading.done()
    queue.put(batch(1))
    assert [entry.batch for entry in await reading] == [batch(1)]
    for number in (2, 3):
        queue.put(batch(number))
    assert [entry.batch for entry in await queue.read("carbon", 4)] == [batch(1), batch(2)]


async def test_what_is_on_its_way_to_the_receiver_does_not_give_way() -> None:
    queue, counters = queue_of(3)
    for number in (1, 2, 3):
        queue.put(batch(number))
    given = await queue.read("carbon", 4)
    queue.put(batch(4))
    assert counters.snapshot()[DROPPED] == 1
    await queue.acknowledge("carbon", given[-1].position)
    assert [entry.batch for entry in given + await queue.read("carbon", 99)] == [batch(1), batch(2), batch(4)]


async def test_it_is_drained_once_everything_is_acknowledged() -> None:
    queue, _ = queue_of(3)
    queue.put(batch(1))
    (entry,) = await queue.read("carbon", 99)
    draining = asyncio.create_task(queue.drained())
    await asyncio.sleep(0)
    assert not draining.done()
    await queue.acknowledge("carbon", entry.position)
    await asyncio.wait_for(draining, 5)
    assert queue.backlog("carbon").lines == 0


@given(st.lists(st.sampled_from(["put", "read", "acknowledge"]), max_size=60))
def test_every_line_arrives_once_in_order_or_is_told_as_dropped(acts: list[str]) -> None:
    async def run() -> None:
        queue, counters = queue_of(3)
        put, taken, given = 0, [], []
        for act in acts:
            if act == "put":
                queue.put(batch(put))
                put += 1
            elif act == "read" and queue.backlog("carbon").lines:
                given = await queue.read("carbon", 4)
            elif act == "acknowledge" and given:
                await queue.acknowledge("carbon", given[-1].position)
                taken += [int(entry.batch.payload) for entry in given]
                given = []
            assert queue.backlog("carbon").batches <= 3 + len(given)
        while queue.backlog("carbon").lines:
            given = await queue.read("carbon", 4)
            await queue.acknowledge("carbon", given[-1].position)
            taken += [int(entry.batch.payload) for entry in given]
        assert taken == sorted(set(taken))
        assert len(taken) + counters.snapshot().get(DROPPED, 0) == put

    asyncio.run(run())
