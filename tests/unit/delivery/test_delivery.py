"""The loop all sinks share: in order, at least once, backing off, counting what is lost and nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.delivery.batches import Batch, Stream
from slurmlens.delivery.sinks.delivery import Delivery
from slurmlens.delivery.spool import Spool, SpoolLimits
from slurmlens.errors import DeliveryError
from slurmlens.runtime.backoff import Backoff
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.manual_clock import ManualClock

AWAY = DeliveryError("connection refused", reason="connect")
NEVER = DeliveryError("400 not NDJSON", reason="http_400", retriable=False)


@dataclass
class Receiver:
    """Takes lines, or does next what `script` says: an error to raise, or how many lines to refuse."""

    script: list[DeliveryError | int] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    closed: bool = False
    name: str = "hub"

    async def deliver(self, payload: bytes, count: int) -> int:
        act = self.script.pop(0) if self.script else 0
        if isinstance(act, DeliveryError):
            raise act
        self.taken += payload.splitlines()
        return count - act

    async def aclose(self) -> None:
        self.closed = True


class Bench:
    """A queue, a receiver and the loop between them; waits pass on the test's clock."""

    def __init__(self, receiver: Receiver, *, max_bytes: int = 1000) -> None:
        self.clock = ManualClock()
        self.waits_s: list[float] = []
        self.acknowledged: list[bytes] = []
        self.reporter = Reporter(Counters(), self.clock)
        limits = SpoolLimits(
            max_bytes=10**6, max_age_s=1e6, memory_bytes=10**6, metrics_memory_bytes=10**6, logs_memory_bytes=10**6
        )
        self.queue = Spool({"hub": Stream.EVENTS}, limits, None, "boot", self.clock, self.reporter)
        self.receiver = receiver
        self.delivery = Delivery(
            receiver, self.queue, self.reporter, self.clock,
            max_bytes=max_bytes, backoff=Backoff(1, 8, lambda: 1.0), sleep=self._sleep,
        )  # fmt: skip

    async def _sleep(self, seconds: float) -> None:
        self.waits_s.append(seconds)
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    async def append(self, *lines: bytes) -> None:
        payload = b"".join(line + b"\n" for line in lines)
        callback = lambda: self.acknowledged.extend(lines)  # noqa: E731
        await self.queue.append(Batch(Stream.EVENTS, payload, len(lines), self.clock.monotonic_ns(), (callback,)))

    async def run_until_drained(self) -> None:
        running = asyncio.create_task(self.delivery.run())
        await self.queue.drained()
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    def counted(self, name: str) -> float:
        return self.reporter.counters.snapshot().get(name, 0)


async def test_what_waits_is_joined_delivered_and_acknowledged() -> None:
    bench = Bench(Receiver())
    await bench.append(b"a", b"b")
    await bench.append(b"c")
    await bench.run_until_drained()
    assert bench.receiver.taken == bench.acknowledged == [b"a", b"b", b"c"]
    assert bench.counted('sink_delivered_lines_total{sink="hub"}') == 3
    assert bench.counted('sink_delivered_bytes_total{sink="hub"}') == 6
    assert bench.receiver.closed


async def test_a_receiver_that_is_away_is_tried_again_with_growing_waits_and_loses_nothing() -> None:
    bench = Bench(Receiver([AWAY] * 5))
    await bench.append(b"a")
    await bench.run_until_drained()
    assert bench.waits_s == [1, 2, 4, 8, 8]
    assert bench.receiver.taken == bench.acknowledged == [b"a"]
    assert bench.counted('sink_failed_total{sink="hub",reason="connect"}') == 5
    assert bench.counted('sink_recovered_total{sink="hub"}') == 1


async def test_a_receiver_that_asked_for_time_has_it_and_the_usual_wait_after_it() -> None:
    bench = Bench(Receiver([DeliveryError("busy", reason="http_503", wait_s=5), AWAY]))
    await bench.append(b"a")
    await bench.run_until_drained()
    assert bench.waits_s == [6, 2]


async def test_success_makes_the_next_wait_short_again() -> None:
    bench = Bench(Receiver([AWAY, AWAY, 0, AWAY]), max_bytes=1)
    await bench.append(b"a")
    await bench.append(b"b")
    await bench.run_until_drained()
    assert bench.waits_s == [1, 2, 1]


async def test_what_is_refused_for_ever_is_counted_as_lost_and_the_next_goes_on() -> None:
    bench = Bench(Receiver([NEVER]), max_bytes=1)
    await bench.append(b"bad", b"bad2")
    await bench.append(b"good")
    await bench.run_until_drained()
    assert bench.receiver.taken == [b"good"]
    assert bench.counted('sink_lost_lines_total{sink="hub",reason="http_400"}') == 2
    assert bench.delivery.state.failures_in_a_row == 0


async def test_lines_refused_one_by_one_do_not_count_as_delivered() -> None:
    bench = Bench(Receiver([1]))
    await bench.append(b"a", b"b", b"c")
    await bench.run_until_drained()
    assert bench.counted('sink_delivered_lines_total{sink="hub"}') == 2


async def test_the_state_of_a_sink_tells_its_trouble_and_its_lag() -> None:
    bench = Bench(Receiver([AWAY] * 2))
    await bench.append(b"abc")
    await bench.run_until_drained()
    state = bench.delivery.state
    assert (state.failures_in_a_row, state.last_error) == (0, None)
    assert state.last_delivered_ns == bench.clock.monotonic_ns()
    assert bench.counted('sink_lag_s{sink="hub"}') == 0


async def test_while_a_receiver_is_away_lag_and_backlog_are_shown() -> None:
    bench = Bench(Receiver([AWAY] * 3))
    shown: list[tuple[float, float]] = []

    async def look(seconds: float) -> None:
        bench.clock.advance(seconds)
        names = ('sink_lag_s{sink="hub"}', 'sink_backlog_bytes{sink="hub"}')
        shown.append((bench.counted(names[0]), bench.counted(names[1])))
        assert bench.delivery.state.last_error == "connection refused"

    bench.delivery._sleep = look
    await bench.append(b"abc")
    await bench.run_until_drained()
    assert shown == [(0, 4), (1, 4), (3, 4)]


acts = st.one_of(st.just(AWAY), st.just(NEVER), st.just(0))


@settings(max_examples=100)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=8), st.lists(acts, max_size=20), st.integers(1, 12))
async def test_every_line_arrives_in_order_or_is_counted_as_lost(
    sizes: list[int], script: list[DeliveryError | int], max_bytes: int
) -> None:
    bench = Bench(Receiver(list(script)), max_bytes=max_bytes)
    lines: list[bytes] = []
    for size in sizes:
        batch = [b"%d" % (len(lines) + number) for number in range(size)]
        lines += batch
        await bench.append(*batch)
    await bench.run_until_drained()
    lost = bench.counted('sink_lost_lines_total{sink="hub",reason="http_400"}')
    assert bench.acknowledged == lines
    assert len(bench.receiver.taken) + lost == len(lines)
    assert bench.receiver.taken == [line for line in lines if line in set(bench.receiver.taken)]
