"""The queue against a trivial twin: order per sink, bounds, what gives way first, and conservation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.node.flow import Backlog, Batch, Stream
from slurmlens.node.queue import Drop, MemoryQueue, QueueLimits
from testkit.manual_clock import ManualClock

LIMITS = QueueLimits(total_bytes=40, metrics_bytes=20, metrics_age_s=60, events_age_s=600)
SINKS = {"hub": Stream.EVENTS, "file": Stream.EVENTS, "carbon": Stream.METRICS}


@dataclass
class Setup:
    clock: ManualClock = field(default_factory=ManualClock)
    drops: list[Drop] = field(default_factory=list)
    acknowledged: list[bytes] = field(default_factory=list)

    def queue(self, sinks: dict[str, Stream] = SINKS, limits: QueueLimits = LIMITS) -> MemoryQueue:
        return MemoryQueue(sinks, limits, self.clock, self.drops.append)

    def batch(self, payload: bytes, stream: Stream = Stream.EVENTS) -> Batch:
        callback = lambda: self.acknowledged.append(payload)  # noqa: E731
        return Batch(stream, payload, 1, self.clock.monotonic_ns(), (callback,))


@pytest.fixture
def setup() -> Setup:
    return Setup()


async def payloads(queue: MemoryQueue, sink: str, max_bytes: int = 1000) -> list[bytes]:
    return [entry.batch.payload for entry in await queue.read(sink, max_bytes)]


async def test_each_sink_reads_from_its_own_cursor(setup: Setup) -> None:
    queue = setup.queue()
    await queue.append(setup.batch(b"a"))
    await queue.append(setup.batch(b"b"))
    first = await queue.read("hub", 1000)
    await queue.acknowledge("hub", first[0].position)
    assert await payloads(queue, "hub") == [b"b"]
    assert await payloads(queue, "file") == [b"a", b"b"]


async def test_what_was_read_and_not_acknowledged_is_read_again(setup: Setup) -> None:
    queue = setup.queue()
    await queue.append(setup.batch(b"a"))
    assert await payloads(queue, "hub") == await payloads(queue, "hub") == [b"a"]


async def test_a_batch_is_acknowledged_when_the_last_sink_of_its_stream_took_it(setup: Setup) -> None:
    queue = setup.queue()
    await queue.append(setup.batch(b"a"))
    await queue.acknowledge("hub", 1)
    assert setup.acknowledged == []
    await queue.acknowledge("file", 1)
    assert setup.acknowledged == [b"a"]
    assert queue.size_bytes == 0


async def test_an_acknowledgement_of_the_past_or_the_future_changes_nothing_else(setup: Setup) -> None:
    queue = setup.queue({"hub": Stream.EVENTS})
    await queue.append(setup.batch(b"a"))
    await queue.acknowledge("hub", 99)
    await queue.acknowledge("hub", 0)
    await queue.append(setup.batch(b"b"))
    assert await payloads(queue, "hub") == [b"b"]


async def test_reading_stops_at_the_size_asked_for_but_gives_one_at_least(setup: Setup) -> None:
    queue = setup.queue()
    for payload in (b"aaaa", b"bb", b"cc", b"d"):
        await queue.append(setup.batch(payload))
    assert await payloads(queue, "hub", 1) == [b"aaaa"]
    assert await payloads(queue, "hub", 8) == [b"aaaa", b"bb", b"cc"]


async def test_reading_waits_until_something_comes(setup: Setup) -> None:
    queue = setup.queue()
    readers = [asyncio.create_task(payloads(queue, sink)) for sink in ("hub", "file")]
    await asyncio.sleep(0)
    assert not any(reader.done() for reader in readers)
    await queue.append(setup.batch(b"a"))
    assert await asyncio.gather(*readers) == [[b"a"], [b"a"]]


async def test_metrics_give_way_to_events_and_the_oldest_first(setup: Setup) -> None:
    queue = setup.queue()
    for payload in (b"m1" * 4, b"m2" * 4):
        await queue.append(setup.batch(payload, Stream.METRICS))
    for payload in (b"e1" * 8, b"e2" * 8):
        await queue.append(setup.batch(payload))
    assert [(drop.batch.payload[:2], drop.reason) for drop in setup.drops] == [(b"m1", "total_limit")]
    await queue.append(setup.batch(b"e3" * 8))
    assert [drop.batch.payload[:2] for drop in setup.drops] == [b"m1", b"m2", b"e1"]
    assert await payloads(queue, "hub") == [b"e2" * 8, b"e3" * 8]
    assert setup.acknowledged == []


async def test_metrics_have_a_bound_of_their_own(setup: Setup) -> None:
    queue = setup.queue()
    for payload in (b"m1" * 5, b"m2" * 5, b"m3" * 5):
        await queue.append(setup.batch(payload, Stream.METRICS))
    assert [(drop.batch.payload[:2], drop.reason) for drop in setup.drops] == [(b"m1", "metrics_limit")]


async def test_a_batch_larger_than_the_queue_is_dropped_alone(setup: Setup) -> None:
    queue = setup.queue()
    await queue.append(setup.batch(b"keep"))
    await queue.append(setup.batch(b"x" * 41))
    assert [drop.reason for drop in setup.drops] == ["too_large"]
    assert await payloads(queue, "hub") == [b"keep"]


async def test_what_grew_too_old_is_dropped_by_its_stream_s_own_age(setup: Setup) -> None:
    queue = setup.queue()
    await queue.append(setup.batch(b"e"))
    await queue.append(setup.batch(b"m", Stream.METRICS))
    setup.clock.advance(61)
    assert await payloads(queue, "hub") == [b"e"]
    assert [(drop.batch.payload, drop.reason) for drop in setup.drops] == [(b"m", "age")]


async def test_setting_the_wall_clock_makes_nothing_old(setup: Setup) -> None:
    queue = setup.queue()
    await queue.append(setup.batch(b"e"))
    setup.clock.jump_wall(10**6)
    assert await payloads(queue, "hub") == [b"e"]


async def test_a_stream_that_nobody_reads_holds_nothing_and_acknowledges_at_once(setup: Setup) -> None:
    queue = setup.queue({"carbon": Stream.METRICS})
    await queue.append(setup.batch(b"e"))
    assert (queue.size_bytes, setup.acknowledged) == (0, [b"e"])


async def test_whoever_ends_the_program_can_wait_until_nothing_is_left(setup: Setup) -> None:
    queue = setup.queue({"hub": Stream.EVENTS, "carbon": Stream.METRICS})
    await queue.drained()
    await queue.append(setup.batch(b"e"))
    await queue.append(setup.batch(b"m", Stream.METRICS))
    waiting = asyncio.create_task(queue.drained())
    await queue.acknowledge("hub", 1)
    await asyncio.sleep(0)
    assert not waiting.done()
    await queue.acknowledge("carbon", 1)
    await waiting


async def test_the_backlog_of_a_sink_is_told(setup: Setup) -> None:
    queue = setup.queue()
    assert queue.backlog("hub") == Backlog(0, 0, 0, None)
    await queue.append(setup.batch(b"aa"))
    setup.clock.advance(2)
    await queue.append(setup.batch(b"b"))
    assert queue.backlog("hub") == Backlog(2, 2, 3, 2.0)


@dataclass
class Twin:
    """The queue as one would write it without thinking: plain lists, everything recomputed."""

    limits: QueueLimits
    held: dict[Stream, list[tuple[int, Batch]]] = field(default_factory=lambda: {stream: [] for stream in Stream})
    made: dict[Stream, int] = field(default_factory=lambda: dict.fromkeys(Stream, 0))
    cursors: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SINKS, 0))
    dropped: list[bytes] = field(default_factory=list)

    def append(self, batch: Batch, now_ns: int) -> None:
        if len(batch.payload) > (20 if batch.stream is Stream.METRICS else 40):
            self.dropped.append(batch.payload)
            return
        self.made[batch.stream] += 1
        self.held[batch.stream].append((self.made[batch.stream], batch))
        self.trim(now_ns)

    def size(self, *streams: Stream) -> int:
        return sum(len(batch.payload) for stream in streams for _, batch in self.held[stream])

    def trim(self, now_ns: int) -> None:
        metrics, events = self.held[Stream.METRICS], self.held[Stream.EVENTS]
        for lane, age_s in ((metrics, 60), (events, 600)):
            while lane and now_ns - lane[0][1].born_ns > age_s * 10**9:
                self.dropped.append(lane.pop(0)[1].payload)
        while self.size(Stream.METRICS) > 20:
            self.dropped.append(metrics.pop(0)[1].payload)
        while self.size(*Stream) > 40:
            self.dropped.append((metrics or events).pop(0)[1].payload)

    def waiting(self, sink: str) -> list[bytes]:
        return [batch.payload for position, batch in self.held[SINKS[sink]] if position > self.cursors[sink]]

    def acknowledge(self, sink: str, upto: int) -> None:
        self.cursors[sink] = max(self.cursors[sink], upto)
        stream = SINKS[sink]
        slowest = min(cursor for name, cursor in self.cursors.items() if SINKS[name] is stream)
        self.held[stream] = [item for item in self.held[stream] if item[0] > slowest]


def at_once(awaitable: Coroutine[Any, Any, Any]) -> Any:
    """Run what needs no waiting to its end; None where it would wait."""
    try:
        awaitable.send(None)
    except StopIteration as done:
        return done.value
    awaitable.close()
    return None


STEPS = st.one_of(
    st.tuples(st.just("append"), st.sampled_from(Stream), st.integers(1, 45)),
    st.tuples(st.just("take"), st.sampled_from(sorted(SINKS)), st.integers(1, 30)),
    st.tuples(st.just("pass"), st.just(None), st.integers(1, 70)),
)


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=60))
async def test_the_queue_and_its_trivial_twin_never_differ(steps: list[tuple[str, Any, int]]) -> None:
    setup = Setup()
    queue, twin = setup.queue(), Twin(LIMITS)
    for number, (action, what, amount) in enumerate(steps):
        now_ns = setup.clock.monotonic_ns()
        if action == "append":
            payload = (b"%d-" % number).ljust(amount, b".")
            at_once(queue.append(setup.batch(payload, what)))
            twin.append(setup.batch(payload, what), now_ns)
        elif action == "pass":
            setup.clock.advance(amount)
        else:
            twin.trim(now_ns)
            entries = at_once(queue.read(what, amount)) or []
            assert [entry.batch.payload for entry in entries] == twin.waiting(what)[: len(entries)]
            assert bool(entries) == bool(twin.waiting(what))
            if entries:
                at_once(queue.acknowledge(what, entries[-1].position))
                twin.acknowledge(what, entries[-1].position)
        assert sorted(drop.batch.payload for drop in setup.drops) == sorted(twin.dropped)
        assert queue.size_bytes == twin.size(*Stream) <= LIMITS.total_bytes
    gone = set(setup.acknowledged) | {drop.batch.payload for drop in setup.drops}
    held = {batch.payload for stream in Stream for _, batch in twin.held[stream]}
    appended = [(b"%d-" % n).ljust(amount, b".") for n, (action, _, amount) in enumerate(steps) if action == "append"]
    assert gone | held == set(appended)
    assert not gone & held
