"""A Neo4j Community server, started from Maven's jars by the server's own entry point (GPLv3: no part of the product).

`Neo4j.url` is its address for a driver, `Neo4j.query_url` that of its queries over HTTP. Without a password nobody
proves anything: the port is this machine's alone. What was committed survives SIGKILL. It takes ten to thirty seconds
to start, and 400 MB of memory.
"""

from __future__ import annotations

import base64
import json
import socket
import struct
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from deploy.components.fetch import MODULES, maven_libraries
from deploy.components.server import Server
from deploy.errors import DeployError
from deploy.sandbox import Sandbox

POM = MODULES / "neo4j/pom.xml"
JAVA = ("java", "-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
OPENED = ("java.nio", "java.io", "sun.nio.ch")
ANSWER_MAX_S = 2.0
LOOPBACK = "127.0.0.1"
USER, FIRST_PASSWORD = "neo4j", "neo4j"
BOLT_HELLO = struct.pack(">I4I", 0x6060B017, 0x0008_0805, 0x0004_0404, 0, 0)


class Neo4j(Server):
    """The server, on the loopback address; with a password nobody else gets in."""

    def __init__(self, sandbox: Sandbox, name: str = "neo4j", *, password: str = "") -> None:
        self.port, self._http_port = sandbox.ports.take(), sandbox.ports.take()
        self.url = f"bolt://127.0.0.1:{self.port}"
        self.query_url = f"http://127.0.0.1:{self._http_port}"
        self._password = password
        super().__init__(sandbox, name, self._answers, grace_s=20)

    def command(self) -> list[str]:
        home, configuration = self.folder / "home", self.folder / "conf"
        for folder in (home, configuration):
            folder.mkdir(exist_ok=True)
        (configuration / "neo4j.conf").write_text(settings(self.port, self._http_port, proves=bool(self._password)))
        opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
        entry = ["org.neo4j.server.CommunityEntryPoint", f"--home-dir={home}", f"--config-dir={configuration}"]
        return [*JAVA, *opened, "-cp", f"{libraries()}/*", *entry]

    def query(self, cypher: str) -> list[list[Any]]:
        """The rows of a query's answer."""
        return ask(self.query_url, self._password, cypher)

    def _answers(self) -> bool:
        if not speaks_bolt(self.port):
            return False
        return not self._password or self._takes_password()

    def _takes_password(self) -> bool:
        """Neo4j begins with a password that everybody knows, and does nothing before it is changed."""
        try:
            ask(self.query_url, self._password, "RETURN 1")
        except DeployError:
            change = f"ALTER CURRENT USER SET PASSWORD FROM '{FIRST_PASSWORD}' TO '{self._password}'"
            try:
                ask(self.query_url, FIRST_PASSWORD, change, database="system")
            except DeployError:
                return False
        return True


def ask(url: str, password: str, cypher: str, database: str = "neo4j") -> list[list[Any]]:
    """The rows of the answer, over HTTP; DeployError with the server's words where there is none."""
    body = json.dumps({"statements": [{"statement": cypher}]}).encode()
    proof = base64.b64encode(f"{USER}:{password}".encode()).decode()
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {proof}"}
    request = urllib.request.Request(f"{url}/db/{database}/tx/commit", data=body, headers=headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20.0) as answer:
            told = json.load(answer)
    except (OSError, ValueError, urllib.error.URLError) as error:
        raise DeployError(f"{url} does not answer: {error}") from error
    if told["errors"]:
        raise DeployError(f"Neo4j: {told['errors'][0]['message']}")
    return [row["row"] for row in told["results"][0]["data"]]


def settings(port: int, http_port: int, *, proves: bool, listens: str = LOOPBACK, name: str = LOOPBACK) -> str:
    """Bolt and HTTP, without preallocated logs (half a gigabyte), and a stop that waits for nobody.

    `listens` is the address that it binds. `name` is the one that it tells drivers, which must be one that they reach:
    it refuses to start with 0.0.0.0.
    """
    return f"""server.default_listen_address={listens}
server.default_advertised_address={name}
server.bolt.enabled=true
server.bolt.listen_address={listens}:{port}
server.bolt.advertised_address={name}:{port}
server.http.enabled=true
server.http.listen_address={listens}:{http_port}
server.https.enabled=false
dbms.security.auth_enabled={str(proves).lower()}
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
