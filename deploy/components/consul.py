"""A Consul agent 1.8.7 that is its own server, from Debian 11's package: the last one before Consul left Debian.

`Consul.url` answers its HTTP interface. What was written survives SIGKILL; on SIGTERM it ends with status 1.
"""

from __future__ import annotations

from pathlib import Path

from deploy import json_client
from deploy.components.fetch import debian_packages
from deploy.components.server import Server
from deploy.errors import DeployError
from deploy.sandbox import Sandbox


class Consul(Server):
    """The agent, on the loopback address."""

    def __init__(self, sandbox: Sandbox, name: str = "consul") -> None:
        self.port = sandbox.ports.take()
        self.url = f"http://127.0.0.1:{self.port}"
        # An agent listens on well-known ports for whatever it is not given: dns, server, serf_lan, serf_wan.
        self._other_ports = [sandbox.ports.take() for _ in range(4)]
        super().__init__(sandbox, name, self._takes_writes)

    def command(self) -> list[str]:
        conf = self.folder / "agent.hcl"
        conf.write_text(agent_hcl(self.name, self.folder / "data", self.port, self._other_ports))
        return [str(program()), "agent", f"-config-file={conf}"]

    def _takes_writes(self) -> bool:
        """It answers at once, elects itself leader after a second or two, and takes a write only then."""
        try:
            leader = json_client.get(f"{self.url}/v1/status/leader")
            return bool(leader) and json_client.put(f"{self.url}/v1/kv/_ready", b"") is True
        except DeployError:
            return False


def agent_hcl(node: str, data: Path, port: int, other_ports: list[int]) -> str:
    """The agent's configuration; raft_multiplier makes it elect itself as fast as Consul allows."""
    dns, server, serf_lan, serf_wan = other_ports
    ports = f"dns = {dns}, server = {server}, serf_lan = {serf_lan}, serf_wan = {serf_wan}, grpc = -1"
    return f"""data_dir = "{data}"
server = true
bootstrap_expect = 1
node_name = "{node}"
bind_addr = "127.0.0.1"
client_addr = "127.0.0.1"
disable_update_check = true
leave_on_terminate = false
log_level = "WARN"
ports = {{ http = {port}, {ports} }}
performance = {{ raft_multiplier = 1 }}
"""


def program() -> Path:
    """The unpacked program, from the cache."""
    return debian_packages("consul", "bullseye", ["consul"]) / "usr/bin/consul"
