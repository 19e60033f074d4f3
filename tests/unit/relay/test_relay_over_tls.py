"""The relay's port with TLS: a node, a relay and a hub that speak it; and whoever does not fit is told why."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from slurmlens.config.node import BatchConfig
from slurmlens.config.sinks import HubSinkConfig, SinksConfig
from slurmlens.config.tls import ListenSettings
from slurmlens.delivery.receivers import SinkDependencies, receivers
from slurmlens.errors import DeliveryError
from slurmlens.events import JobStart
from slurmlens.relay.events_port import EventsPort
from slurmlens.runtime import http_server
from slurmlens.runtime.http_server import HttpLimits, HttpServer
from slurmlens.runtime.tls import ServerTls
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from slurmlens.wire.ingest import IngestAnswer, answer
from testkit.certificates import Authority, Identity, server_context
from testkit.fault_proxy import Harm, Trap, Way, fault_proxy
from testkit.manual_clock import ManualClock
from testkit.moving_tree import MovingTree
from testkit.node_process import node_process
from testkit.relay_process import RelayProcess, relay_process
from testkit.scripted_server import serving
from testkit.told_events import Told
from testkit.waiting import until

TOKEN = "a-token-of-some-length"
LIMITS = HttpLimits(max_body_bytes=1000, pending_bytes=2000, connections=8, idle_timeout_s=30.0)


def secret(path: Path, text: str) -> Path:
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def relay_settings(folder: Path, hub_port: int, authority: Authority) -> str:
    """Of a relay that delivers by TLS."""
    return f"""
