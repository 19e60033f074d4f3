"""The node daemon with Consul: receivers followed without loss, settings changed under it, all of it remembered."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from deploy.components.consul import Consul

from slurmlens.clock import SystemClock
from slurmlens.config.consul import FindConfig, NodeConsulConfig
from slurmlens.config.node import NodeConfig
from slurmlens.config.sinks import CarbonSinkConfig
from slurmlens.delivery.consul import Consul as FoundByConsul
from slurmlens.delivery.consul import consul_of_node
from slurmlens.delivery.sinks.carbon import CarbonSink
from slurmlens.discovery.health import Health
from slurmlens.errors import DeliveryError
from slurmlens.node.status import NodeStatus
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.components import private
from testkit.consul_agent import Agent, Api
from testkit.moving_tree import MovingTree
from testkit.node_process import NodeProcess, node_process
from testkit.running_stages import running_stages
from testkit.scripted_server import LineServer, reset, serving
from testkit.waiting import until

LINES_A_BATCH = 50


def node_consul(port: int, folder: Path, reporter: Reporter, service: str) -> FoundByConsul[NodeConfig]:
    consul = NodeConsulConfig(
        url=f"http://127.0.0.1:{port}", find=FindConfig(carbon=service), backoff_min_s=0.05, backoff_max_s=0.2
    )
    config = NodeConfig(cluster="demo", node="n0", runtime_path=folder, consul=consul)
    made = consul_of_node(config, lambda: Health("passing", ""), lambda _: None, reporter, SystemClock())
    assert made is not None
    return made


async def deliver(sink: CarbonSink, batch: list[bytes]) -> None:
    """As `delivery` does it: again until it was taken."""
    while True:
        try:
            await sink.deliver(b"".join(batch), len(batch))
            return
        except DeliveryError:
            await asyncio.sleep(0.01)


async def test_a_carbon_that_moves_while_lines_flow_loses_none(consul: Consul, tmp_path: Path) -> None:
    """Three times from one server to the other; the one that is left reads no more and then breaks its connections, so
    that what its kernel had taken is gone.
    """
    reporter, api, servers = Reporter(Counters(), SystemClock()), Api(consul), (LineServer(), LineServer())
    node = node_consul(consul.port, tmp_path, reporter, "moving-carbon")
    endpoint = node.endpoint("carbon", "127.0.0.1", 9)
    sink = CarbonSink(CarbonSinkConfig(timeout_s=2.0), endpoint, reporter, SystemClock())
    numbers = itertools.count()
    sent: list[bytes] = []
    async with serving(servers[0]) as first, serving(servers[1]) as second, running_stages(node.watches):
        for port, left in ((first, None), (second, servers[0]), (first, servers[1]), (second, servers[0])):
            if left is not None:
                left.reading.clear()
                await _some(sink, numbers, sent)
            moving = asyncio.create_task(api.announce("moving-carbon", port))
            while endpoint.addresses()[0][1] != port:
                if left is not None:
                    await _some(sink, numbers, sent)
                await asyncio.sleep(0)
            await moving
            if left is not None:
                for connection in left.connections:
                    if not connection.is_closing():
                        reset(connection)
                left.reading.set()
            for _ in range(20):
                await _some(sink, numbers, sent)
        await servers[1].until(sent[-1])
        await sink.aclose()
    await api.withdraw("moving-carbon")
    arrived = set(bytes(servers[0].received).splitlines(keepends=True))
    arrived |= set(bytes(servers[1].received).splitlines(keepends=True))
    assert [line for line in sent if line not in arrived] == []
    assert len(sent) > 4000


async def test_of_two_carbons_one_dies_unseen_by_consul_and_the_other_then_moves_and_no_line_is_lost(
    consul: Consul, tmp_path: Path
) -> None:
    """Neither has a check, so Consul goes on naming the dead one, and this node prefers it."""
    reporter, api = Reporter(Counters(), SystemClock()), Api(consul)
    node = node_consul(consul.port, tmp_path, reporter, "two-carbons")
    endpoint = node.endpoint("carbon", "127.0.0.1", 9)
    sink = CarbonSink(CarbonSinkConfig(timeout_s=2.0), endpoint, reporter, SystemClock())
    numbers = itertools.count()
    sent: list[bytes] = []
    async with AsyncExitStack() as stack, running_stages(node.watches):
        servers = {}
        for number in (1, 2):
            server, life = LineServer(), await stack.enter_async_context(AsyncExitStack())
            port = await life.enter_async_context(serving(server))
            servers[port] = number, server, life
            await api.announce("two-carbons", port, number=number)
        await until(lambda: len(endpoint.addresses()) == 2, "both carbons")
        preferred, other = (port for _, port in endpoint.addresses())
        for _ in range(20):
            await _some(sink, numbers, sent)
        assert sink.sender.connection.address == ("127.0.0.1", preferred)
        await servers[preferred][2].aclose()
        for _ in range(20):
            await _some(sink, numbers, sent)
        assert len(endpoint.addresses()) == 2, "Consul knows of nothing"
        assert sink.sender.connection.address == ("127.0.0.1", other)
        elsewhere = LineServer()
        moved = await stack.enter_async_context(serving(elsewhere))
        await api.announce("two-carbons", moved, number=servers[other][0])
        await until(lambda: ("127.0.0.1", moved) in endpoint.addresses(), "the move")
        for _ in range(20):
            await _some(sink, numbers, sent)
        assert sink.sender.connection.address == ("127.0.0.1", moved)
        await elsewhere.until(sent[-1])
        await sink.aclose()
    for number in (1, 2):
        await api.withdraw("two-carbons", number)
    received = [server.received for _, server, _ in servers.values()] + [elsewhere.received]
    arrived = {line for text in received for line in bytes(text).splitlines(keepends=True)}
    assert [line for line in sent if line not in arrived] == []
    assert len(sent) == 60 * LINES_A_BATCH


async def _some(sink: CarbonSink, numbers: Iterator[int], sent: list[bytes]) -> None:
    batch = [b"slurm.demo.x %d 1795420800\n" % next(numbers) for _ in range(LINES_A_BATCH)]
    await deliver(sink, batch)
    sent += batch


async def test_what_was_found_is_remembered_over_a_restart_without_consul(consul: Consul, tmp_path: Path) -> None:
    reporter, api = Reporter(Counters(), SystemClock()), Api(consul)
    await api.announce("remembered", 2001)
    node = node_consul(consul.port, tmp_path, reporter, "remembered")
    endpoint = node.endpoint("carbon", "127.0.0.1", 9)
    async with running_stages(node.watches):
        await until(lambda: endpoint.addresses() == (("127.0.0.1", 2001),), "the service")
    after = node_consul(1, tmp_path, reporter, "remembered")
    assert after.endpoint("carbon", "127.0.0.1", 9).addresses() == (("127.0.0.1", 2001),)
    assert [found.is_fresh for found in after.status().found] == [False]
    other = node_consul(1, tmp_path, reporter, "another-service")
    assert other.endpoint("carbon", "127.0.0.1", 9).addresses() == (("127.0.0.1", 9),)


@pytest.mark.parametrize("content", [b"", b"{", b'{"services": {"/carbon": [["a", "b"]]}}', b"\xff\xfe"])
def test_a_memory_that_cannot_be_read_is_told_and_the_settings_hold(tmp_path: Path, content: bytes) -> None:
    counters = Counters()
    (tmp_path / "consul.json").write_bytes(content)
    node = node_consul(1, tmp_path, Reporter(counters, SystemClock()), "carbon")
    assert node.endpoint("carbon", "127.0.0.1", 9).addresses() == (("127.0.0.1", 9),)
    assert counters.snapshot()["consul_memory_unreadable_total"] == 1


def test_a_receiver_that_is_not_looked_for_stays_where_the_settings_say(tmp_path: Path) -> None:
    node = node_consul(1, tmp_path, Reporter(Counters(), SystemClock()), "carbon")
    assert node.endpoint("hub", "hub.example", 6830).addresses() == (("hub.example", 6830),)


@asynccontextmanager
async def daemon(tree: MovingTree, folder: Path, port: int) -> AsyncIterator[NodeProcess]:
    """A real node daemon that looks for its carbon and takes settings; not yet started."""
    async with node_process(tree, folder, interval_s=1.0) as node:
        node.config.write_text(
            node.config.read_text()
            + f"""
