"""A Kafka broker in KRaft mode: broker and controller in one JVM, started from Maven's jars.

`Kafka.bootstrap` is its address. Topics are made by whoever wants one: with automatic creation off, a wrong name shows.
It survives SIGKILL of its process (the page cache keeps what it wrote), not of the machine: Kafka does not fsync.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from deploy.components.fetch import MODULES, maven_libraries
from deploy.components.server import Server
from deploy.sandbox import Sandbox

POM = MODULES / "kafka/pom.xml"
CLUSTER_ID = "c2x1cm1sZW5zLWthZmthMQ"
JAVA = ("java", "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=WARN")
ANSWER_MAX_S = 2.0
METADATA, METADATA_VERSION = 3, 4


class Kafka(Server):
    """The broker, on the loopback address."""

    def __init__(self, sandbox: Sandbox, name: str = "kafka") -> None:
        self.port = sandbox.ports.take()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self._controller_port = sandbox.ports.take()
        super().__init__(sandbox, name, lambda: knows_itself(self.port), grace_s=20)

    def command(self) -> list[str]:
        java, properties = [*JAVA, "-cp", f"{libraries()}/*"], self.folder / "server.properties"
        properties.write_text(server_properties(self.port, self._controller_port, self.folder / "data"))
        if not (self.folder / "data").exists():
            format_ = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties)]
            self._sandbox.run([*java, *format_], cwd=self.folder)
        return [*java, "kafka.Kafka", str(properties)]


def server_properties(port: int, controller_port: int, data: Path) -> str:
    """The broker's configuration: one node is enough for every internal topic, and nothing waits for more members."""
    return f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=2
log.cleaner.dedupe.buffer.size=8388608
# After SIGKILL the controller refuses the broker until its old session is over.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
"""


def knows_itself(port: int) -> bool:
    """Whether the broker answers a metadata request with a broker in it: its port is open long before."""
    body = struct.pack(">hhih", METADATA, METADATA_VERSION, 1, -1) + struct.pack(">ib", 0, False)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_MAX_S) as connection:
            connection.sendall(struct.pack(">i", len(body)) + body)
            answer = connection.recv(16, socket.MSG_WAITALL)
    except OSError:
        return False
    # length, correlation id, throttle time, number of brokers
    return len(answer) == 16 and bool(struct.unpack(">iiii", answer)[3])


def libraries() -> Path:
    """The folder with the broker's jars, from the cache."""
    return maven_libraries("kafka", POM)
