"""Sinks whose receiver has several addresses: the next one where one fails, and the same as long as it works."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from slurmlens.config.sinks import BeatsSinkConfig, CarbonSinkConfig, HubSinkConfig
from slurmlens.delivery.sinks.beats import BeatsSink
from slurmlens.delivery.sinks.carbon import CarbonSink
from slurmlens.delivery.sinks.delivery import Sink
from slurmlens.delivery.sinks.hub import HubSink
from slurmlens.errors import DeliveryError
from slurmlens.runtime.endpoint import Address
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.beats_receiver import BeatsReceiver, acknowledge_all, acknowledging, then_closing
from testkit.manual_clock import ManualClock
from testkit.scripted_server import LineServer, ScriptedHttp, answer, raw, reset, serving

TAKEN = answer(200, b'{"accepted":1,"known":0,"refused":[]}')


class Instances:
    """Those of a service, the preferred first."""

    def __init__(self, *ports: int) -> None:
        self.ports = ports

    def addresses(self) -> tuple[Address, ...]:
        return tuple(("127.0.0.1", port) for port in self.ports)


@contextmanager
def dead_port() -> Iterator[int]:
    """One that refuses connections, and that nobody else can have meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@asynccontextmanager
async def ended(sink: Sink) -> AsyncIterator[Sink]:
    try:
        yield sink
    finally:
        await sink.aclose()


def carbon_sink(instances: Instances) -> CarbonSink:
    clock = ManualClock()
    return CarbonSink(CarbonSinkConfig(), instances, Reporter(Counters(), clock), clock)


def hub_sink(instances: Instances) -> HubSink:
    reporter = Reporter(Counters(), ManualClock())
    return HubSink(HubSinkConfig(timeout_s=5), instances, "n0", lambda _: "Bearer x", reporter, lambda _: None)


async def fails(sink: Sink, payload: bytes) -> None:
    with pytest.raises(DeliveryError) as caught:
        await sink.deliver(payload, 1)
    assert caught.value.retriable


async def test_lines_go_to_the_next_carbon_where_the_first_is_dead_and_stay_there_when_it_is_back() -> None:
    first, second = LineServer(), LineServer()
    with dead_port() as dead:
        async with serving(second) as port, ended(carbon_sink(Instances(dead, port))) as sink:
            await fails(sink, b"1\n")
            await sink.deliver(b"1\n", 1)
            await second.until(b"1\n")
            async with serving(first) as back:
                sink.sender._endpoint._endpoint.ports = (back, port)
                await sink.deliver(b"2\n", 1)
                await second.until(b"2\n")
    assert not first.received


async def test_what_a_carbon_that_dies_may_not_have_put_away_is_sent_to_the_next_one() -> None:
    first, second = LineServer(), LineServer()
    async with serving(second) as other:
        async with serving(first) as port:
            sink = carbon_sink(Instances(port, other))
            for number in range(20):
                await sink.deliver(b"%d\n" % number, 1)
            await first.until(b"0\n")
            reset(first.connections[0])
        delivered = False
        while not delivered:  # the first write to a connection that is reset may still be taken by the kernel
            try:
                await sink.deliver(b"20\n", 1)
                delivered = sink.sender.connection.address[1] == other
            except DeliveryError:
                pass
        await second.until(b"20\n")
        await sink.aclose()
    assert {b"%d" % number for number in range(21)} <= set(bytes(second.received).split())


@pytest.mark.parametrize("says", [answer(503, b'{"reason":"busy"}'), answer(500)])
async def test_a_hub_that_finds_fault_with_itself_is_left_for_the_next_one(says: object) -> None:
    ill, well = ScriptedHttp([says]), ScriptedHttp([TAKEN])
    async with serving(ill) as first, serving(well) as second, ended(hub_sink(Instances(first, second))) as sink:
        await fails(sink, b"{}\n")
        assert await sink.deliver(b"{}\n", 1) == await sink.deliver(b"{}\n", 1) == 1
    assert (len(ill.requests), len(well.requests)) == (1, 2)
    assert {request.connection for request in well.requests} == {1}


async def test_a_hub_that_refuses_this_node_is_asked_again_for_no_other_would_take_it() -> None:
    strict, other = ScriptedHttp([answer(401, b'{"reason":"expired"}'), TAKEN]), ScriptedHttp([TAKEN])
    async with serving(strict) as first, serving(other) as second, ended(hub_sink(Instances(first, second))) as sink:
        await fails(sink, b"{}\n")
        assert await sink.deliver(b"{}\n", 1) == 1
    assert (len(strict.requests), len(other.requests)) == (2, 0)


async def test_a_dead_hub_is_passed_over_and_one_that_hung_up_in_idle_is_not() -> None:
    body = b'{"accepted":1,"known":0,"refused":[]}'
    hangs_up = raw(b"HTTP/1.1 200 Told\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    well = ScriptedHttp([hangs_up, TAKEN])
    with dead_port() as dead:
        async with serving(well) as port, ended(hub_sink(Instances(dead, port))) as sink:
            await fails(sink, b"{}\n")
            assert await sink.deliver(b"{}\n", 1) == await sink.deliver(b"{}\n", 1) == 1
    assert [request.connection for request in well.requests] == [1, 2]


async def test_what_one_beats_receiver_acknowledged_is_not_sent_to_the_next() -> None:
    first, second = BeatsReceiver([then_closing(acknowledging(0, 1))]), BeatsReceiver([acknowledge_all])
    events = [b'{"event":{"id":"%d"}}' % number for number in range(3)]
    payload = b"".join(event + b"\n" for event in events)
    instances = Instances()
    async with serving(first) as one, serving(second) as other, ended(BeatsSink(BeatsSinkConfig(), instances)) as sink:
        instances.ports = one, other
        await fails(sink, payload)
        assert await sink.deliver(payload, 3) == 3
        assert await sink.deliver(payload, 3) == 3
    assert second.windows == [events[1:], events]
    assert len(first.connections) == 1
