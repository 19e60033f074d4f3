"""The Kafka sink against a real broker: what it says was taken is in the log, once, a job's events in their order."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from deploy.component import start_and_wait
from deploy.components.kafka import Kafka

from slurmlens.clock import SystemClock
from slurmlens.config.kafka import KafkaSinkConfig
from slurmlens.delivery.sinks.kafka import Brokers, KafkaSink
from slurmlens.errors import DeliveryError
from slurmlens.events import JobStart
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from testkit.components import private
from testkit.event_samples import one_of_each
from testkit.kafka_log import ids, make_topic, read_all
from testkit.waiting import until_blocking

JOBS = 7
PATIENCE_S = 60.0


def line(number: int, *, time_ns: int | None = None) -> bytes:
    """An event whose id says its number; its job follows from it."""
    start = one_of_each()[0]
    assert isinstance(start, JobStart)
    job = msgspec.structs.replace(start.job, job_id=1 + number % JOBS)
    now_ns = time.time_ns() if time_ns is None else time_ns
    return ecs.encode(msgspec.structs.replace(start, id=f"{number:08}", time_ns=now_ns, job=job)) + b"\n"


def lines(numbers: range) -> bytes:
    return b"".join(map(line, numbers))


@asynccontextmanager
async def sink_to(port: int, topic: str, **settings: float) -> AsyncIterator[tuple[KafkaSink, Counters]]:
    clock, counters = SystemClock(), Counters()
    config = KafkaSinkConfig(topic=topic, **settings)  # type: ignore[arg-type]
    reporter = Reporter(counters, clock, logging.getLogger("slurmlens.test"))
    sink = KafkaSink(config, FixedEndpoint("127.0.0.1", port), reporter, clock)
    try:
        yield sink, counters
    finally:
        await sink.aclose()
        assert not [thread for thread in threading.enumerate() if thread.name == "kafka"]


async def insist(sink: KafkaSink, payload: bytes, count: int, reasons: list[str] | None = None) -> list[str]:
    """Deliver as `delivery` does; the reasons of the tries that failed, as they come, in `reasons`."""
    reasons = [] if reasons is None else reasons
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                taken = await sink.deliver(payload, count)
            except DeliveryError as error:
                reasons.append(error.reason if error.retriable else "for ever")
                await asyncio.sleep(0.1)
            else:
                assert taken == count
                return reasons


async def test_events_are_in_the_log_as_they_were_written_with_key_time_and_names(kafka: Kafka) -> None:
    await make_topic(kafka.bootstrap, "whole")
    written = [ecs.encode(msgspec.structs.replace(event, time_ns=time.time_ns())) for event in one_of_each()]
    async with sink_to(kafka.port, "whole") as (sink, _):
        assert await sink.deliver(b"\n".join(written) + b"\n", len(written)) == len(written)
    records = await read_all(kafka.bootstrap, "whole")
    assert sorted(record.value for record in records) == sorted(written)
    for record in records:
        event = ecs.decode(record.value)
        assert record.key == (b"demo/node/n0" if event.node == "n0" and not hasattr(event, "sighting") else b"demo/17")
        assert record.timestamp == event.time_ns // 1_000_000
        assert dict(record.headers)["slurm.id"] == event.id.encode()
    assert len({record.partition for record in records if record.key == b"demo/17"}) == 1


async def test_of_the_brokers_that_are_named_one_alive_is_enough(kafka: Kafka) -> None:
    await make_topic(kafka.bootstrap, "named", 1)
    named = tuple(("127.0.0.1", port) for port in (1, 9, kafka.port))
    clock = SystemClock()
    reporter = Reporter(Counters(), clock, logging.getLogger("slurmlens.test"))
    sink = KafkaSink(KafkaSinkConfig(topic="named"), Brokers(FixedEndpoint(*named[0]), named), reporter, clock)
    try:
        assert await sink.deliver(lines(range(3)), 3) == 3
    finally:
        await sink.aclose()


@pytest.mark.parametrize("compression", ["none", "gzip", "lz4", "zstd"])
async def test_a_record_that_is_too_large_is_refused_and_the_others_arrive_in_order(
    kafka: Kafka, compression: str
) -> None:
    topic = f"large-{compression}"
    await make_topic(kafka.bootstrap, topic, 1)
    large = json.loads(line(3))
    large["labels"] = {"padding": secrets.token_hex(3_000_000)}
    payload = lines(range(3)) + json.dumps(large).encode() + b"\n" + lines(range(4, 20))
    async with sink_to(kafka.port, topic, compression=compression) as (sink, counters):  # type: ignore[arg-type]
        assert await sink.deliver(payload, 20) == 19
        assert await sink.deliver(line(20), 1) == 1
        assert counters.snapshot() == {'kafka_refused_lines_total{reason="too_large"}': 1}
    assert ids(await read_all(kafka.bootstrap, topic)) == [f"{number:08}" for number in range(21) if number != 3]


async def test_a_batch_that_only_together_is_too_large_arrives_in_parts(kafka: Kafka) -> None:
    await make_topic(kafka.bootstrap, "parts", 1, max_message_bytes="6000")
    async with sink_to(kafka.port, "parts", compression="none") as (sink, counters):  # type: ignore[arg-type]
        assert await sink.deliver(lines(range(40)), 40) == 40
        assert counters.snapshot() == {}
    assert ids(await read_all(kafka.bootstrap, "parts")) == [f"{number:08}" for number in range(40)]


async def test_a_topic_that_is_not_there_is_told_and_waited_for(kafka: Kafka) -> None:
    async with sink_to(kafka.port, "late", timeout_s=1) as (sink, _):
        with pytest.raises(DeliveryError, match="has no topic late and makes none by itself: create it") as told:
            await sink.deliver(line(1), 1)
        assert (told.value.reason, told.value.retriable) == ("unknown_topic", True)
        await make_topic(kafka.bootstrap, "late")
        await insist(sink, line(1), 1)
    assert ids(await read_all(kafka.bootstrap, "late")) == ["00000001"]


async def test_an_event_from_the_future_waits_until_the_clock_is_right(kafka: Kafka) -> None:
    await make_topic(kafka.bootstrap, "future", 1)
    async with sink_to(kafka.port, "future") as (sink, _):
        tomorrow_ns = time.time_ns() + 86_400_000_000_000
        with pytest.raises(DeliveryError, match="set this node's clock") as told:
            await sink.deliver(line(1, time_ns=tomorrow_ns), 1)
        assert (told.value.reason, told.value.retriable) == ("timestamp", True)
        assert await sink.deliver(line(2), 1) == 1
    assert ids(await read_all(kafka.bootstrap, "future")) == ["00000002"]


async def test_a_line_that_is_no_event_is_refused_alone(kafka: Kafka) -> None:
    await make_topic(kafka.bootstrap, "torn", 1)
    async with sink_to(kafka.port, "torn") as (sink, counters):
        assert await sink.deliver(line(1) + b'{"torn\n' + line(2), 3) == 2
        assert counters.snapshot() == {'kafka_refused_lines_total{reason="malformed"}': 1}
    assert ids(await read_all(kafka.bootstrap, "torn")) == ["00000001", "00000002"]


@pytest.fixture
def mortal_kafka() -> Iterator[Kafka]:
    """A broker that this test may kill."""
    with private(Kafka) as broker:
        yield broker


async def test_a_broker_killed_and_paused_in_the_middle_loses_nothing_and_doubles_nothing(mortal_kafka: Kafka) -> None:
    broker = mortal_kafka
    await make_topic(broker.bootstrap, "stormy")
    reasons: list[str] = []

    async def feed(sink: KafkaSink, numbers: range, trouble: Callable[[], None] | None = None) -> None:
        """Deliver them; half way `trouble` comes from another thread, so that it may hit any moment."""
        coming: list[asyncio.Future[None]] = []
        for begin in numbers[::20]:
            if trouble is not None and begin >= numbers[len(numbers) // 2] and not coming:
                coming.append(asyncio.ensure_future(asyncio.to_thread(trouble)))
            await insist(sink, lines(range(begin, begin + 20)), 20, reasons)
        await asyncio.gather(*coming)

    def kill_and_start() -> None:
        broker.kill()
        start_and_wait(broker)

    def pause() -> None:
        before = len(reasons)
        broker.pause()
        try:
            until_blocking(lambda: "timeout" in reasons[before:], "a delivery to a broker that rests is given up")
        finally:
            broker.resume()

    async with sink_to(broker.port, "stormy", timeout_s=1) as (sink, _):
        await feed(sink, range(0, 2000), kill_and_start)
        await feed(sink, range(2000, 4000), pause)
        assert "timeout" in reasons
        assert set(reasons) <= {"timeout", "network"}
        records = await read_all(broker.bootstrap, "stormy")
        await asyncio.to_thread(broker.kill)
        with pytest.raises(DeliveryError):
            await sink.deliver(line(9000), 1)
        async with asyncio.timeout(PATIENCE_S):  # and not the minutes that a client waits by itself
            await sink.aclose()
    assert sorted(ids(records)) == [f"{number:08}" for number in range(4000)]
    for key in {record.key for record in records}:
        of_the_job = ids([record for record in records if record.key == key])
        assert of_the_job == sorted(of_the_job)
