"""The beats sink against Elastic's own server code: what it says was taken is in the file, whatever happens between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from deploy.component import start_and_wait
from deploy.components.lumber import Lumber
from deploy.components.lumber import Tls as ServerTls

from slurmlens.config.sinks import BeatsSinkConfig, LogstashSinkConfig
from slurmlens.delivery.sinks.beats import BeatsSink
from slurmlens.delivery.sinks.logstash import LogstashSink
from slurmlens.errors import DeliveryError
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.runtime.tls import ClientTls
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from testkit.certificates import Authority
from testkit.components import private
from testkit.event_samples import one_of_each
from testkit.fault_proxy import Harm, Trap, Way, fault_proxy
from testkit.manual_clock import ManualClock

PATIENCE_S = 60.0
BATCHES = 20
PER_BATCH = 50


def lines(test: str, numbers: range) -> bytes:
    return b"".join(b'{"event":{"id":"%s"},"number":%d}\n' % (test.encode(), number) for number in numbers)


def arrived(lumber: Lumber, test: str) -> list[int]:
    """Numbers of a test's events, in the order of arrival, duplicates too."""
    return [event["number"] for event in lumber.events() if event.get("event", {}).get("id") == test]


def first_arrivals(numbers: list[int]) -> list[int]:
    return list(dict.fromkeys(numbers))


@asynccontextmanager
async def beats_sink(port: int, host: str = "127.0.0.1", **settings: object) -> AsyncIterator[BeatsSink]:
    config = BeatsSinkConfig(port=port, **settings)  # type: ignore[arg-type]
    tls = ClientTls(config, "sinks.beats", config.server_name) if config.tls else None
    sink = BeatsSink(config, FixedEndpoint(host, port), tls)
    try:
        yield sink
    finally:
        await sink.aclose()


async def insist(sink: BeatsSink, payload: bytes, count: int) -> list[str]:
    """Deliver as `delivery` does; returns the reasons of the tries that failed."""
    reasons: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                assert await sink.deliver(payload, count) == count
            except DeliveryError as error:
                reasons.append(error.reason if error.retriable else "for ever")
                await asyncio.sleep(0.05)
            else:
                return reasons


async def test_every_kind_of_event_is_in_the_file_as_it_was_written(lumber: Lumber) -> None:
    written = [ecs.encode(event) for event in one_of_each()]
    async with beats_sink(lumber.port) as sink:
        assert await sink.deliver(b"\n".join(written) + b"\n", len(written)) == len(written)
    assert b"\n".join(written) + b"\n" in lumber.output.read_bytes()
    assert [ecs.decode(document) for document in written] == list(one_of_each())


@pytest.mark.parametrize(("level", "window"), [(0, 2048), (3, 7), (9, 10_000)])
async def test_all_that_was_taken_is_there_once_and_in_order(lumber: Lumber, level: int, window: int) -> None:
    test, count = f"order-{level}", 10_000
    async with beats_sink(lumber.port, compression_level=level, window_events=window) as sink:
        await sink.deliver(lines(test, range(count)), count)
        await sink.deliver(lines(test, range(count, count + 1)), 1)
    assert arrived(lumber, test) == list(range(count + 1))


async def test_a_busy_receiver_is_waited_for_as_long_as_it_says_that_it_lives() -> None:
    options = ["-delay=1s", "-keepalive=100ms"]
    with private(lambda sandbox: Lumber(sandbox, options=options)) as lumber:
        async with beats_sink(lumber.port, timeout_s=0.5) as sink:
            assert await sink.deliver(lines("busy", range(100)), 100) == 100
        assert arrived(lumber, "busy") == list(range(100))


async def test_of_a_window_acknowledged_by_half_only_the_other_half_is_sent_again() -> None:
    with private(lambda sandbox: Lumber(sandbox, options=["-partial"])) as lumber:
        async with fault_proxy(lumber.port) as proxy, beats_sink(proxy.port) as sink:
            # In the middle of the second acknowledgement, the one of all.
            proxy.script([Trap(Harm.CUT, Way.DOWN, 9)])
            with pytest.raises(DeliveryError, match="closed by the receiver before it acknowledged all"):
                await sink.deliver(lines("half", range(100)), 100)
            assert await sink.deliver(lines("half", range(100)), 100) == 100
        assert arrived(lumber, "half") == [*range(100), *range(50, 100)]


@pytest.mark.parametrize("harm", [Harm.CUT, Harm.RESET, Harm.HALF_CLOSE])
@pytest.mark.parametrize("way", [Way.UP, Way.DOWN])
async def test_a_connection_that_breaks_anywhere_loses_nothing(lumber: Lumber, harm: Harm, way: Way) -> None:
    test = f"broken-{harm.value}-{way.value}"
    draw = random.Random(test)
    most_bytes = 600 if way is Way.UP else 30
    async with fault_proxy(lumber.port) as proxy, beats_sink(proxy.port, window_events=20, timeout_s=5) as sink:
        proxy.script(Trap(harm, way, draw.randrange(most_bytes)) for _ in range(15))
        failures = [await insist(sink, batch, PER_BATCH) for batch in batches(test)]
    assert sum(map(len, failures)) >= 5
    numbers = arrived(lumber, test)
    assert first_arrivals(numbers) == list(range(BATCHES * PER_BATCH))


