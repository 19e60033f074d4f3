"""The Kafka sink where no broker answers: a clear word, soon, and nothing left behind; no broker is needed here."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.protocol.admin import ApiVersionResponse_v0

from slurmlens.config.kafka import KafkaSinkConfig
from slurmlens.delivery.sinks.kafka import Brokers, KafkaSink
from slurmlens.discovery.answers import Instance
from slurmlens.discovery.found_endpoint import FoundEndpoint
from slurmlens.errors import DeliveryError
from slurmlens.runtime.endpoint import Address, FixedEndpoint
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from testkit.certificates import Authority, Identity, server_context
from testkit.event_samples import one_of_each
from testkit.manual_clock import ManualClock
from testkit.waiting import PATIENCE_S, until

LINE = ecs.encode(one_of_each()[0]) + b"\n"
NOBODY = ("127.0.0.1", 1)


@asynccontextmanager
async def sink_to(address: Address, **settings: object) -> AsyncIterator[KafkaSink]:
    """A sink; nothing of it may be left at the end, and ending takes a bounded time."""
    before = set(threading.enumerate()), asyncio.all_tasks()
    reporter = Reporter(Counters(), ManualClock(), logging.getLogger("slurmlens.test"))
    config = KafkaSinkConfig(**{"timeout_s": 0.3, **settings})  # type: ignore[arg-type]
    sink = KafkaSink(config, FixedEndpoint(*address), reporter, ManualClock())
    try:
        yield sink
    finally:
        async with asyncio.timeout(PATIENCE_S):
            await sink.aclose()
        assert {one for one in threading.enumerate() if one.name == "kafka"} <= before[0]
        assert [task for task in asyncio.all_tasks() - before[1] if "server.<locals>" not in repr(task)] == []


@asynccontextmanager
async def server(
    says: bytes, connected: list[asyncio.StreamWriter] | None = None, heard: bytearray | None = None
) -> AsyncIterator[Address]:
    """Takes connections, which come into `connected`, says something, and reads on into `heard`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if connected is not None:
            connected.append(writer)
        with contextlib.suppress(OSError):
            writer.write(says)
            while read := await reader.read(4096):
                if heard is not None:
                    heard.extend(read)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1")
    async with listening:
        yield listening.sockets[0].getsockname()[:2]


@contextmanager
def tls_server(identity: Identity, says: bytes) -> Iterator[tuple[Address, list[ssl.SSLSocket]]]:
    """Takes TLS connections, which come into the list, reads one request, answers, and never says good-bye."""
    taken: list[ssl.SSLSocket] = []
    listening = socket.create_server(("127.0.0.1", 0))
    context = server_context(identity)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = context.wrap_socket(listening.accept()[0], server_side=True)
                taken.append(connection)
                connection.recv(4096)
                connection.sendall(says)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname(), taken
    finally:
        listening.shutdown(socket.SHUT_RDWR)  # which wakes accept
        thread.join(PATIENCE_S)
        for one in (listening, *taken):
            one.close()


@pytest.fixture
def nothing_is_left_to_the_garbage_collector() -> Iterator[None]:
    """What `__del__` complains of, it complains of in the test that left it."""
    gc.collect()
    yield
    gc.collect()


def ended(connection: ssl.SSLSocket) -> bool:
    """Whether the other side has closed the socket below; a close_notify alone is not that."""
    with socket.socket(fileno=connection.detach()) as below:
        below.settimeout(PATIENCE_S)
        try:
            while below.recv(4096):
                pass
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
    return True


async def refusal(sink: KafkaSink) -> DeliveryError:
    with pytest.raises(DeliveryError) as told:
        await sink.deliver(LINE, 1)
    assert told.value.retriable
    return told.value


async def test_nobody_listens() -> None:
    async with sink_to(NOBODY) as sink:
        for _ in range(3):
            error = await refusal(sink)
            assert error.reason == "network"
            assert "127.0.0.1:1" in str(error)
            assert "Connect call failed" in str(error)


