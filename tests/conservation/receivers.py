"""The table of receivers of events: how each is started behind a fault proxy, how its store is read, what it promises.

A new sink is a class (or a component's adapter) and a row in `RECEIVERS`. A receiver keeps its port and its data when
it is killed and started again. Stores are read without the product: SQL, files.
"""

from __future__ import annotations

import asyncio
import enum
import gzip
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from deploy.component import Service, listens, start_and_wait
from deploy.components.kafka import Kafka
from deploy.components.lumber import Lumber
from deploy.sandbox import Sandbox

from conservation.programs import Program, SmallDisk
from conservation.verdict import Store
from testkit.checkout import ROOT
from testkit.kafka_log import make_topic, read_all
from testkit.waiting import until

TOKEN = "0123456789abcdef"


class Promise(enum.Enum):
    """ACKNOWLEDGED: nothing is ever lost. WINDOW: nothing, while a fault destroys less than what is kept to be sent
    again.
    """

    ACKNOWLEDGED = "acknowledged"
    WINDOW = "resend window"


class Victim(Protocol):
    """A receiver's process."""

    async def start(self) -> None: ...

    async def end(self) -> None:
        """SIGKILL."""

    async def freeze(self) -> None: ...

    def thaw(self) -> None: ...


class Place:
    """Where an ordeal takes place, as far as a receiver must know it."""

    def __init__(self, folder: Path, disk: SmallDisk, source: Path, cluster: str, node: str) -> None:
        self.folder = folder
        self.disk = disk
        self.source = source
        self.cluster = cluster
        self.node = node
        self._sandbox: Sandbox | None = None

    @property
    def sandbox(self) -> Sandbox:
        """Where components run, for whoever needs one. Raises MachineLacks."""
        if self._sandbox is None:
            self._sandbox = Sandbox()
            self._sandbox.start()
        return self._sandbox

    def close(self) -> None:
        """End whatever ran in the sandbox."""
        if self._sandbox is not None:
            self._sandbox.stop()
            self._sandbox = None

    def product(self, module: str, *arguments: str) -> list[str]:
        """The command of one of the product's programs, from the source tree that is judged."""
        return [sys.executable, "-m", module, *arguments]

    @property
    def product_env(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self.source / "daemon"), "PYTHONDONTWRITEBYTECODE": "1"}


class Receiver(Protocol):
    """One kind. `victim` and `port` are None where there is no process, or nothing to connect to; `proxy_port` is set
    before `start`, where there is a port.
    """

    name: str
    promise: Promise
    notices_changes: bool
    """Whether bytes that are changed on their way are noticed; otherwise it is spared them."""
    victim: Victim | None
    port: int | None
    proxy_port: int

    async def start(self) -> None:
        """Start it, or start it again; returns when it can be delivered to."""

    def settings(self) -> str:
        """The table of the node's configuration that switches the sink on."""

    async def ids(self) -> set[str]:
        """Ids of the events it has, quickly."""

    async def store(self) -> Store:
        """Everything it has, in the order of arrival."""

    async def stop(self) -> None: ...


def free_port() -> int:
    """A port that nobody uses now and that stays ours by being used at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


BACKOFF = "backoff_min_s = 0.02\nbackoff_max_s = 0.2\n"


class HubReceiver:
    """The real slurmlens-hub with SQLite, and no scheduler."""

    name = "hub"
    promise = Promise.ACKNOWLEDGED
    notices_changes = True
    proxy_port = 0
    scheme = "http"

    def __init__(self, place: Place) -> None:
        self._place = place
        self._database = place.folder / "hub.sqlite3"
        self.port: int | None = free_port()
        config = place.folder / "hub.toml"
        self.program = Program(
            "hub",
            place.product("slurmlens.hub.main", "--config", str(config)),
            place.folder / "hub.log",
            env=place.product_env,
        )
        self.victim: Victim | None = self.program
        (place.folder / "tokens").write_text(f"{place.node} {TOKEN}\n")
        (place.folder / "token").write_text(TOKEN + "\n")
        for name in ("tokens", "token"):
            (place.folder / name).chmod(0o600)
        config.write_text(f"""
