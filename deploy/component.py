"""What a component is, and the common one: a single program in a sandbox.

Every component has start, ready and stop; whoever starts it waits with `wait_ready`, which names the component and
shows the end of its log when it does not come up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from deploy.errors import ComponentFailed
from deploy.process import Process
from deploy.sandbox import Sandbox

READY_MAX_S = 60.0
READY_POLL_S = 0.05
LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp


class Component(Protocol):
    """One part of the stack."""

    @property
    def name(self) -> str: ...

    def start(self) -> None:
        """Starts it; returns before it is ready."""

    def ready(self) -> bool:
        """Whether it can be used now; raises ComponentFailed when it has ended."""

    def stop(self) -> None:
        """Ends it; nothing happens if it is not running."""


class Service:
    """A component of one program, ready when `check` says so."""

    def __init__(
        self,
        sandbox: Sandbox,
        name: str,
        argv: Sequence[str],
        check: Callable[[], bool],
        *,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | Path = "/",
        capabilities: Sequence[str] = (),
        grace_s: float = 5.0,
    ) -> None:
        self.name = name
        self.process: Process | None = None
        self._sandbox = sandbox
        self._argv = list(argv)
        self._check = check
        self._user, self._env, self._cwd, self._capabilities = user, env, cwd, capabilities
        self._grace_s = grace_s

    def start(self) -> None:
        self.process = self._sandbox.spawn(
            self.name, self._argv, user=self._user, env=self._env, cwd=self._cwd, capabilities=self._capabilities
        )

    def ready(self) -> bool:
        if self.process is None:
            raise ComponentFailed(self.name, "was not started")
        if not self.process.running():
            raise ComponentFailed(self.name, f"ended with {self.process.returncode}", self.process.log)
        return self._check()

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop(self._grace_s)
            self.process = None

    def kill(self) -> None:
        """SIGKILL; `start` brings it back on the same port with the same data."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    def pause(self) -> None:
        """SIGSTOP: connections stay and nothing answers, until `resume`."""
        if self.process is not None:
            self.process.pause()

    def resume(self) -> None:
        """SIGCONT; nothing happens if it is not paused."""
        if self.process is not None:
            self.process.resume()

    @property
    def log(self) -> Path | None:
        return self.process.log if self.process else None


def wait_ready(component: Component, timeout_s: float = READY_MAX_S) -> float:
    """Waits until the component is ready and returns the seconds it took; raises ComponentFailed with its log's end."""
    began = time.monotonic()
    while not component.ready():
        if time.monotonic() - began > timeout_s:
            raise ComponentFailed(component.name, f"not ready after {timeout_s:.0f} s", getattr(component, "log", None))
        time.sleep(READY_POLL_S)
    return time.monotonic() - began


def start_and_wait(component: Component, timeout_s: float = READY_MAX_S) -> float:
    """Starts it, waits for it, returns the seconds."""
    began = time.monotonic()
    component.start()
    wait_ready(component, timeout_s)
    return time.monotonic() - began


def listens(port: int) -> bool:
    """Whether something listens on the TCP port; read from the kernel's table, so that no server sees a connection."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        if any(fields[1].endswith(wanted) and fields[3] == LISTEN for fields in map(str.split, lines)):
            return True
    return False
