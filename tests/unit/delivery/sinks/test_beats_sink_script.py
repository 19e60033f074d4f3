"""The beats sink against a receiver that acknowledges by script: in part, twice, too much, not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from slurmlens.config.sinks import BeatsSinkConfig
from slurmlens.delivery.sinks.beats import BeatsSink
from slurmlens.errors import DeliveryError
from slurmlens.runtime.endpoint import FixedEndpoint
from testkit.beats_receiver import (
    BeatsReceiver,
    acknowledge_all,
    acknowledging,
    frame,
    saying,
    then_closing,
)
from testkit.scripted_server import serving


def events(*numbers: int) -> list[bytes]:
    return [b'{"event":{"id":"%032d"}}' % number for number in numbers]


def payload(*numbers: int) -> bytes:
    return b"".join(event + b"\n" for event in events(*numbers))


@asynccontextmanager
async def beats_sink(port: int, **settings: float) -> AsyncIterator[BeatsSink]:
    sink = BeatsSink(BeatsSinkConfig(port=port, **settings), FixedEndpoint("127.0.0.1", port))  # type: ignore[arg-type]
    try:
        yield sink
    finally:
        await sink.aclose()


async def failure(sink: BeatsSink, *numbers: int) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await sink.deliver(payload(*numbers), len(numbers))
    assert caught.value.retriable
    return caught.value


@pytest.mark.parametrize("level", [0, 3, 9])
async def test_events_go_in_windows_over_one_connection_and_in_order(level: int) -> None:
    receiver = BeatsReceiver([acknowledge_all])
    async with serving(receiver) as port, beats_sink(port, window_events=2, compression_level=level) as sink:
        assert await sink.deliver(payload(1, 2, 3, 4, 5), 5) == 5
        assert await sink.deliver(payload(6), 1) == 1
    assert receiver.windows == [events(1, 2), events(3, 4), events(5), events(6)]
    assert len(receiver.connections) == 1


async def test_signs_of_life_and_parts_are_waited_through() -> None:
    receiver = BeatsReceiver([acknowledging(0, 0, 1, 1, 0, 3)])
    async with serving(receiver) as port, beats_sink(port) as sink:
        assert await sink.deliver(payload(1, 2, 3), 3) == 3
    assert receiver.windows == [events(1, 2, 3)]


@pytest.mark.parametrize("hard", [True, False])
async def test_of_a_payload_that_was_acknowledged_in_part_only_the_rest_is_sent_again(hard: bool) -> None:
    receiver = BeatsReceiver([acknowledge_all, then_closing(acknowledging(0, 1), hard=hard), acknowledge_all])
    async with serving(receiver) as port, beats_sink(port, window_events=3) as sink:
        error = await failure(sink, 1, 2, 3, 4, 5, 6)
        assert error.reason == "network"
        assert await sink.deliver(payload(1, 2, 3, 4, 5, 6), 6) == 6
    assert receiver.windows == [events(1, 2, 3), events(4, 5, 6), events(5, 6)]


async def test_what_was_acknowledged_of_one_payload_says_nothing_of_the_next() -> None:
    receiver = BeatsReceiver([then_closing(acknowledging(1)), acknowledge_all])
    async with serving(receiver) as port, beats_sink(port) as sink:
        await failure(sink, 1, 2)
        await sink.deliver(payload(3, 4), 2)
        await sink.deliver(payload(1, 2), 2)
    assert receiver.windows == [events(1, 2), events(3, 4), events(1, 2)]


async def test_a_receiver_that_says_nothing_is_given_up_and_gets_it_all_again() -> None:
    receiver = BeatsReceiver([saying(b""), acknowledge_all])
    async with serving(receiver) as port, beats_sink(port, timeout_s=0.1) as sink:
        assert (await failure(sink, 1, 2)).reason == "timeout"
        await sink.deliver(payload(1, 2), 2)
    assert receiver.windows == [events(1, 2), events(1, 2)]


async def test_a_receiver_that_says_it_lives_is_waited_for_however_long_it_takes() -> None:
    async def busy(writer: asyncio.StreamWriter, count: int) -> None:
        for _ in range(5):
            writer.write(frame(0))
            await asyncio.sleep(0.2)  # well within the limit each, and longer than it in all
        writer.write(frame(count))

    receiver = BeatsReceiver([busy])
    async with serving(receiver) as port, beats_sink(port, timeout_s=0.8) as sink:
        assert await sink.deliver(payload(1), 1) == 1


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (frame(3), "document 3 acknowledged, of a window of 2"),
        (b"1A\0\0\0\2", "no acknowledgement"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no acknowledgement"),
    ],
)
async def test_an_answer_that_cannot_be_is_garbage_and_ends_the_connection(said: bytes, message: str) -> None:
    receiver = BeatsReceiver([saying(said), acknowledge_all])
    async with serving(receiver) as port, beats_sink(port) as sink:
        error = await failure(sink, 1, 2)
        assert error.reason == "garbage"
        assert message in str(error)
        await sink.deliver(payload(1, 2), 2)
    assert len(receiver.connections) == 2


async def said_meanwhile(sink: BeatsSink) -> None:
    """Wait until something came in that nobody asked for."""
    assert sink._link is not None
    async with asyncio.timeout(5):
        while sink._link.is_quiet:
            await asyncio.sleep(0)


@pytest.mark.parametrize("late", [frame(1), frame(0), b"2A\0", b"garbage"])
async def test_a_late_word_is_never_taken_for_the_answer_to_the_next_window(late: bytes) -> None:
    receiver = BeatsReceiver([acknowledge_all, then_closing(acknowledging(0)), acknowledge_all])
    async with serving(receiver) as port, beats_sink(port) as sink:
        await sink.deliver(payload(1), 1)
        receiver.connections[0].write(late)
        await said_meanwhile(sink)
        await failure(sink, 2)
        await sink.deliver(payload(2), 1)
    assert receiver.windows == [events(1), events(2), events(2)]
    assert len(receiver.connections) == 3


async def test_a_connection_that_the_receiver_closed_meanwhile_is_no_failure() -> None:
    receiver = BeatsReceiver([acknowledge_all])
    async with serving(receiver) as port, beats_sink(port) as sink:
        await sink.deliver(payload(1), 1)
        receiver.connections[0].close()
        await said_meanwhile(sink)
        await sink.deliver(payload(2), 1)
    assert receiver.documents == events(1, 2)
    assert len(receiver.connections) == 2


async def test_a_cancelled_delivery_leaves_no_connection_on_which_its_answer_could_come() -> None:
    receiver = BeatsReceiver([saying(b""), acknowledge_all])
    async with serving(receiver) as port, beats_sink(port) as sink:
        delivering = asyncio.create_task(sink.deliver(payload(1), 1))
        async with asyncio.timeout(5):
            while not receiver.windows:
                await asyncio.sleep(0)
        delivering.cancel()
        await asyncio.wait({delivering})
        await sink.deliver(payload(2), 1)
    assert len(receiver.connections) == 2


async def test_a_receiver_that_is_not_there_is_a_named_failure() -> None:
    async with serving(BeatsReceiver([acknowledge_all])) as port:
        pass
    async with beats_sink(port) as sink:
        error = await failure(sink, 1)
    assert error.reason == "network"
    assert f"beats at 127.0.0.1:{port}: " in str(error)