async def test_somebody_listens_who_never_answers() -> None:
    async with server(b"") as address, sink_to(address) as sink:
        assert (await refusal(sink)).reason in {"timeout", "network"}


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64, b"\0\0\0\5\0\0\0\1x"])
async def test_somebody_listens_who_is_no_broker(garbage: bytes) -> None:
    async with server(garbage) as address, sink_to(address) as sink:
        await refusal(sink)


async def test_a_delivery_that_is_given_up_while_it_connects_leaves_nothing() -> None:
    connected: list[asyncio.StreamWriter] = []
    async with server(b"", connected) as address, sink_to(address, timeout_s=600.0) as sink:
        delivering = asyncio.create_task(sink.deliver(LINE, 1))
        await until(lambda: len(connected) == 1, "the sink has connected")
        delivering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivering


@pytest.mark.usefixtures("nothing_is_left_to_the_garbage_collector")
async def test_over_tls_no_connection_waits_for_the_good_bye_of_a_broker_that_says_none(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    nonsense = b"\0\0\0\5\0\0\0\1x"
    with tls_server(authority.issue("broker"), nonsense) as (address, taken):
        async with sink_to(address, tls=True, ca_file=authority.certificate, timeout_s=5.0) as sink:
            await refusal(sink)
        assert taken
        assert all(ended(connection) for connection in taken)


@pytest.mark.usefixtures("nothing_is_left_to_the_garbage_collector")
async def test_a_connection_that_asks_for_the_brokers_is_ended_with_the_producer() -> None:
    """The broker tells its versions, and then nothing."""
    versions = ApiVersionResponse_v0(error_code=0, api_versions=[(3, 0, 1), (18, 0, 0)]).encode()
    heard = bytearray()
    frame = struct.pack(">ii", len(versions) + 4, 1) + versions
    async with server(frame, heard=heard) as address, sink_to(address, timeout_s=600.0) as sink:
        delivering = asyncio.create_task(sink.deliver(LINE, 1))
        await until(lambda: heard.count(b"slurmlens") == 2, "the sink asks for the brokers")
        delivering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivering


async def test_a_file_that_cannot_be_used_is_named_before_anybody_is_asked(tmp_path: Path) -> None:
    missing = tmp_path / "password"
    login = {"sasl_mechanism": "PLAIN", "sasl_user": "slurmlens", "sasl_password_file": missing}
    async with sink_to(NOBODY, **login) as sink:
        assert f"{missing}: No such file" in str(await refusal(sink))
        missing.write_text("secret\n")
        missing.chmod(0o644)
        assert "open to everybody" in str(await refusal(sink))
        missing.chmod(0o600)
        assert (await refusal(sink)).reason == "network"
    async with sink_to(NOBODY, tls=True, ca_file=tmp_path / "ca.pem") as sink:
        error = await refusal(sink)
        assert str(tmp_path / "ca.pem") in str(error)


async def test_a_compression_whose_package_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _, attribute = AIOKafkaProducer._COMPRESSORS["zstd"]
    monkeypatch.setitem(AIOKafkaProducer._COMPRESSORS, "zstd", (lambda: False, attribute))
    async with sink_to(NOBODY, compression="zstd") as sink:
        error = await refusal(sink)
        assert (error.reason, "zstd not found" in str(error)) == ("settings", True)


def test_all_brokers_of_the_settings_are_asked_unless_discovery_knows_better() -> None:
    settings = (("k1", 9092), ("k2", 9092))
    assert Brokers(FixedEndpoint("k1", 9092), settings).addresses() == settings
    assert Brokers(FixedEndpoint("found", 1), settings).addresses() == (("found", 1),)


def test_all_brokers_that_consul_names_are_asked() -> None:
    found = FoundEndpoint(("k1", 9092), "demo/n0")
    found.told([Instance(host, 9092, True) for host in ("b1", "b2", "b3")])
    addresses = Brokers(found, (("k1", 9092),)).addresses()
    assert sorted(addresses) == [("b1", 9092), ("b2", 9092), ("b3", 9092)]


def test_without_tls_the_sink_loads_no_openssl() -> None:
    code = (
        "import sys; sys.modules['ssl'] = sys.modules['_hashlib'] = None\n"
        "import slurmlens.delivery.sinks.kafka\n"
        "assert '_ssl' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
