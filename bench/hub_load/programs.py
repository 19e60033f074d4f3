"""The hub, the bare handler and the simulated nodes as processes, with the CPU time that each uses.

Owns their folders, ports and lives. The hub is started as an admin would: its own program and settings, a token file, a
scheduler that does not answer (its commands end with 1 at once), so that nothing but what nodes send costs anything.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.cpu_time import cpu_ns, resident_bytes
from bench.node_daemon import TOKEN
from bench.result import NotMeasurable

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
ANSWER_TIMEOUT_S = 300.0
CONFIG = """
cluster = "{cluster}"
runtime_path = "{folder}"
[listen]
host = "127.0.0.1"
port = {port}
[database]
url = "{database_url}"
shared = {shared}
[auth]
munge = false
token_file = "{folder}/tokens"
relays = {relays}
[slurm]
squeue = "false"
scontrol = "false"
sacct = "false"
accounting = false
[log]
level = "warning"
format = "json"
{further}
"""


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A process that listens on `port`; a context manager that returns once it takes connections."""

    def __init__(self, command: list[str], folder: Path, port: int) -> None:
        self._command = command
        self._log_path = folder / "server.log"
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        self.__exit__(None, None, None)
        words = self._log_path.read_text(errors="replace").strip().splitlines()
        raise NotMeasurable(f"the server did not listen: {words[-1] if words else 'it said nothing'}")

    def kill(self) -> None:
        """Ends it as a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def hub(
    folder: Path,
    database_url: str | None = None,
    relays: tuple[str, ...] = (),
    cluster: str = "bench",
    port: int | None = None,
    shared: bool = False,
    further: str = "",
) -> Server:
    """A hub with a database of its own in `folder`, or the one that the URL names; at a port that is free, or this.

    `shared`: it is one of several on that database. `further` are more tables of its settings.
    """
    port = port or free_port()
    tokens = folder / "tokens"
    tokens.touch(0o600)
    tokens.write_text(f"* {TOKEN}\n")
    url = database_url or f"sqlite:///{folder}/hub.sqlite3"
    given = {"cluster": cluster, "folder": folder, "port": port, "database_url": url, "relays": json.dumps(relays)}
    text = CONFIG.format(**given, shared=json.dumps(shared), further=further)
    (folder / "hub.toml").write_text(text)
    return Server([sys.executable, "-m", "slurmlens.hub.main", "--config", str(folder / "hub.toml")], folder, port)


def get_json(server: Server, address: str) -> Any:
    """The document at an address of a hub's; NotMeasurable where it answers otherwise."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", address)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise NotMeasurable(f"{address} was answered with {answer.status}: {body[:200]!r}")
    return json.loads(body)


def bare_handler(folder: Path) -> Server:
    """An aiohttp handler that only answers."""
    port = free_port()
    (folder / "tokens").write_text(f"* {TOKEN}\n")
    return Server([sys.executable, "-m", "bench.hub_load.bare_handler", str(port)], folder, port)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load cost the server, and what the nodes saw."""

    cpu_s: float
    wall_s: float
    resident_bytes: int
    nodes_saw: dict[str, Any]

    @property
    def core_share(self) -> float:
        return self.cpu_s / self.wall_s

    @property
    def turned_away(self) -> int:
        """Requests that were not answered with 200."""
        statuses = self.nodes_saw["statuses"]
        return sum(count for status, count in statuses.items() if status != "200")


def simulated_nodes(servers: Server | Sequence[Server], folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """Simulated nodes that go on beside whoever asked; they print what they saw when they end."""
    addresses = ",".join(f"127.0.0.1:{server.port}" for server in _all(servers))
    command = [sys.executable, "-m", "bench.hub_load.simulated_nodes", "--hub", addresses]
    told = ["--token-file", str(folder / "tokens"), *options]
    return subprocess.Popen([*command, *told], stdout=subprocess.PIPE, env=os.environ | {"PYTHONHASHSEED": "0"})


def load(servers: Server | Sequence[Server], folder: Path, *options: str) -> Loaded:
    """Runs simulated nodes against the server, or against several that share them; `options` are the simulation's own.

    CPU and memory are the sum of the servers'.
    """
    pids = [server.pid for server in _all(servers)]
    before_ns, began_s = sum(map(cpu_ns, pids)), time.monotonic()
    nodes = simulated_nodes(servers, folder, *options)
    seen, _ = nodes.communicate()
    if nodes.returncode:
        raise NotMeasurable(f"the simulated nodes ended with {nodes.returncode}")
    cpu_s, wall_s = (sum(map(cpu_ns, pids)) - before_ns) / 1e9, time.monotonic() - began_s
    return Loaded(cpu_s, wall_s, sum(map(resident_bytes, pids)), json.loads(seen))


def _all(servers: Server | Sequence[Server]) -> Sequence[Server]:
    return [servers] if isinstance(servers, Server) else servers
