"""Node, relay and hub as processes: what a hook wrote arrives, whoever is killed or away in between."""

from __future__ import annotations

import asyncio
import signal
import sys
import zlib
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from slurmlens.cli.main import main as slurmlens
from slurmlens.config.sinks import HubSinkConfig
from slurmlens.delivery.sinks.hub import HubSink
from slurmlens.delivery.sinks.proof import proof_of
from slurmlens.errors import DeliveryError
from slurmlens.events import JobEnd, JobStart, LinesDropped
from slurmlens.relay.main import EXIT_RUNNING
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from slurmlens.wire.packed_body import PACKED_TYPE, split_body
from slurmlens.wire.received import ReceivedProfile, received_lines
from testkit.manual_clock import ManualClock
from testkit.moving_tree import MovingTree
from testkit.node_process import NodeProcess, accept, node_process
from testkit.private_munged import Munged, missing, private_munged
from testkit.relay_process import RelayProcess, relay_process
from testkit.scripted_server import ScriptedHttp, answer, serving
from testkit.told_events import Told
from testkit.waiting import until

TOKEN = "a-token-of-some-length"


def secret(path: Path, text: str) -> Path:
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def settings(folder: Path, hub_port: int, carbon_port: int) -> str:
    """Of a relay that takes any node with the token, and delivers to these."""
    return f"""
[auth]
munge = false
token_file = "{secret(folder / "tokens", f"* {TOKEN}")}"
[sinks.hub]
url = "http://127.0.0.1:{hub_port}"
auth = "token"
token_file = "{secret(folder / "relay-token", "of-the-relay-itself")}"
backoff_min_s = 0.05
backoff_max_s = 0.2
[sinks.carbon]
port = {carbon_port}
backoff_min_s = 0.05
backoff_max_s = 0.2
"""


def sink_of(config: HubSinkConfig, node: str = "n1") -> HubSink:
    """What a node would send with."""
    reporter = Reporter(Counters(), ManualClock())
    return HubSink(config, FixedEndpoint(*config.address), node, proof_of(config, node), reporter, lambda _: None)


def job_ids(hub: ScriptedHttp) -> list[int]:
    """Of the starts that a hub got, in order, without what it got twice."""
    told = [ecs.decode(line) for request in hub.requests for line in request.lines]
    return list(dict.fromkeys(event.job.job_id for event in told if isinstance(event, JobStart)))


@pytest.fixture
async def node(tmp_path: Path, unpacked_recordings: Path) -> AsyncIterator[NodeProcess]:
    tree = MovingTree("v1-22.05", tmp_path, unpacked_recordings)
    async with node_process(tree, tmp_path) as process:
        secret(tmp_path / "token", TOKEN)
        yield process


def has(node: NodeProcess, kind: type, ids: set[str]) -> Callable[[], bool]:
    return lambda: ids <= {event.id for event in node.events(kind)}


async def test_hook_events_come_through_a_relay_that_is_killed_while_the_hub_is_away(
    node: NodeProcess, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        carbon_port = await stack.enter_async_context(serving(node.carbon))
        hub = await stack.enter_async_context(AsyncExitStack())
        hub_port = await hub.enter_async_context(serving(node.hub))
        relay = await stack.enter_async_context(
            relay_process(tmp_path / "relay", settings(tmp_path, hub_port, carbon_port))
        )
        node.configure(relay.events_port, relay.metrics_port)
        await node.start()
        first = node.hook("prolog", 1)
        await until(has(node, JobStart, {first}), "the first event at the hub")
        await until(lambda: bool(node.series()), "metrics at carbon")
        assert node.hub.requests[-1].headers["x-slurmlens-node"] == "r1"
        await hub.aclose()
        kept = {node.hook("prolog", job_id) for job_id in range(2, 12)}
        await until(lambda: not node.waiting_hooks(), "the dropbox is empty: somebody keeps what was in it")
        await relay.stop(signal.SIGKILL)
        late = node.hook("epilog", 1)
        await stack.enter_async_context(serving(node.hub, hub_port))
        await relay.start()
        await until(has(node, JobStart, kept), "all starts at the hub")
        await until(has(node, JobEnd, {late}), "the end at the hub")
        assert await relay.stop() == 0


async def test_what_was_answered_outlives_a_kill_and_arrives_in_order(tmp_path: Path) -> None:
    hub = ScriptedHttp([accept])
    told = [Told(job_id=job_id, node="n1").start(job_id) for job_id in range(1, 40)]
    async with relay_process(tmp_path / "relay", settings(tmp_path, 1, 1)) as relay:
        url = f"http://127.0.0.1:{relay.events_port}"
        sink = sink_of(HubSinkConfig(url=url, auth="token", token_file=secret(tmp_path / "token", TOKEN)))
        for event in told:
            assert await sink.deliver(ecs.encode(event) + b"\n", 1) == 1
        await relay.stop(signal.SIGKILL)
        await sink.aclose()
        async with serving(hub) as port:
            relay.settings = settings(tmp_path, port, 1)
            await relay.start()
            await until(lambda: job_ids(hub) == list(range(1, 40)), "every event that was answered, in order")


async def test_what_a_killed_relay_dropped_and_could_not_store_is_told_by_the_next(tmp_path: Path) -> None:
    hub, left = ScriptedHttp([accept]), tmp_path / "relay" / "run" / "untold.json"
    left.parent.mkdir(parents=True)
    left.write_text('[{"stream":"metrics","reason":"memory_limit","since_ns":1795420800000000000,"lines":7}]')
    async with serving(hub) as port, relay_process(tmp_path / "relay", settings(tmp_path, port, 1)):
        await until(lambda: bool(hub.requests), "the notice")
        told = ecs.decode(hub.requests[0].lines[0])
        assert isinstance(told, LinesDropped)
        assert [(one.stream, one.lines) for one in told.dropped] == [("metrics", 7)]
        await until(lambda: not left.exists(), "the spool's own file has it now")


async def test_a_second_relay_in_the_same_folder_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async with relay_process(tmp_path / "relay", settings(tmp_path, 1, 1)) as relay:
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "slurmlens.relay.main", "--config", f"{relay.folder}/relay.toml", stderr=PIPE
        )
        _, said = await second.communicate()
        assert (second.returncode, b"another one uses" in said) == (EXIT_RUNNING, True)
        assert (await relay.status()).takes_events


