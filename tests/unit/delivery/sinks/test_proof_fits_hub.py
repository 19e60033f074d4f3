"""What the node's sink sends as proof is what the hub's own authentication accepts, with a real munged between them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmlens.config.auth import AuthConfig
from slurmlens.config.sinks import HubSinkConfig
from slurmlens.delivery.sinks.hub import HubSink
from slurmlens.delivery.sinks.proof import proof_of
from slurmlens.errors import RefusedError
from slurmlens.runtime.authentication import Authenticator
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.manual_clock import ManualClock
from testkit.private_munged import Munged, missing, private_munged
from testkit.scripted_server import Request, ScriptedHttp, answer, serving

TOKEN = "a-token-of-some-length"


class LoopbackCluster:
    """A scheduler that gives 127.0.0.1 for n0 and knows no other node."""

    known = True

    async def is_of_node(self, address: str, node: str) -> bool | None:
        return address == "127.0.0.1" if node == "n0" else None


async def request_of(settings: HubSinkConfig, node: str = "n0") -> Request:
    """One request as it really goes over the wire."""
    hub = ScriptedHttp([answer(200, b'{"accepted":1,"known":0}')])
    async with serving(hub) as port:
        config = HubSinkConfig(
            url=f"http://127.0.0.1:{port}",
            auth=settings.auth,
            munge_socket=settings.munge_socket,
            token_file=settings.token_file,
        )
        reporter = Reporter(Counters(), ManualClock())
        sink = HubSink(config, FixedEndpoint(*config.address), node, proof_of(config, node), reporter, lambda _: None)
        await sink.deliver(b'{"a":1}\n', 1)
        await sink.aclose()
    return hub.requests[0]


def authenticator(**settings: object) -> Authenticator:
    return Authenticator(AuthConfig(allowed_users=("root",), **settings), LoopbackCluster())  # type: ignore[arg-type]


async def refusal(hub: Authenticator, headers: dict[str, str], body: bytes) -> str:
    with pytest.raises(RefusedError) as caught:
        await hub.node_of(headers, body)
    return caught.value.reason


@pytest.fixture(scope="module")
def munged() -> Iterator[Munged]:
    with private_munged() as running:
        yield running


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
async def test_a_munge_credential_is_taken_once_for_its_node_and_body_alone(munged: Munged) -> None:
    hub, settings = authenticator(munge_socket=munged.socket), HubSinkConfig(munge_socket=munged.socket)
    sent, other = await request_of(settings), await request_of(settings, "n9")
    assert await hub.node_of(sent.headers, sent.body) == "n0"
    assert await refusal(hub, sent.headers, sent.body) == "replayed"
    assert await refusal(hub, other.headers, other.body) == "unknown_node"
    forged = await request_of(settings)
    assert await refusal(hub, {**forged.headers, "x-slurmlens-node": "n1"}, forged.body) == "payload"
    changed = await request_of(settings)
    assert await refusal(hub, changed.headers, changed.body + b" ") == "payload"


async def test_a_token_is_taken_for_its_node_alone(tmp_path: Path) -> None:
    def lay_out() -> tuple[Path, Path]:
        node_file, hub_file = tmp_path / "token", tmp_path / "tokens"
        for path, text in ((node_file, f"{TOKEN}\n"), (hub_file, f"n0 {TOKEN}\n")):
            path.write_text(text)
            path.chmod(0o640)
        return node_file, hub_file

    node_file, hub_file = await asyncio.to_thread(lay_out)
    hub, settings = authenticator(munge=False, token_file=hub_file), HubSinkConfig(auth="token", token_file=node_file)
    sent, other = await request_of(settings), await request_of(settings, "n1")
    assert await hub.node_of(sent.headers, sent.body) == "n0"
    assert await refusal(hub, other.headers, other.body) == "token_node"
