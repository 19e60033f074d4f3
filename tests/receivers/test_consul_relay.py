"""The relay with a real Consul: nodes find it by its service, it finds the hub by the hub's."""

from __future__ import annotations

from pathlib import Path

import pytest
from deploy.components.consul import Consul

from slurmlens.clock import SystemClock
from slurmlens.config.consul import FindConfig, NodeConsulConfig
from slurmlens.config.node import NodeConfig
from slurmlens.config.sinks import HubSinkConfig
from slurmlens.delivery.consul import consul_of_node
from slurmlens.delivery.sinks.hub import HubSink
from slurmlens.delivery.sinks.proof import proof_of
from slurmlens.discovery.health import PASSING, Health
from slurmlens.errors import DeliveryError
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from testkit.consul_agent import Api, token_file
from testkit.node_process import accept
from testkit.relay_process import relay_process
from testkit.running_stages import running_stages
from testkit.scripted_server import ScriptedHttp, serving
from testkit.told_events import Told
from testkit.waiting import until

TOKEN = "a-token-of-some-length"


def settings(folder: Path, agent_url: str) -> str:
    """Of a relay that takes any node with the token and looks for its hub; where the settings have one, nobody is."""
    tokens = folder / "tokens"
    tokens.write_text(f"* {TOKEN}\n")
    tokens.chmod(0o600)
    return f"""
[auth]
munge = false
token_file = "{tokens}"
[sinks.hub]
url = "http://127.0.0.1:9"
auth = "token"
token_file = "{token_file(folder, TOKEN)}"
backoff_min_s = 0.05
backoff_max_s = 0.2
[consul]
url = "{agent_url}"
ttl_s = 3
backoff_min_s = 0.05
[consul.find]
hub = "the-hub"
"""


async def test_a_node_finds_the_relay_and_the_relay_the_hub(consul: Consul, tmp_path: Path) -> None:
    api, hub, reporter = Api(consul), ScriptedHttp([accept]), Reporter(Counters(), SystemClock())
    find = NodeConsulConfig(url=consul.url, find=FindConfig(hub="slurmlens-relay"), backoff_min_s=0.05)
    config = NodeConfig(cluster="demo", node="n1", runtime_path=tmp_path / "node", consul=find)
    node = consul_of_node(config, lambda: Health(PASSING, ""), lambda _: None, reporter, SystemClock())
    assert node is not None
    sink_config = HubSinkConfig(url="http://127.0.0.1:9", auth="token", token_file=token_file(tmp_path, TOKEN))
    endpoint = node.endpoint("hub", *sink_config.address)
    sink = HubSink(sink_config, endpoint, "n1", proof_of(sink_config, "n1"), reporter, lambda _: None)
    line = ecs.encode(Told(job_id=7, node="n1").start(0)) + b"\n"
    async with (
        serving(hub) as port,
        relay_process(tmp_path / "relay", settings(tmp_path, consul.url)) as relay,
        running_stages(node.watches),
    ):
        await until(lambda: endpoint.addresses() == (("127.0.0.1", relay.events_port),), "the relay's service")
        assert await sink.deliver(line, 1) == 1
        assert hub.requests == []
        await api.announce("the-hub", port)
        await until(lambda: hub.requests, "what the relay held")
        assert hub.requests[0].lines == [line.rstrip(b"\n")]
        status = await relay.status()
        assert status.consul is not None
        assert (status.consul.registered, status.consul.found[0].is_fresh) == (True, True)
        assert await relay.stop() == 0
        assert await api.checks("slurmlens-relay") == []
        with pytest.raises(DeliveryError) as away:
            await sink.deliver(line, 1)
        assert away.value.retriable, "it stays where it was, and is tried again"
        await sink.aclose()
    await api.withdraw("the-hub")
