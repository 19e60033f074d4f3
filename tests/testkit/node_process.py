"""The real `slurmlens-node` as a process on a made-up machine, with a hub and a carbon that listen in the test.

Owns the process, its settings and the folders it works in. Everything is waited for by what can be seen from outside:
what the receivers got, what lies in the dropbox, what the status socket says.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from slurmlens.events import AnyEvent
from slurmlens.node.status import NodeStatus
from slurmlens.wire import ecs
from testkit.moving_tree import MovingTree
from testkit.scripted_server import LineServer, Request, ScriptedHttp, answer, serving
from testkit.waiting import until

PATIENCE_S = 20.0
BOOT_ID = "11111111-2222-3333-4444-555555555555"


async def accept(writer: asyncio.StreamWriter, request: Request) -> None:
    """A hub that takes everything and wants profiles often."""
    body = {"accepted": len(request.lines), "known": 0, "refused": [], "profile_interval_s": 1}
    await answer(200, json.dumps(body).encode())(writer, request)


def run_to_its_end(config: Path) -> subprocess.CompletedProcess[str]:
    """The daemon, which must find its end by itself."""
    argv = [sys.executable, "-m", "slurmlens.node.start", "--config", str(config)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)


class NodeProcess:
    """One daemon on a `MovingTree`; may be killed and started again."""

    def __init__(
        self, tree: MovingTree, folder: Path, interval_s: float = 0.2, heartbeat_interval_s: float = 1.0
    ) -> None:
        self.tree = tree
        self.folder = folder
        self.dropbox = folder / "events"
        self.dropbox.mkdir()
        self.spool = folder / "spool"
        random = tree.root / "proc/sys/kernel/random"
        random.mkdir(parents=True, exist_ok=True)
        (random / "boot_id").write_text(BOOT_ID + "\n")
        (folder / "token").write_text("secret\n")
        (folder / "token").chmod(0o600)
        self.hub = ScriptedHttp([accept])
        self.carbon = LineServer()
        self._interval_s = interval_s
        self._heartbeat_interval_s = heartbeat_interval_s
        self._ports = (0, 0)
        self._process: asyncio.subprocess.Process | None = None
        self._hooks = 0

    @property
    def config(self) -> Path:
        return self.folder / "node.toml"

    def configure(self, hub_port: int, carbon_port: int) -> None:
        """Write the settings."""
        self._ports = (hub_port, carbon_port)
        self.reconfigure()

    def reconfigure(self, log_level: str = "debug") -> None:
        """Write them again: attributes of this object have changed."""
        hub_port, carbon_port = self._ports
        self.config.write_text(f"""
cluster = "demo"
node = "{self.tree.node}"
dropbox_path = "{self.dropbox}"
proc_root = "{self.tree.root}/proc"
runtime_path = "{self.folder}/run"
heartbeat_interval_s = {self._heartbeat_interval_s}
[spool]
path = "{self.spool}"
[software]
check_interval_s = 1
[programs]
interval_s = 1
[sampling]
interval_s = {self._interval_s}
slow_every = 2
budget_share = 1
[sinks.hub]
url = "http://127.0.0.1:{hub_port}"
auth = "token"
token_file = "{self.folder}/token"
backoff_min_s = 0.05
backoff_max_s = 0.2
[sinks.carbon]
port = {carbon_port}
backoff_min_s = 0.05
backoff_max_s = 0.2
[log]
level = "{log_level}"
""")

    async def start(self) -> None:
        """Start the program and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "slurmlens.node.start", "--config", str(self.config), stdout=log, stderr=log
            )
        await until(lambda: self._answers() or self._ended(), "the daemon answers")
        assert not self._ended(), self.log()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit status."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            status = await self._process.wait()
        with contextlib.suppress(FileNotFoundError):
            (self.folder / "run/status.sock").unlink()
        return status

    @property
    def process_id(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def status(self) -> NodeStatus:
        """What the daemon says of itself."""
        reader, writer = await asyncio.open_unix_connection(self.folder / "run/status.sock")
        said = await reader.read()
        writer.close()
        return msgspec.json.decode(said, type=NodeStatus)

    def hook(self, role: str, job_id: int, **env: str) -> str:
        """Write an event as the emitter does; returns its id."""
        self._hooks += 1
        boottime_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        document = {
            "v": 1,
            "id": secrets.token_hex(16),
            "role": role,
            "time_ns": time.time_ns(),
            "boot_id": BOOT_ID,
            "boottime_ns": boottime_ns,
            "env": {"SLURM_JOB_ID": str(job_id), "SLURMD_NODENAME": self.tree.node} | env,
        }
        self.drop(f"{boottime_ns:020}-{os.getpid()}-{role}.json", json.dumps(document).encode() + b"\n")
        return str(document["id"])

    def drop(self, name: str, content: bytes) -> None:
        """Put a file into the dropbox, as hooks do."""
        # No name of a hook's: with a time of long ago the daemon would clear it away as abandoned.
        temporary = self.dropbox / f".{name}.being-written"
        temporary.write_bytes(content)
        temporary.rename(self.dropbox / name)

    def waiting_hooks(self) -> list[str]:
        return sorted(path.name for path in self.dropbox.glob("[0-9]*.json"))

    def events(self, *kinds: type) -> list[AnyEvent]:
        """What the hub got so far, in order, without what it got twice."""
        found: dict[str, AnyEvent] = {}
        for request in self.hub.requests:
            for line in request.lines:
                event = ecs.decode(line)
                found.setdefault(event.id, event)
        return [event for event in found.values() if not kinds or isinstance(event, kinds)]

    def series(self) -> list[str]:
        """Names of the series that carbon got so far."""
        return sorted({line.split(" ")[0] for line in self.carbon.received.decode().splitlines()})

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def _answers(self) -> bool:
        """Whether it listens: the socket's file is there a moment before."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.folder / "run/status.sock")) == 0

    def _ended(self) -> bool:
        return self._process is not None and self._process.returncode is not None


@asynccontextmanager
async def node_process(tree: MovingTree, folder: Path, **settings: float) -> AsyncIterator[NodeProcess]:
    """A configured daemon with its receivers, not yet started; ended at leaving, whatever happens."""
    node = NodeProcess(tree, folder, **settings)
    async with serving(node.hub) as hub_port, serving(node.carbon) as carbon_port:
        node.configure(hub_port, carbon_port)
        try:
            yield node
        finally:
            if node._process is not None and node._process.returncode is None:
                await node.stop(signal.SIGKILL)