[consul]
url = "http://127.0.0.1:{port}"
ttl_s = 3
backoff_min_s = 0.05
backoff_max_s = 0.2
[consul.find]
carbon = "carbon"
"""
        )
        yield node


async def told(node: NodeProcess, what: str, **wanted: Any) -> NodeStatus:
    """Wait until the daemon's status has these values at these paths (dots written as two underscores)."""

    async def holds() -> NodeStatus | None:
        with contextlib.suppress(OSError):
            status = await node.status()
            found = {path: _value(status, path) for path in wanted}
            return status if found == wanted else None
        return None

    status: NodeStatus = await until(holds, what)
    return status


def _value(status: Any, path: str) -> Any:
    for part in path.split("__"):
        status = getattr(status, part)
    return status


async def test_the_daemon_follows_its_carbon_takes_settings_and_remembers_both(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "d").mkdir()
    tree = MovingTree("v2-22.05", tmp_path, tmp_path / "cache")
    with private(Agent) as agent:
        api, other = Api(agent), LineServer()
        own, fleet = f"slurmlens/demo/nodes/{tree.node}", "slurmlens/demo/node"
        async with daemon(tree, tmp_path / "d", agent.port) as node, serving(other) as port:
            await api.put(f"kv/{fleet}/sampling/interval_s", "2")
            await node.start()
            await told(node, "the fleet's setting", sampler__interval_s=2.0, consul__registered=True)
            await api.put(f"kv/{own}/sampling/interval_s", "0.5")
            await told(node, "the node's own setting", sampler__interval_s=0.5)
            await api.put(f"kv/{own}/log/level", "warning")
            await api.put(f"kv/{own}/sampling/interval_s", "often")
            refused = f'{own}/sampling/interval_s: expected a number of seconds, found "often"'
            status = await told(node, "the refusal", sampler__interval_s=0.5, consul__refused=(refused,))
            assert status.counters['consul_settings_refused_total{reason="config"}'] == 1

            node.tree.start_job(7, steps=("batch",))
            assert other.received == b""
            await api.announce("carbon", port)
            await until(lambda: other.received.count(b"\n") > 5, "lines where carbon is now")

            agent.kill()
            assert await node.stop() == 0
            said = len(node.log())
            await node.start()
            status = await told(node, "what was remembered", sampler__interval_s=0.5)
            assert status.consul is not None
            assert [(found.addresses, found.is_fresh) for found in status.consul.found] == [
                ((f"127.0.0.1:{port}",), False)
            ]
            assert '"log.level":"warning"' in node.log()[said:]
            assert '"dropbox_opened"' not in node.log()[said:], "the level is remembered too"
            await agent.restart()
            await told(node, "Consul's own word again", consul__last_error=None, consul__registered=True)
            await api.delete(f"kv/{own}/sampling/interval_s")
            await told(node, "the fleet's again", sampler__interval_s=2.0, consul__refused=())
            assert await node.stop(signal.SIGTERM) == 0
            assert await api.checks("slurmlens-node") == []