def batches(test: str) -> Iterator[bytes]:
    for number in range(BATCHES):
        yield lines(test, range(number * PER_BATCH, (number + 1) * PER_BATCH))


async def test_a_receiver_that_is_killed_or_stopped_in_between_has_everything_in_the_end() -> None:
    with private(Lumber) as lumber:
        async with beats_sink(lumber.port, timeout_s=0.5) as sink:
            for number, batch in enumerate(batches("killed")):
                if number % 5 == 2:
                    delivering = asyncio.create_task(insist(sink, batch, PER_BATCH))
                    await asyncio.sleep(0)
                    lumber.kill()
                    await asyncio.to_thread(start_and_wait, lumber)
                    await delivering
                elif number % 5 == 4:
                    lumber.pause()
                    with pytest.raises(DeliveryError) as caught:
                        await sink.deliver(batch, PER_BATCH)
                    assert caught.value.reason == "timeout"
                    lumber.resume()
                    await insist(sink, batch, PER_BATCH)
                else:
                    await insist(sink, batch, PER_BATCH)
        assert first_arrivals(arrived(lumber, "killed")) == list(range(BATCHES * PER_BATCH))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def picky_lumber(authority: Authority) -> Iterator[Lumber]:
    """One that speaks TLS with those who show a certificate of the authority."""
    server = authority.issue("server")
    tls = ServerTls(server.certificate, server.key, authority.certificate)
    with private(lambda sandbox: Lumber(sandbox, tls=tls)) as lumber:
        yield lumber


def trusting(authority: Authority, client: str | None = None) -> dict[str, object]:
    settings: dict[str, object] = {"tls": True, "ca_file": authority.certificate}
    if client is not None:
        identity = authority.issue(client)
        settings |= {"certificate_file": identity.certificate, "key_file": identity.key}
    return settings


async def test_over_tls_with_a_certificate_all_is_taken(picky_lumber: Lumber, authority: Authority) -> None:
    async with beats_sink(picky_lumber.port, **trusting(authority, "client")) as sink:
        assert await sink.deliver(lines("tls", range(10_000)), 10_000) == 10_000
    assert arrived(picky_lumber, "tls") == list(range(10_000))


async def test_without_a_certificate_the_servers_own_word_is_passed_on(
    picky_lumber: Lumber, authority: Authority, tmp_path: Path
) -> None:
    async with beats_sink(picky_lumber.port, **trusting(authority)) as sink:
        with pytest.raises(DeliveryError, match="TLS: tlsv13 alert certificate required") as caught:
            await sink.deliver(lines("shy", range(1)), 1)
    assert (caught.value.reason, caught.value.retriable) == ("tls", True)
    stranger = Authority(tmp_path)
    async with beats_sink(picky_lumber.port, **trusting(stranger)) as sink:
        with pytest.raises(DeliveryError, match="certificate is not accepted: unable to get local issuer"):
            await sink.deliver(lines("shy", range(1)), 1)
    assert arrived(picky_lumber, "shy") == []


async def test_the_logstash_sink_passes_the_servers_word_on_as_well(picky_lumber: Lumber, authority: Authority) -> None:
    config = LogstashSinkConfig(port=picky_lumber.port, **trusting(authority))  # type: ignore[arg-type]
    clock = ManualClock()
    reporter, endpoint = Reporter(Counters(), clock), FixedEndpoint("127.0.0.1", picky_lumber.port)
    sink = LogstashSink(config, endpoint, reporter, clock, ClientTls(config, "sinks.logstash"))
    reasons = []
    for _ in range(3):
        try:
            await sink.deliver(b"{}\n", 1)
        except DeliveryError as error:
            reasons.append(str(error))
        async with asyncio.timeout(5):
            while sink.sender.connection is not None:
                await asyncio.sleep(0)
    await sink.aclose()
    # What was written into the first connection may have made the server's word unreadable.
    assert len(reasons) >= 2
    assert "TLS: tlsv13 alert certificate required" in reasons[-1]


async def test_the_largest_event_there_may_be_is_taken(lumber: Lumber) -> None:
    large = msgspec.json.encode({"event": {"id": "large"}, "number": 1, "text": "x" * ecs.MAX_LINE_BYTES}) + b"\n"
    async with beats_sink(lumber.port, compression_level=0) as sink:
        await sink.deliver(large, 1)
    assert arrived(lumber, "large") == [1]
