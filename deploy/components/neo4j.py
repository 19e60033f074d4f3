"""A Neo4j Community server, started from Maven's jars by the server's own entry point: for tests alone (GPLv3).

`Neo4j.url` is its address for a driver. Nobody proves anything: the port is this machine's alone. What was committed
survives SIGKILL. It takes ten to thirty seconds to start, and 400 MB of memory.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from deploy.components.fetch import MODULES, maven_libraries
from deploy.components.server import Server
from deploy.sandbox import Sandbox

POM = MODULES / "neo4j/pom.xml"
JAVA = ("java", "-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
OPENED = ("java.nio", "java.io", "sun.nio.ch")
ANSWER_MAX_S = 2.0
BOLT_HELLO = struct.pack(">I4I", 0x6060B017, 0x0008_0805, 0x0004_0404, 0, 0)


class Neo4j(Server):
    """The server, on the loopback address."""

    def __init__(self, sandbox: Sandbox, name: str = "neo4j") -> None:
        self.port = sandbox.ports.take()
        self.url = f"bolt://127.0.0.1:{self.port}"
        super().__init__(sandbox, name, lambda: speaks_bolt(self.port), grace_s=20)

    def command(self) -> list[str]:
        home, configuration = self.folder / "home", self.folder / "conf"
        for folder in (home, configuration):
            folder.mkdir(exist_ok=True)
        (configuration / "neo4j.conf").write_text(settings(self.port))
        opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
        entry = ["org.neo4j.server.CommunityEntryPoint", f"--home-dir={home}", f"--config-dir={configuration}"]
        return [*JAVA, *opened, "-cp", f"{libraries()}/*", *entry]


def settings(port: int) -> str:
    """Bolt alone, without preallocated logs (half a gigabyte), and a stop that waits for nobody."""
    return f"""server.default_listen_address=127.0.0.1
server.bolt.enabled=true
server.bolt.listen_address=127.0.0.1:{port}
server.bolt.advertised_address=127.0.0.1:{port}
server.http.enabled=false
server.https.enabled=false
dbms.security.auth_enabled=false
server.memory.pagecache.size=64m
dbms.usage_report.enabled=false
db.tx_log.preallocate=false
db.tx_log.rotation.size=16m
internal.server.bolt.thread_pool_shutdown_wait_time=0s
internal.server.bolt.connection_shutdown_wait_time=1s
"""


def speaks_bolt(port: int) -> bool:
    """Whether the server takes part in Bolt's handshake; whoever asks next must still wait for its database."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_MAX_S) as connection:
            connection.sendall(BOLT_HELLO)
            return connection.recv(4, socket.MSG_WAITALL) not in (b"", bytes(4))
    except OSError:
        return False


def libraries() -> Path:
    """The folder with the server's jars, from the cache."""
    return maven_libraries("neo4j", POM)