cluster = "{place.cluster}"
runtime_path = "{place.folder}"
[listen]
port = {self.port}
[database]
url = "sqlite:///{self._database}"
[auth]
munge = false
token_file = "{place.folder}/tokens"
[slurm]
accounting = false
poll_interval_s = 3600
squeue = "/bin/false"
scontrol = "/bin/false"
sacct = "/bin/false"
[log]
level = "warning"
format = "json"
""")

    async def start(self) -> None:
        await self.program.start()
        await until(lambda: listens(self.port or 0) or not self.program.is_running, "the hub listens")
        assert self.program.is_running, self.program.tail()

    def settings(self) -> str:
        return f"""[sinks.hub]
url = "{self.scheme}://127.0.0.1:{self.proxy_port}"
auth = "token"
token_file = "{self._place.folder}/token"
timeout_s = 2
{BACKOFF}"""

    async def ids(self) -> set[str]:
        return {row[0] for row in self._rows("SELECT id FROM events")}

    async def store(self) -> Store:
        """The lines of the events that the hub holds, out of the bodies that it keeps as they were sent."""
        bodies: dict[int, list[bytes]] = {}
        for number, encoding, body in self._rows("SELECT id, encoding, body FROM batches"):
            bodies[number] = (gzip.decompress(body) if encoding == "gzip" else body).split(b"\n")
        places = self._rows("SELECT batch, line FROM events ORDER BY batch, line")
        return Store().take(bodies[batch][line - 1] for batch, line in places if batch in bodies)

    async def stop(self) -> None:
        await self.program.end()

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        if not self._database.exists():
            return []
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=20)) as connection:
            try:
                return connection.execute(query).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise


class FileReceiver:
    """The file sink's own files, on the small disk; there is nobody to connect to."""

    name = "file"
    promise = Promise.ACKNOWLEDGED
    notices_changes = True
    victim: Victim | None = None
    port: int | None = None
    proxy_port = 0

    def __init__(self, place: Place) -> None:
        self._disk = place.disk
        self._path = place.disk.path / "events.ndjson"

    async def start(self) -> None:
        """Nothing to start."""

    def settings(self) -> str:
        return f'[sinks.file]\npath = "{self._path}"\nrotate_bytes = 1000000\nkeep = 1000\n'

    async def ids(self) -> set[str]:
        return {one.id for one in (await self.store()).arrivals}

    async def store(self) -> Store:
        while True:
            try:
                content = [path.read_bytes() for path in self._files()]
            except FileNotFoundError:
                continue  # they were turned over meanwhile
            return Store().take(line for one in content for line in one.splitlines() if line)

    async def stop(self) -> None:
        """Nothing to stop."""

    def _files(self) -> Iterable[Path]:
        """The oldest first: `.1` is the youngest of those that were turned over."""
        found = list(self._disk.seen_from_here.glob("events.ndjson*"))
        return sorted(found, key=lambda path: -int(path.suffix[1:]) if path.suffix[1:].isdigit() else 0)


class JsonLinesReceiver:
    """A program of ours that takes JSON lines over TCP, as logstash does."""

    name = "logstash"
    promise = Promise.WINDOW
    notices_changes = False
    proxy_port = 0

    def __init__(self, place: Place, *tls: str) -> None:
        self._output = place.folder / "json-lines.ndjson"
        self.port: int | None = free_port()
        argv = place.product("conservation.json_lines_receiver", str(self.port), str(self._output), *tls)
        env = {"PYTHONPATH": str(ROOT / "tests")}
        self.program = Program("json-lines", argv, place.folder / "json-lines.log", env=env)
        self.victim: Victim | None = self.program

    async def start(self) -> None:
        await self.program.start()
        await until(lambda: listens(self.port or 0) or not self.program.is_running, "the JSON lines receiver listens")
        assert self.program.is_running, self.program.tail()

    def settings(self) -> str:
        return f"[sinks.logstash]\nport = {self.proxy_port}\ntimeout_s = 2\n{BACKOFF}"

    async def ids(self) -> set[str]:
        return {one.id for one in (await self.store()).arrivals}

    async def store(self) -> Store:
        data = self._output.read_bytes() if self._output.exists() else b""
        return Store().take(line for line in data.splitlines() if line)

    async def stop(self) -> None:
        await self.program.end()


