"""The logstash sink over real TCP and TLS: what is checked, what is told, and that nothing is lost to either."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from slurmlens.config.sinks import LogstashSinkConfig
from slurmlens.delivery.sinks.logstash import LogstashSink
from slurmlens.errors import DeliveryError
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.runtime.tls import ClientTls
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.certificates import Authority, Identity, locked, server_context
from testkit.manual_clock import ManualClock
from testkit.scripted_server import LineServer, reset, serving
from testkit.waiting import until


def documents(*numbers: int) -> bytes:
    return b"".join(b'{"event":{"id":"%032d"}}\n' % number for number in numbers)


@dataclass(frozen=True)
class Pki:
    """Who is who."""

    folder: Path
    authority: Authority
    stranger: Authority
    server: Identity
    client: Identity


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    folder = tmp_path_factory.mktemp("pki")
    authority = Authority(folder)
    server, client = authority.issue("server"), authority.issue("client")
    return Pki(folder, authority, Authority(folder, "stranger"), server, client)


@asynccontextmanager
async def logstash_sink(port: int, host: str = "127.0.0.1", **settings: object) -> AsyncIterator[LogstashSink]:
    config = LogstashSinkConfig(host=host, port=port, **settings)  # type: ignore[arg-type]
    clock = ManualClock()
    tls = ClientTls(config, "sinks.logstash", config.server_name) if config.tls else None
    sink = LogstashSink(config, FixedEndpoint(host, port), Reporter(Counters(), clock), clock, tls)
    try:
        yield sink
    finally:
        await sink.aclose()


def trusting(pki: Pki, **more: object) -> dict[str, object]:
    return {"tls": True, "ca_file": pki.authority.certificate, **more}


def showing(identity: Identity) -> dict[str, object]:
    return {"certificate_file": identity.certificate, "key_file": identity.key}


async def refusal(sink: LogstashSink) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await sink.deliver(documents(1), 1)
    assert caught.value.retriable
    return caught.value


async def until_down(sink: LogstashSink) -> None:
    await until(lambda: sink.sender.connection is None, "the sink is down", poll_s=0)


async def test_documents_arrive_as_lines_without_tls() -> None:
    logstash = LineServer()
    async with serving(logstash) as port, logstash_sink(port) as sink:
        assert await sink.deliver(documents(1, 2), 2) == 2
        await logstash.until(documents(1, 2))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_documents_arrive_over_tls_from_a_client_that_shows_a_certificate(pki: Pki, host: str) -> None:
    logstash = LineServer()
    tls = server_context(pki.server, clients_ca=pki.authority.certificate)
    settings = trusting(pki, **showing(pki.client))
    async with serving(logstash, tls=tls) as port, logstash_sink(port, host, **settings) as sink:
        await sink.deliver(documents(1), 1)
        await sink.deliver(documents(2), 1)
        await logstash.until(documents(1, 2))
        assert len(logstash.connections) == 1


async def test_a_payload_of_many_records_arrives_whole(pki: Pki) -> None:
    logstash, payload = LineServer(), documents(*range(20_000))
    async with serving(logstash, tls=server_context(pki.server)) as port, logstash_sink(port, **trusting(pki)) as sink:
        await sink.deliver(payload, 20_000)
        await logstash.until(payload)


async def test_the_name_in_the_certificate_may_be_another_than_the_host(pki: Pki) -> None:
    named = pki.authority.issue("named", alternative_names="DNS:logstash.example.org")
    logstash = LineServer()
    async with serving(logstash, tls=server_context(named)) as port:
        async with logstash_sink(port, **trusting(pki, server_name="logstash.example.org")) as sink:
            await sink.deliver(documents(1), 1)
            await logstash.until(documents(1))
        async with logstash_sink(port, **trusting(pki)) as sink:
            error = await refusal(sink)
    assert error.reason == "tls"
    assert f"logstash at 127.0.0.1:{port}: TLS: the other side's certificate is not accepted: " in str(error)
    assert "IP address mismatch" in str(error)


async def test_an_expired_certificate_and_one_of_a_stranger_are_refused(pki: Pki) -> None:
    expired = pki.authority.issue("expired", days=-1)
    strange = pki.stranger.issue("strange")
    for identity, message in (
        (expired, "certificate has expired"),
        (strange, "unable to get local issuer certificate"),
    ):
        logstash = LineServer()
        tls = server_context(identity)
        async with serving(logstash, tls=tls) as port, logstash_sink(port, **trusting(pki)) as sink:
            error = await refusal(sink)
        assert (error.reason, logstash.received) == ("tls", b"")
        assert message in str(error)


@pytest.mark.parametrize("shown", ["none", "of a stranger"])
async def test_a_server_that_misses_our_certificate_is_not_believed_to_have_taken_anything(
    pki: Pki, shown: str
) -> None:
    # In TLS 1.3 our side is done before the server says no: only what happens next tells. (asyncio's server just
    # closes; that an alert is passed on is shown with Elastic's, in tests/receivers.)
    identity = {} if shown == "none" else showing(pki.stranger.issue("client"))
    picky = server_context(pki.server, clients_ca=pki.authority.certificate)
    logstash = LineServer()
    async with AsyncExitStack() as stack:
        async with serving(LineServer(), tls=picky) as port:
            sink = await stack.enter_async_context(logstash_sink(port, **trusting(pki, **identity)))
            await sink.deliver(documents(0), 1)  # nobody can know yet
            await until_down(sink)
            for number in range(1, 4):
                with pytest.raises(DeliveryError, match="closed by the receiver"):
                    await sink.deliver(documents(number), 1)
        async with serving(logstash, port, tls=server_context(pki.server)):
            await sink.deliver(documents(1), 1)
            await logstash.until(documents(0, 1))


async def test_a_balancer_with_nobody_behind_it_is_not_believed_either() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    logstash = LineServer()
    async with AsyncExitStack() as stack:
        async with serving(hang_up) as port:
            sink = await stack.enter_async_context(logstash_sink(port, resend_limit_bytes=4096, resend_window_s=0.6))
            taken = b""
            for number in range(10):
                try:
                    await sink.deliver(documents(number), 1)
                    taken += documents(number)
                    await until_down(sink)
                except DeliveryError as error:
                    assert error.reason == "network"  # noqa: PT017
        async with serving(logstash, port):
            await sink.deliver(documents(99), 1)
            await logstash.until(documents(99))
    assert logstash.received == taken + documents(99)
    assert len(taken) <= len(documents(0))


@pytest.mark.parametrize("how", ["closes", "resets"])
@pytest.mark.parametrize("speaks_tls", [True, False])
async def test_what_a_server_that_goes_may_not_have_got_is_sent_again(pki: Pki, how: str, speaks_tls: bool) -> None:
    logstash = LineServer()
    tls = server_context(pki.server) if speaks_tls else None
    settings = trusting(pki) if speaks_tls else {}
    async with serving(logstash, tls=tls) as port, logstash_sink(port, **settings) as sink:
        await sink.deliver(documents(1), 1)
        await logstash.until(documents(1))
        if how == "closes":
            logstash.connections[-1].close()
        else:
            reset(logstash.connections[-1])
        await until_down(sink)
        logstash.received.clear()
        await sink.deliver(documents(2), 1)
        await logstash.until(documents(1, 2))


async def test_a_server_that_half_closes_is_left_and_what_it_may_have_is_sent_again() -> None:
    logstash = LineServer()
    async with serving(logstash) as port, logstash_sink(port) as sink:
        await sink.deliver(documents(1), 1)
        await logstash.until(documents(1))
        logstash.connections[-1].write_eof()
        await until_down(sink)
        await sink.deliver(documents(2), 1)
        await logstash.until(documents(1, 1, 2))


async def test_what_a_stalled_server_never_read_is_sent_again_over_tls(pki: Pki) -> None:
    stalled, logstash = LineServer(), LineServer()
    stalled.reading.clear()
    settings = trusting(pki, timeout_s=0.3, resend_limit_bytes=4_000_000)
    tls, taken = server_context(pki.server), b""
    async with AsyncExitStack() as stack:
        async with serving(stalled, receive_buffer_bytes=65_536, tls=tls) as port:
            sink = await stack.enter_async_context(logstash_sink(port, **settings))
            for start in range(0, 1_000_000, 1000):
                payload = documents(*range(start, start + 1000))
                try:
                    await sink.deliver(payload, 1000)
                except DeliveryError as error:
                    assert error.reason in {"timeout", "network"}  # noqa: PT017  # ours, or the kernel's
                    break
                taken += payload
        assert 0 < len(taken) < 4_000_000
        async with serving(logstash, port, tls=tls):
            await sink.deliver(documents(7), 1)
            await logstash.until(taken + documents(7))


async def test_a_server_that_speaks_no_tls_is_told_apart(pki: Pki) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n")
        await asyncio.Event().wait()

    silent = LineServer()
    async with serving(greet) as port, logstash_sink(port, **trusting(pki)) as sink:
        assert "TLS: wrong version number" in str(await refusal(sink))
    async with serving(silent) as port, logstash_sink(port, **trusting(pki, timeout_s=0.2)) as sink:
        assert (await refusal(sink)).reason == "timeout"


async def hang_up_in_the_handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.close()


async def test_a_server_that_ends_the_handshake_is_a_named_failure(pki: Pki) -> None:
    async with serving(hang_up_in_the_handshake) as port, logstash_sink(port, **trusting(pki)) as sink:
        error = await refusal(sink)
    assert error.reason == "network"


def broken_files(pki: Pki) -> list[tuple[dict[str, object], str]]:
    """Settings whose files cannot be used, and what is to be told."""
    folder = pki.folder
    (folder / "garbage.pem").write_text("no PEM at all")
    (folder / "open.key").write_bytes(pki.client.key.read_bytes())
    (folder / "open.key").chmod(0o644)
    return [
        ({"ca_file": folder / "none.pem"}, f"sinks.logstash.ca_file: {folder}/none.pem: No such file or directory"),
        (
            {"ca_file": folder / "garbage.pem"},
            f"sinks.logstash.ca_file: {folder}/garbage.pem holds no certificates in PEM",
        ),
        (
            {"certificate_file": folder / "garbage.pem", "key_file": pki.client.key},
            f"sinks.logstash.certificate_file: {folder}/garbage.pem holds no certificate in PEM",
        ),
        (
            {"certificate_file": pki.client.certificate, "key_file": folder / "garbage.pem"},
            f"sinks.logstash.key_file: {folder}/garbage.pem holds no private key in PEM",
        ),
        (
            {"certificate_file": pki.client.certificate, "key_file": folder / "open.key"},
            f"sinks.logstash.key_file: {folder}/open.key is open to everybody: chmod 640",
        ),
        (
            {"certificate_file": pki.client.certificate, "key_file": pki.server.key},
            "certificate_file: .*client.pem and the key in .*server.key do not work together: .*mismatch",
        ),
    ]


async def test_a_file_that_cannot_be_used_is_named_with_its_key(pki: Pki) -> None:
    logstash = LineServer()
    async with serving(logstash) as port:
        for settings, message in broken_files(pki):
            async with logstash_sink(port, **trusting(pki, **settings)) as sink:
                error = await refusal(sink)
            assert error.reason == "tls_files"
            assert re.search(message, str(error)), str(error)
    assert logstash.connections == []


async def test_a_key_with_a_passphrase_is_refused_instead_of_asking_at_the_terminal(pki: Pki) -> None:
    key = locked(pki.client)
    settings = {"certificate_file": pki.client.certificate, "key_file": key}
    async with logstash_sink(1, **trusting(pki, **settings)) as sink:
        error = await refusal(sink)
    assert f"sinks.logstash.key_file: {key} has a passphrase: give a key without" in str(error)


async def test_files_are_read_again_when_they_have_changed_and_only_then(pki: Pki) -> None:
    trusted = pki.folder / "trusted.pem"
    trusted.write_bytes(pki.stranger.certificate.read_bytes())
    config = LogstashSinkConfig(tls=True, ca_file=trusted)
    tls, logstash = ClientTls(config, "sinks.logstash"), LineServer()
    assert tls.context() is tls.context()
    before = tls.context()
    server = serving(logstash, tls=server_context(pki.server))
    async with server as port, logstash_sink(port, tls=True, ca_file=trusted) as sink:
        assert (await refusal(sink)).reason == "tls"
        trusted.write_bytes(pki.authority.certificate.read_bytes() + b"\n")
        await sink.deliver(documents(1), 1)
        await logstash.until(documents(1))
    assert tls.context() is not before


LIMIT_S = 0.2


async def test_what_is_left_with_the_kernel_arrives_however_long_the_server_rests() -> None:
    """The daemon ends, or is killed, while the server reads nothing: nobody could send it again."""
    sent = documents(*range(4000))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with logstash_sink(listener.getsockname()[1], timeout_s=LIMIT_S) as sink:
            await sink.deliver(sent, 4000)
        # The kernel asks a receiver without room at doubling intervals: a long one to the next time says that the
        # sink's limit has passed several times, and that what was left is still held.
        port = listener.getsockname()[1]
        await until(lambda: longest_probe_s(port) > 3 * LIMIT_S, "the kernel goes on asking")
        server, _ = listener.accept()
        with server:
            got = await asyncio.to_thread(read_to_end, server)
    assert got == sent


def longest_probe_s(port: int) -> float:
    """How long the kernel still waits before it asks again whether the receiver at this port has room.

    From the columns `rem_address` and `tr:tm->when` of /proc/net/tcp (proc(5)): timer 4 is the zero window probe, and
    its time is in ticks of a 100th of a second.
    """
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    timers = [row[5].split(":") for row in rows if int(row[2].split(":")[1], 16) == port]
    return max((int(when, 16) / 100 for kind, when in timers if kind == "04"), default=0.0)


def read_to_end(server: socket.socket) -> bytes:
    server.settimeout(20)
    parts = []
    while part := server.recv(65_536):
        parts.append(part)
    return b"".join(parts)