async def test_the_relays_status_is_told_and_what_is_wrong_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with relay_process(tmp_path / "relay", settings(tmp_path, 1, 1)) as relay:
        config = f"{relay.folder}/relay.toml"
        assert await asyncio.to_thread(slurmlens, ["status", "--relay", "--config", config]) == 0
        assert f"takes events on port {relay.events_port}" in capsys.readouterr().out
        assert await asyncio.to_thread(slurmlens, ["status", "--relay", "--config", config, "--quiet"]) == 0
        assert capsys.readouterr().out == ""
        assert await asyncio.to_thread(slurmlens, ["status", "--relay", "--config", config, "--prometheus"]) == 0
        assert "slurmlens_spool_well 1\n" in capsys.readouterr().out
        url = f"http://127.0.0.1:{relay.events_port}"
        sink = sink_of(HubSinkConfig(url=url, auth="token", token_file=secret(tmp_path / "token", TOKEN)))
        await sink.deliver(ecs.encode(Told(node="n1").start(1)) + b"\n", 1)
        await sink.aclose()
        await misses_its_hub(relay)
        assert await asyncio.to_thread(slurmlens, ["status", "--relay", "--config", config]) == 1
        assert "! hub takes nothing" in capsys.readouterr().out
    assert await asyncio.to_thread(slurmlens, ["status", "--relay", "--config", config]) == 3
    assert "Does slurmlens-relay run" in capsys.readouterr().err


async def misses_its_hub(relay: RelayProcess) -> None:
    """Returns when the relay's first try has failed."""

    async def has_missed() -> bool:
        return any(one.failures_in_a_row for one in (await relay.status()).sinks)

    await until(has_missed, "the relay's first try fails")


@pytest.fixture
def munged() -> Iterator[Munged]:
    if reason := missing():
        pytest.skip(reason)
    with private_munged() as running:
        yield running


async def test_a_node_that_is_another_than_it_says_is_refused_by_a_relay(tmp_path: Path, munged: Munged) -> None:
    of_relay = f"""
[auth]
munge_socket = "{munged.socket}"
[sinks.file]
path = "{tmp_path}/events.ndjson"
"""
    async with relay_process(tmp_path / "relay", of_relay, 'nodes = "n1,localhost"') as relay:
        config = HubSinkConfig(url=f"http://127.0.0.1:{relay.events_port}", munge_socket=munged.socket)
        for node, reason in (("n1", "origin"), ("n9", "unknown_node")):
            sink = sink_of(config, node)
            with pytest.raises(DeliveryError, match=f"403 {reason}"):
                await sink.deliver(ecs.encode(Told(node=node).beat(1)) + b"\n", 1)
            await sink.aclose()
        own = sink_of(config, "localhost")
        assert await own.deliver(ecs.encode(Told(node="n1").beat(1)) + b"\n", 1) == 0
        assert await own.deliver(ecs.encode(Told(node="localhost").beat(1)) + b"\n", 1) == 1
        await own.aclose()
        assert await relay.stop() == 0
    lines = (tmp_path / "events.ndjson").read_bytes().splitlines()
    assert [ecs.decode(line).node for line in lines] == ["localhost"]


async def test_profiles_come_through_a_relay_packed_where_its_hub_reads_them_so(tmp_path: Path) -> None:
    hub = ScriptedHttp([answer(200, b'{"accepted":1,"known":0,"refused":[],"schemas":[1,2]}')])
    async with serving(hub) as port, relay_process(tmp_path / "relay", settings(tmp_path, port, 1)) as relay:
        url = f"http://127.0.0.1:{relay.events_port}"
        sink = sink_of(HubSinkConfig(url=url, auth="token", token_file=secret(tmp_path / "token", TOKEN)))
        for second in range(0, 60, 20):
            told = len(hub.requests)
            assert await sink.deliver(ecs.encode(Told().points(second, 1.0, 2.0)) + b"\n", 1) == 1
            await until(lambda told=told: len(hub.requests) > told, "the profile at the hub")  # type: ignore[misc]
        await sink.aclose()
    first, *later = hub.requests
    assert first.headers["content-type"] == "application/x-ndjson"
    assert {request.headers["content-type"] for request in later} == {PACKED_TYPE}
    half = split_body(later[-1].body)
    (event,) = (event for _, event in received_lines(zlib.decompress(half.lines, 31), half.profiles))
    assert isinstance(event, ReceivedProfile)
    assert event.node == "n1"