class ComponentVictim:
    """A component of deploy/ as something to be hurt."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def start(self) -> None:
        await asyncio.to_thread(start_and_wait, self._service)

    async def end(self) -> None:
        await asyncio.to_thread(self._service.kill)

    async def freeze(self) -> None:
        await asyncio.to_thread(self._service.pause)

    def thaw(self) -> None:
        self._service.resume()


class LumberReceiver:
    """Elastic's go-lumber: stores a batch with fsync, then acknowledges it."""

    name = "beats"
    promise = Promise.ACKNOWLEDGED
    notices_changes = True
    proxy_port = 0

    def __init__(self, place: Place) -> None:
        self._lumber = Lumber(place.sandbox)
        self.port: int | None = self._lumber.port
        self.victim: Victim | None = ComponentVictim(self._lumber)

    async def start(self) -> None:
        await asyncio.to_thread(start_and_wait, self._lumber)

    def settings(self) -> str:
        return f"[sinks.beats]\nport = {self.proxy_port}\ntimeout_s = 2\n{BACKOFF}"

    async def ids(self) -> set[str]:
        return {one.id for one in (await self.store()).arrivals}

    async def store(self) -> Store:
        data = self._lumber.output.read_bytes() if self._lumber.output.exists() else b""
        return Store().take(line for line in data.splitlines(keepends=True) if line.endswith(b"\n"))

    async def stop(self) -> None:
        await asyncio.to_thread(self._lumber.kill)


class KafkaReceiver:
    """A real broker, read back by a consumer; it tells its clients the proxy's address as its own."""

    name = "kafka"
    promise = Promise.ACKNOWLEDGED
    notices_changes = True
    proxy_port = 0
    topic = "conservation"

    def __init__(self, place: Place) -> None:
        self._broker = BrokerBehindProxy(place.sandbox)
        self.port: int | None = self._broker.port
        self.victim: Victim | None = ComponentVictim(self._broker)
        self._is_new = True

    async def start(self) -> None:
        self._broker.proxy_port = self.proxy_port
        await asyncio.to_thread(start_and_wait, self._broker)
        if self._is_new:
            await make_topic(self._broker.bootstrap, self.topic)
            self._is_new = False

    def settings(self) -> str:
        return (
            f'[sinks.kafka]\nbootstrap = ["127.0.0.1:{self.proxy_port}"]\ntopic = "{self.topic}"\n'
            f"timeout_s = 3\n{BACKOFF}"
        )

    async def ids(self) -> set[str]:
        return {one.id for one in (await self.store()).arrivals}

    async def store(self) -> Store:
        records = await read_all(self._broker.bootstrap, self.topic)
        return Store().take(record.value for record in records)

    async def stop(self) -> None:
        await asyncio.to_thread(self._broker.kill)


class BrokerBehindProxy(Kafka):
    """Kafka's clients go where the broker says that it is."""

    proxy_port = 0

    def command(self) -> list[str]:
        argv = super().command()
        properties = self.folder / "server.properties"
        here, there = f"advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}", f"127.0.0.1:{self.proxy_port}"
        text = properties.read_text()
        assert here in text
        properties.write_text(text.replace(here, f"advertised.listeners=PLAINTEXT://{there}"))
        return argv


def _through_relay(place: Place) -> Receiver:
    from conservation.through_relay import ThroughRelay  # late: it is made of what is here

    return ThroughRelay(place)


def _hub_over_tls(place: Place) -> Receiver:
    from conservation.through_tls import HubOverTls  # late, as above

    return HubOverTls(place)


def _json_lines_over_tls(place: Place) -> Receiver:
    from conservation.through_tls import JsonLinesOverTls  # late, as above

    return JsonLinesOverTls(place)


def _several_hubs(place: Place) -> Receiver:
    from conservation.several_hubs import SeveralHubs  # late, as above

    return SeveralHubs(place)


RECEIVERS: dict[str, Callable[[Place], Receiver]] = {
    "hub": HubReceiver,
    "hub-tls": _hub_over_tls,
    "relay": _through_relay,
    "file": FileReceiver,
    "logstash": JsonLinesReceiver,
    "logstash-tls": _json_lines_over_tls,
    "beats": LumberReceiver,
    "kafka": KafkaReceiver,
    "hubs": _several_hubs,
}
"""Kind of receiver, by its name, and who makes one."""
