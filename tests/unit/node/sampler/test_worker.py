"""The sampler's thread: orders in their order, answers to who asks, and nothing ends it but being told to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from slurmlens.clock import Moment, SystemClock
from slurmlens.node.sampler.engine import Engine
from slurmlens.node.sampler.points import Lines
from slurmlens.node.sampler.schedule import Due, Schedule
from slurmlens.node.sampler.worker import SamplerThread
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter

Made = tuple[SamplerThread, "StandIn", Counters, list[Lines]]


class StandIn:
    """What the thread needs of an engine: a real schedule, ticks that count, fail or make points."""

    def __init__(self, now: Moment) -> None:
        self.schedule = Schedule(0.01, 6, 1.0, now)
        self.ticks = 0
        self.failing = False
        self.closed = False
        self.threads: set[int] = set()

    def run(self, due: Due, now: Moment) -> Lines:
        self.threads.add(threading.get_ident())
        self.ticks += 1
        if self.failing:
            raise ZeroDivisionError("odd")
        return Lines(b"a 1 1\n", 1)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
async def made() -> AsyncIterator[Made]:
    clock = SystemClock()
    engine = StandIn(Moment(clock.wall_ns(), clock.boottime_ns()))
    counters, lines = Counters(), []  # type: ignore[var-annotated]
    worker = SamplerThread(lambda _: engine, clock, Reporter(counters, clock), lines.append)  # type: ignore[arg-type,return-value]
    worker.start()
    yield worker, engine, counters, lines
    await worker.stop()
    assert engine.closed


async def ticks(worker: SamplerThread, engine: StandIn, more: int) -> None:
    wanted = engine.ticks + more
    async with asyncio.timeout(20):
        while engine.ticks < wanted:
            await worker.ask(lambda *_: None)


async def test_ticks_happen_in_the_thread_and_points_come_to_the_loop(made: Made) -> None:
    worker, engine, _, lines = made
    await ticks(worker, engine, 3)
    await asyncio.sleep(0)
    assert len(lines) >= 1
    assert engine.threads.isdisjoint({threading.get_ident()})


async def test_orders_are_carried_out_in_the_order_they_were_given(made: Made) -> None:
    worker, _, _, _ = made
    done: list[int] = []
    for number in range(100):
        worker.order(lambda *_, number=number: done.append(number))  # type: ignore[misc]
    await worker.ask(lambda *_: None)
    assert done == list(range(100))


async def test_an_order_that_fails_is_counted_and_the_next_ones_are_carried_out(made: Made) -> None:
    worker, _, counters, _ = made
    worker.order(lambda *_: 1 / 0)
    assert await worker.ask(lambda *_: 42) == 42
    assert counters.snapshot()['sampler_failed_total{error="ZeroDivisionError"}'] == 1


async def test_who_asks_gets_the_failure(made: Made) -> None:
    worker, _, _, _ = made
    with pytest.raises(ZeroDivisionError):
        await worker.ask(lambda *_: 1 / 0)


async def test_a_tick_that_fails_is_counted_and_the_next_one_comes(made: Made) -> None:
    worker, engine, counters, _ = made
    engine.failing = True
    await ticks(worker, engine, 3)
    engine.failing = False
    await ticks(worker, engine, 3)
    assert counters.snapshot()['sampler_failed_total{error="ZeroDivisionError"}'] >= 3


async def test_who_has_stopped_asking_does_not_disturb(made: Made) -> None:
    worker, _, counters, _ = made
    asking = asyncio.create_task(worker.ask(lambda *_: 42))
    await asyncio.sleep(0)
    asking.cancel()
    assert await worker.ask(lambda *_: 43) == 43
    assert not any(name.startswith("sampler_failed") for name in counters.snapshot())


async def test_an_engine_that_cannot_be_made_is_told_at_the_start() -> None:
    def broken(_: Moment) -> Engine:
        raise ZeroDivisionError("odd")

    clock = SystemClock()
    worker = SamplerThread(broken, clock, Reporter(Counters(), clock), lambda _: None)
    with pytest.raises(ZeroDivisionError):
        worker.start()
    await worker.stop()
