"""The description made programs in one sandbox: which component each row is, and how they find each other.

Owns the wiring alone; when what is started is `supervisor`'s. Everything listens on the loopback address. Hub, node
daemons and membership run as users without rights where they may read the checkout (`deploy.slurmlens.user`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from deploy import slurmlens
from deploy.assessing import Assessing
from deploy.carbon import Carbon
from deploy.component import Component, Service
from deploy.components.consul import Consul
from deploy.components.lumber import Lumber
from deploy.components.neo4j import Neo4j
from deploy.components.opensearch import OpenSearch
from deploy.components.postgresql import PostgreSql
from deploy.dynamic_nodes import lay_out_for_jobs, slurm_conf_lines
from deploy.errors import DeployError
from deploy.sandbox import Sandbox
from deploy.slurm import SmallSlurm
from deploy.slurmlens import Hub, HubStores, LogForwarder, NodeSettings, program
from deploy.whole import secrets
from deploy.whole.compute import ComputeNode, ComputeSettings
from deploy.whole.description import ServiceDescription

CLUSTER = "demo"
INTERVAL_S = 1
SLOW_EVERY = 5
LEAVE_AFTER_S = 3


@dataclass
class Processes:
    """The components of one stack, by the name of their service; compute nodes by their number."""

    sandbox: Sandbox
    rows: Sequence[ServiceDescription]
    ports: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = {row.name for row in self.rows}
        for row in self.rows:
            if not row.as_process:
                raise DeployError(
                    f"{row.name} is to be had as an image only: `slurmlens stack compose --with {row.name}`"
                )
        box = self.sandbox
        self.secrets = secrets.make(box.folder / "secrets")
        self._slurmd_port = box.ports.take()
        prolog, epilog = slurmlens.hooks(box)
        self.slurm = SmallSlurm(
            box,
            nodes=0,
            cluster=CLUSTER,
            prolog=prolog,
            epilog=epilog,
            extra_conf=slurm_conf_lines(self._slurmd_port, box.folder),
            plugstack=slurmlens.spank_plugin(box),
        )
        self.consul = Consul(box)
        self.carbon = Carbon(box, fast_interval_s=INTERVAL_S, slow_interval_s=INTERVAL_S * SLOW_EVERY)
        self.postgresql = PostgreSql(box, password=self.secrets.postgresql) if "postgresql" in names else None
        self.opensearch = OpenSearch(box) if "opensearch" in names else None
        self.neo4j = Neo4j(box, password=self.secrets.neo4j) if "neo4j" in names else None
        self.logstash = Lumber(box, "logstash") if "logstash" in names else None
        self.assessing = Assessing(box) if "galaxy" in names else None
        self.hub = self._hub()
        self.membership = self._membership()
        self._controller_lines = self._forwarder()
        self.compute: dict[int, ComputeNode] = {}

    def start(self, name: str) -> Component:
        """Starts one service that is no compute node, with what has to be made before; it may not be ready yet."""
        self._before.get(name, lambda: None)()
        component = self.component(name)
        component.start()
        if name == "slurmctld":
            self._controller_lines.start()
        return component

    def component(self, name: str) -> Component:
        """The component of a service that is no compute node."""
        found: dict[str, Component | None] = {
            "munge": self.slurm.munge,
            "consul": self.consul,
            "mariadb": self.slurm.database,
            "slurmdbd": self.slurm.slurmdbd,
            "slurmctld": self.slurm.controller,
            "postgresql": self.postgresql,
            "opensearch": self.opensearch,
            "neo4j": self.neo4j,
            "logstash": self.logstash,
            "carbon": self.carbon,
            "hub": self.hub,
            "membership": self.membership,
            "galaxy": self.assessing.galaxy if self.assessing else None,
        }
        component = found[name]
        assert component is not None, f"{name} is not part of this stack"
        return component

    def after(self, name: str) -> None:
        """What is to be done once, when the service is ready for the first time."""
        if name == "slurmdbd":
            self.slurm.add_accounts()
        if name == "postgresql" and self.postgresql is not None:
            self.postgresql.make_database("slurmlens")
        if name == "galaxy" and self.assessing is not None:
            self.assessing.give_key()

    def compute_node(self, number: int) -> ComputeNode:
        """The node of that number, made when it is first asked for."""
        if number not in self.compute:
            name = f"{self.sandbox.identity}-compute{number}"
            tables = f'\n[logs.syslog]\nsocket = "{slurmlens.APP_SOCKETS}/{name}/log"\n'
            tables += f'\n[sinks.beats]\nhost = "127.0.0.1"\nport = {self.logstash.port}\n' if self.logstash else ""
            settings = NodeSettings(
                CLUSTER, self.hub.url, self.carbon.port, interval_s=INTERVAL_S, slow_every=SLOW_EVERY, tables=tables
            )
            common = ComputeSettings(self._slurmd_port, self.slurm.settings.shape, self.hub.url, settings)
            self.compute[number] = ComputeNode(self.sandbox, number, common, self.consul)
        return self.compute[number]

    def stop(self) -> None:
        """Ends everything in the reverse order."""
        for node in self.compute.values():
            node.stop()
        self._controller_lines.stop()
        for row in reversed(self.rows):
            if not row.grows:
                self.component(row.name).stop()

    @property
    def _before(self) -> dict[str, Callable[[], None]]:
        return {"munge": self._lay_out_slurm, "hub": self._give_neo4j_password, "galaxy": self._tell_galaxy}

    def _lay_out_slurm(self) -> None:
        self.slurm.lay_out()
        lay_out_for_jobs(self.sandbox)

    def _tell_galaxy(self) -> None:
        """Its tools ask the hub."""
        assert self.assessing is not None
        self.assessing.galaxy.hub = self.hub.url

    def _give_neo4j_password(self) -> None:
        owner = slurmlens.user(self.sandbox)
        folder = self.sandbox.make_folder("hub", owner=owner)
        secrets.write(folder / "neo4j-password", self.secrets.neo4j)
        self.sandbox.run(["chown", owner, str(folder / "neo4j-password")])

    def _hub(self) -> Hub:
        tables = slurmlens.RULES + "\n[auth]\ncheck_origin = false  # every node is this machine\n"
        tables += f'\n[consul]\nurl = "{self.consul.url}"\nservice = "slurmlens-hub"\n'
        if self.opensearch is not None:
            tables += f'\n[logs.opensearch]\nurl = "{self.opensearch.url}"\n'
        if self.neo4j is not None:
            password = self.sandbox.folder / "hub/neo4j-password"
            tables += f'\n[graph]\nurl = "{self.neo4j.url}"\nuser = "neo4j"\npassword_file = "{password}"\n'
        if self.assessing is not None:
            tables += self.assessing.hub_table
        stores = HubStores(
            database_url=self.postgresql.url("slurmlens") if self.postgresql else "",
            log_store="opensearch" if self.opensearch else "sqlite",
        )
        first = f"{self.sandbox.identity}-compute0"
        return Hub(self.sandbox, CLUSTER, self.carbon.port, (first,), tables, stores, port=self.ports.get("hub"))

    def _membership(self) -> Service:
        argv = [str(program("slurmlens")), "membership", "--consul", self.consul.url, "--interval", "1"]
        argv += ["--leave-after", str(LEAVE_AFTER_S), "--memory", f"{self.sandbox.folder}/slurm/members.json"]
        user = "slurm" if self.sandbox.can_read("slurm", program("slurmlens")) else "root"
        return Service(self.sandbox, "membership", argv, lambda: True, user=user)

    def _forwarder(self) -> LogForwarder:
        first = f"{self.sandbox.identity}-compute0"
        log = self.sandbox.folder / "slurm/log/slurmctld.log"
        return LogForwarder(self.sandbox, log, "controller", first, self.hub.url)
