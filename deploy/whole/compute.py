"""A compute node as processes: a slurmd that registers by itself, the node daemon beside it, and its service in Consul.

What a container of the node image does at its start and its end. The service's check is a word of ours: slurmd writes
an error into its log for each connection that only looks whether it is there.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass

from deploy import json_client, slurmlens
from deploy.component import listens
from deploy.components.consul import Consul
from deploy.dynamic_nodes import DynamicSlurmd, features
from deploy.errors import ComponentFailed, DeployError
from deploy.hardware import NodeShape
from deploy.sandbox import Sandbox
from deploy.slurmlens import LogForwarder, NodeDaemon, NodeSettings

SERVICE = "slurmd"
CHECK_TTL_S = 30
BEAT_S = 10.0


@dataclass(frozen=True)
class ComputeSettings:
    """What all compute nodes of a stack have in common."""

    slurmd_port: int
    shape: NodeShape
    hub_url: str
    node: NodeSettings


class ComputeNode:
    """One node: started, it is in Consul; it is a node of Slurm as soon as membership has seen that."""

    def __init__(self, sandbox: Sandbox, number: int, settings: ComputeSettings, consul: Consul) -> None:
        self.number = number
        self.slurmd = DynamicSlurmd(sandbox, number, settings.shape)
        self.daemon = NodeDaemon(sandbox, self.slurmd.node, settings.node)
        log = sandbox.folder / f"slurm/log/slurmd.{self.slurmd.node}.log"
        self.forwarder = LogForwarder(sandbox, log, self.slurmd.node, self.slurmd.node, settings.hub_url)
        self._sandbox, self._settings, self._consul = sandbox, settings, consul
        self._beat_s = -BEAT_S

    @property
    def name(self) -> str:
        return self.slurmd.node

    @property
    def log(self) -> None:
        """Three programs, each with a log of its own."""

    def start(self) -> None:
        slurmlens.make_dropboxes(self._sandbox, [self.name])
        self.slurmd.start()
        self.daemon.start()
        self.forwarder.start()
        self.register()

    def register(self) -> None:
        """Tells Consul, again where it has forgotten."""
        shape, port = self._settings.shape, self._settings.slurmd_port
        meta = {"node": self.name, "cpus": str(shape.cpus), "memory_mib": str(shape.memory_mib)}
        body = {
            "ID": self.name,
            "Name": SERVICE,
            "Address": self.slurmd.address,
            "Port": port,
            "Meta": {**meta, "features": features(self.name)},
            "Check": {"TTL": f"{CHECK_TTL_S}s"},
        }
        json_client.tell(f"{self._consul.url}/v1/agent/service/register", json.dumps(body).encode())

    def beat(self) -> None:
        """Tells Consul that the node is well, from time to time; a Consul that has forgotten it is told anew."""
        if time.monotonic() - self._beat_s < BEAT_S:
            return
        self._beat_s = time.monotonic()
        try:
            json_client.tell(f"{self._consul.url}/v1/agent/check/pass/service:{self.name}", b"")
        except DeployError:
            with contextlib.suppress(DeployError):  # Consul is away: the next beat tries again
                self.register()

    def leave(self) -> None:
        """Takes the service away: membership drains the node, and takes it away when nothing runs there."""
        json_client.tell(f"{self._consul.url}/v1/agent/service/deregister/{self.name}", b"")

    def ready(self) -> bool:
        """Whether its programs run and Slurm gives it work; ComponentFailed where one has ended."""
        if not self.daemon.ready() or not self.slurmd.ready():
            return False
        return listens(self._settings.slurmd_port) and self.state() in ("idle", "mix", "alloc", "comp")

    def state(self) -> str:
        """As sinfo has it, "" where Slurm does not know the node."""
        argv = ["sinfo", "--noheader", "--Node", f"--nodes={self.name}", "--format=%t"]
        said = self._sandbox.run(argv, check=False).stdout.split()
        return said[0].rstrip("*~#!%$@^-") if said else ""

    def is_known(self) -> bool:
        """Whether Slurm has the node."""
        return self._sandbox.run(["scontrol", "show", "node", self.name], check=False).returncode == 0

    def stop(self) -> None:
        with contextlib.suppress(DeployError):  # Consul is gone before, or has never heard of it
            self.leave()
        for service in (self.forwarder, self.daemon, self.slurmd):
            service.stop()

    def restart_ended(self) -> list[str]:
        """Starts again those of its programs that have ended; their names."""
        again = []
        for service in (self.slurmd, self.daemon, self.forwarder):
            try:
                service.ready()
            except ComponentFailed:
                service.stop()
                service.start()
                again.append(service.name)
        return again
