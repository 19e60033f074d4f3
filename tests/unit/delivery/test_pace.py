"""What had to wait is replayed at a bounded rate, what is new never held back; a cluster does not come at once."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.config.shared import ReplayConfig
from slurmlens.config.sinks import CarbonSinkConfig
from slurmlens.delivery.batches import Batch, Stream
from slurmlens.delivery.sinks.delivery import Delivery
from slurmlens.delivery.sinks.pace import ReplayPace
from slurmlens.delivery.spool import Spool, SpoolLimits
from slurmlens.runtime.backoff import Backoff
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.manual_clock import ManualClock

MIB = 1024 * 1024
REPLAY = ReplayConfig(after_s=10, bytes_per_s=MIB)


def test_what_is_new_is_never_held_back_however_much_it_is() -> None:
    pace, now_ns = ReplayPace(REPLAY), 100 * NS_PER_S
    assert [pace.wait_ns(100 * MIB, now_ns - 10 * NS_PER_S, now_ns) for _ in range(1000)] == [0] * 1000


def test_a_backlog_leaves_at_the_rate_and_its_first_lines_at_once() -> None:
    pace, now_ns = ReplayPace(REPLAY), 100 * NS_PER_S
    assert [pace.wait_ns(MIB // 2, 0, now_ns) / NS_PER_S for _ in range(4)] == [0, 0.5, 1.0, 1.5]
    assert pace.wait_ns(MIB // 2, 0, now_ns + 5 * NS_PER_S) == 0


def test_time_that_a_slow_receiver_took_counts_and_is_not_made_up_for() -> None:
    pace = ReplayPace(REPLAY)
    pace.wait_ns(MIB, 0, 100 * NS_PER_S)
    assert pace.wait_ns(MIB, 0, 100 * NS_PER_S + NS_PER_S // 4) == NS_PER_S * 3 // 4
    pace.wait_ns(MIB, 0, 500 * NS_PER_S)
    assert pace.wait_ns(MIB, 0, 500 * NS_PER_S) == NS_PER_S


@given(st.lists(st.tuples(st.integers(1, 4 * MIB), st.integers(0, 20), st.integers(0, 3 * NS_PER_S)), max_size=50))
def test_in_no_stretch_of_time_more_is_replayed_than_the_rate_allows(steps: list[tuple[int, int, int]]) -> None:
    pace, now_ns = ReplayPace(REPLAY), 100 * NS_PER_S
    replayed: list[tuple[int, int]] = []
    for size_bytes, age_s, took_ns in steps:
        wait_ns = pace.wait_ns(size_bytes, now_ns - age_s * NS_PER_S, now_ns)
        now_ns += wait_ns
        if age_s > REPLAY.after_s:
            replayed.append((now_ns, size_bytes))
        else:
            assert wait_ns == 0
        now_ns += took_ns
    for first, (begin_ns, _) in enumerate(replayed):
        total = 0
        for at_ns, size_bytes in replayed[first:]:
            assert total / MIB <= (at_ns - begin_ns) / NS_PER_S + 1e-6
            total += size_bytes


class Taker:
    """A receiver that is always there and notes when it got what."""

    name = "carbon"

    def __init__(self, clock: ManualClock) -> None:
        self.got: list[tuple[float, bytes]] = []
        self._clock = clock

    async def deliver(self, payload: bytes, count: int) -> int:
        now_s = self._clock.monotonic_ns() / NS_PER_S
        self.got += [(now_s, line) for line in payload.splitlines()]
        return count

    async def aclose(self) -> None: ...


@pytest.mark.parametrize("rate", [256 * 1024, MIB])
async def test_new_lines_wait_behind_a_backlog_in_order_and_not_for_ever(clock: ManualClock, rate: int) -> None:
    limits = SpoolLimits(
        max_bytes=64 * MIB,
        max_age_s=1e6,
        memory_bytes=64 * MIB,
        metrics_memory_bytes=64 * MIB,
        logs_memory_bytes=64 * MIB,
    )
    queue = Spool({"carbon": Stream.METRICS}, limits, None, "boot", clock, Reporter(Counters(), clock))
    taker, made = Taker(clock), 0

    async def append() -> None:
        nonlocal made
        line = b"%06d " % made + b"." * 80_000 + b"\n"  # a second of 64 slots at 1 Hz
        await queue.append(Batch(Stream.METRICS, line, 1, clock.monotonic_ns()))
        made += 1

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)
        while made * NS_PER_S < clock.monotonic_ns() - began_ns:
            await append()

    began_ns = clock.monotonic_ns()
    await sleep(120)  # the receiver was away
    delivery = Delivery(
        taker, queue, Reporter(Counters(), clock), clock, max_bytes=64 * 1024, backoff=Backoff(1, 8),
        replay=ReplayConfig(bytes_per_s=rate), sleep=sleep,
    )  # fmt: skip
    running = asyncio.create_task(delivery.run())
    await queue.drained()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    numbers = [int(line[:6]) for _, line in taker.got]
    assert numbers == list(range(made))
    # What came last waited not at all; the whole backlog took what is left of the rate beside what is new.
    assert taker.got[-1][0] - began_ns / NS_PER_S - numbers[-1] <= 11
    assert made - 120 <= 120 * 80_000 / (rate - 80_000) + 1


def test_the_nodes_of_a_cluster_come_back_one_after_the_other() -> None:
    config, per_second = CarbonSinkConfig(), [0] * 61
    for node in range(1000):
        tries = Backoff(config.backoff_min_s, config.backoff_max_s, random.Random(node).random)
        at_s = 0.0
        while at_s < 3600:  # carbon was away for an hour
            at_s += tries.next_s()
        per_second[int(at_s - 3600)] += 1
    assert sum(per_second) == 1000
    assert max(per_second) <= 60
