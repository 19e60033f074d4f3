"""Starts the node daemon as an admin would: its own program, its own configuration file, told apart by NodeName.

Owns the configuration of one daemon under test and its process. It runs without any right, as its unit has it; ready
means what it means to systemd: READY=1 on the notify socket. Used by every case that measures the daemon whole.
"""

from __future__ import annotations

import compileall
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.cpu_time import cpu_ns
from bench.receivers import Receivers
from bench.result import NotMeasurable

MODULE = "slurmlens.node.start"
USER_ID = 65534
"""Nobody: the daemon's own user may not exist here, and has no more rights than this one."""
TOKEN = "0123456789abcdef0123456789abcdef"
"""What proves each node of the benchmark, to the counting hub and to a real one."""
READY_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 20.0
# Of the dense sampling at birth (20, 50, 100 ms …) nothing must be left when the measuring begins.
SETTLE_S = 4.0

CONFIG = """
cluster = "bench"
node = "{node}"
dropbox_path = "{folder}/events"
runtime_path = "{folder}/run"
slots = {slots}
heartbeat_interval_s = {heartbeat_interval_s}

[spool]
path = "{folder}/spool"

[sampling]
interval_s = {interval_s}

[log]
level = "warning"
format = "json"
"""
HUB = """
[sinks.hub]
url = "http://127.0.0.1:{hub_port}"
auth = "token"
token_file = "{folder}/token"
"""
CARBON = """
[sinks.carbon]
host = "127.0.0.1"
port = {carbon_port}
"""
REPLAY = """
[replay]
bytes_per_s = {bytes_per_s}
"""
FILE = """
[sinks.file]
path = "{folder}/events.ndjson"
"""


@dataclass(frozen=True, slots=True)
class DaemonShape:
    """What differs between two daemons under test. Jobs beyond `slots` share the last one.

    `carbon_port` and `hub_port` None are the counting ones, `replay_bytes_per_s` None the default bound.
    """

    node: str
    interval_s: float = 10.0
    hub: bool = True
    carbon: bool = True
    file: bool = False
    slots: int = 16
    heartbeat_interval_s: float = 60.0
    carbon_port: int | None = None
    hub_port: int | None = None
    replay_bytes_per_s: int | None = None
    more_settings: str = ""
    """More tables, as they stand in node.toml."""


@cache
def installed() -> bool:
    """Whether there is a daemon to start; its bytecode is made then, as an installation has it."""
    try:
        found = importlib.util.find_spec(MODULE)
    except ModuleNotFoundError:
        found = None
    if found is None or found.origin is None:
        return False
    compileall.compile_dir(Path(found.origin).parents[1], quiet=2)
    return True


class NodeDaemon:
    """A running slurmlens-node; a context manager that returns once it is ready."""

    def __init__(self, shape: DaemonShape, folder: Path, receivers: Receivers) -> None:
        if not installed():
            raise NotMeasurable("the node daemon is not part of this checkout yet")
        self._folder = folder
        self.config_path = _write_config(shape, folder, receivers)
        self.dropbox = folder / "events"
        self.spool = folder / "spool"
        self._process: subprocess.Popen[bytes] | None = None
        self.ready_cpu_ns = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            path = self._folder / "notify"
            path.unlink(missing_ok=True)
            notify.bind(str(path))
            path.chmod(0o666)
            notify.settimeout(0.2)
            self._start(path)
            try:
                self._await_ready(notify)
            except BaseException:
                self.__exit__(None, None, None)
                raise
        return self

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

    def _start(self, notify_path: Path) -> None:
        command = [sys.executable, "-m", MODULE, "--config", str(self.config_path)]
        with (self._folder / "daemon.log").open("wb") as log:
            environment = os.environ | {"NOTIFY_SOCKET": str(notify_path)}
            self._process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, user=USER_ID, group=USER_ID, extra_groups=[]
            )

    def _await_ready(self, notify: socket.socket) -> None:
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        assert self._process is not None
        while time.monotonic() < deadline_s:
            try:
                if b"READY=1" in notify.recv(4096):
                    self.ready_cpu_ns = cpu_ns(self.pid)
                    return
            except TimeoutError:
                if self._process.poll() is not None:
                    break
        raise NotMeasurable(f"the node daemon did not become ready: {self.last_words()}")

    def status(self) -> dict[str, Any]:
        """What `slurmlens status` would be told; its socket may come a moment after the daemon is ready."""
        path = self._folder / "run" / "status.sock"
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while not path.exists() and time.monotonic() < deadline_s:
            time.sleep(0.02)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(path))
            with client.makefile("rb") as answer:
                return dict(json.loads(answer.read()))

    def last_words(self) -> str:
        """The last line of the daemon's log, without the path of our folder."""
        lines = (self._folder / "daemon.log").read_text(errors="replace").strip().splitlines()
        return lines[-1].replace(f"{self._folder}/", "") if lines else "it said nothing"

    def settle(self) -> None:
        """Waits until start-up and the dense first samples are over."""
        time.sleep(SETTLE_S)


def _write_config(shape: DaemonShape, folder: Path, receivers: Receivers) -> Path:
    folder.chmod(0o755)
    token = folder / "token"
    token.write_text(f"{TOKEN}\n")
    token.chmod(0o600)
    for name in ("events", "run"):
        (folder / name).mkdir(exist_ok=True)
    for path in (folder, folder / "events", folder / "run", token):
        os.chown(path, USER_ID, USER_ID)
    text = CONFIG.format(
        node=shape.node,
        folder=folder,
        slots=shape.slots,
        interval_s=shape.interval_s,
        heartbeat_interval_s=shape.heartbeat_interval_s,
    )
    if shape.hub:
        text += HUB.format(hub_port=shape.hub_port or receivers.hub_port, folder=folder)
    if shape.carbon:
        text += CARBON.format(carbon_port=shape.carbon_port or receivers.carbon_port)
    if shape.replay_bytes_per_s:
        text += REPLAY.format(bytes_per_s=shape.replay_bytes_per_s)
    if shape.file:
        text += FILE.format(folder=folder)
    path = folder / "node.toml"
    path.write_text(text + shape.more_settings)
    return path