[auth]
munge = false
token_file = "{secret(folder / "tokens", f"* {TOKEN}")}"
[sinks.hub]
url = "https://localhost:{hub_port}"
ca_file = "{authority.certificate}"
auth = "token"
token_file = "{secret(folder / "relay-token", "of-the-relay-itself")}"
backoff_min_s = 0.05
backoff_max_s = 0.2
"""


def show(folder: Path, identity: Identity, **more: Path) -> None:
    """The relay in that folder takes events by TLS."""
    files = {"certificate_file": identity.certificate, "key_file": identity.key, **more}
    (folder / "relay.conf.d").mkdir(parents=True)
    lines = [f'{key} = "{path}"' for key, path in files.items()]
    (folder / "relay.conf.d/tls.toml").write_text("\n".join(["[listen]", *lines]))


async def deliver(folder: Path, url: str, **settings: Path | str | float) -> int:
    """One event of a node, or DeliveryError."""
    token = secret(folder / "node-token", TOKEN)
    config = HubSinkConfig(url=url, auth="token", token_file=token, **settings)  # type: ignore[arg-type]
    clock = ManualClock()
    dependencies = SinkDependencies("n1", BatchConfig(), Reporter(Counters(), clock), clock, lambda _: None)
    [made] = receivers(SinksConfig(hub=config), dependencies)
    try:
        return await made.sink.deliver(ecs.encode(Told(node="n1").start(1)) + b"\n", 1)
    finally:
        await made.sink.aclose()


async def test_a_hooks_event_goes_by_tls_to_the_relay_and_on_to_the_hub(
    tmp_path: Path, unpacked_recordings: Path
) -> None:
    authority = Authority(tmp_path)
    show(tmp_path / "relay", authority.issue("relay"))
    tree = MovingTree("v1-22.05", tmp_path, unpacked_recordings)
    async with node_process(tree, tmp_path) as node:
        tls = server_context(authority.issue("hub"))
        async with (
            serving(node.hub, tls=tls) as hub_port,
            relay_process(tmp_path / "relay", relay_settings(tmp_path, hub_port, authority)) as relay,
        ):
            node.configure(relay.events_port, 1)
            secret(tmp_path / "token", TOKEN)
            (tmp_path / "node.conf.d").mkdir()
            (tmp_path / "node.conf.d/tls.toml").write_text(
                f'[sinks.hub]\nurl = "https://localhost:{relay.events_port}"\nca_file = "{authority.certificate}"\n'
            )
            await node.start()
            event = node.hook("prolog", 1)
            await until(lambda: event in {one.id for one in node.events(JobStart)}, "the event at the hub")
            assert node.hub.requests[-1].headers["x-slurmlens-node"] == "r1"
            assert await node.stop() == 0


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[tuple[RelayProcess, Authority]]:
    """One that wants to see certificates."""
    authority = Authority(tmp_path)
    show(tmp_path / "relay", authority.issue("relay"), client_ca_file=authority.certificate)
    async with relay_process(tmp_path / "relay", relay_settings(tmp_path, 1, authority)) as running:
        yield running, authority


async def test_whoever_does_not_fit_is_told_why_and_so_is_the_relays_log(
    relay: tuple[RelayProcess, Authority], tmp_path: Path
) -> None:
    running, authority = relay
    node, expired = authority.issue("node"), authority.issue("expired", days=-1)
    url = f"https://127.0.0.1:{running.events_port}"
    trusting = {"ca_file": authority.certificate}
    shown = {"certificate_file": node.certificate, "key_file": node.key}
    assert await deliver(tmp_path, url, **trusting, **shown) == 1
    outdated = {"certificate_file": expired.certificate, "key_file": expired.key}
    for where, settings, said in (
        (url.replace("https", "http"), {}, "426 no_tls TLS is spoken here: begin the url with https://"),
        (url, trusting, "tlsv13 alert certificate required"),
        (url, trusting | outdated, "alert certificate expired"),
        (url, trusting | shown | {"server_name": "other"}, "Hostname mismatch, certificate is not valid for 'other'"),
        (url, shown, "self-signed certificate in certificate chain"),
    ):
        with pytest.raises(DeliveryError, match=said) as caught:
            await deliver(tmp_path, where, **settings)  # type: ignore[arg-type]
        assert caught.value.retriable
    log = running.log()
    assert "HTTP without TLS was spoken to a port with TLS" in log
    assert "peer did not return a certificate" in log
    assert "the other side's certificate is not accepted: certificate has expired" in log
    assert "Traceback" not in log
    assert await deliver(tmp_path, url, **trusting, **shown) == 1


# --- attacks


class Port:
    """A server with TLS that takes everything."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.bodies: list[bytes] = []
        identity = self.authority.issue("relay")
        settings = ListenSettings(certificate_file=identity.certificate, key_file=identity.key)
        reporter = Reporter(Counters(), ManualClock())
        self.server = HttpServer(
            "127.0.0.1", 0, EventsPort(self._take, self._take, self._silent), LIMITS, reporter, ServerTls(settings)
        )

    async def _take(self, body: bytes, headers: object, peer: str | None) -> IngestAnswer:
        self.bodies.append(body)
        return answer(200, accepted=1, known=0, refused=[])

    async def _silent(self, path: str) -> IngestAnswer:
        return answer(200, silent=True)

    async def ask(self, request: bytes, *pieces: bytes) -> bytes:
        """What a client by TLS is answered."""
        trusting = ssl.create_default_context(cafile=self.authority.certificate)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port, ssl=trusting)
        for piece in (request, *pieces):
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(10):
            heard = await reader.read()
        writer.close()
        return heard

    async def throw(self, data: bytes) -> bytes:
        """What is answered to bytes that are no TLS."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        writer.write(data)
        heard = b""
        with suppress(ConnectionError):
            async with asyncio.timeout(10):
                heard = await reader.read()
        writer.close()
        return heard


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    made = Port(tmp_path)
    await made.server.bind()
    running = asyncio.create_task(made.server.run())
    yield made
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def post(size_bytes: int) -> bytes:
    head = f"POST /api/v1/events HTTP/1.1\r\nHost: r\r\nConnection: close\r\nContent-Length: {size_bytes}\r\n\r\n"
    return head.encode() + b"x" * size_bytes


async def test_garbage_before_and_within_tls_ends_one_connection_and_no_other(port: Port) -> None:
    hello = bytes.fromhex("16030100050100000100")  # a ClientHello that is none
    for data in (
        b"\x00" * 100,
        b"\xff" * 100_000,
        hello,
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + b"x" * 70_000,
    ):
        assert b"200" not in await port.throw(data)
    assert (await port.ask(b"no HTTP\r\n\r\n")).startswith(b"HTTP/1.1 400")
    assert (await port.ask(post(900))).startswith(b"HTTP/1.1 200")


async def test_one_who_sends_too_much_still_hears_so_by_tls(port: Port) -> None:
    heard = await port.ask(post(100_000))
    assert heard.startswith(b"HTTP/1.1 413")


async def test_one_who_never_ends_the_handshake_is_left(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "STALL_TIMEOUT_S", 0.05)
    assert await port.throw(b"\x16\x03\x01") == b""
    monkeypatch.undo()
    assert (await port.ask(post(10))).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("harm", Harm)
async def test_whatever_befalls_a_connection_what_is_taken_is_whole_and_the_next_try_goes_through(
    port: Port, tmp_path: Path, harm: Harm
) -> None:
    trusting = {"ca_file": port.authority.certificate}
    async with fault_proxy(port.server.port or 0) as proxy:
        url = f"https://127.0.0.1:{proxy.port}"
        for way in Way:
            # In a hello, in the rest of the handshake, in the request or its answer.
            for after_bytes in (3, 300, 900):
                proxy.script([Trap(harm, way, after_bytes)])
                with suppress(DeliveryError):
                    assert await deliver(tmp_path, url, **trusting, timeout_s=1.0) == 1
                proxy.flow()
                assert await deliver(tmp_path, url, **trusting, timeout_s=30.0) == 1
    assert len(port.bodies) >= 6
    assert set(port.bodies) == {port.bodies[0]}
