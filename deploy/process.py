"""One program that runs inside a sandbox: its pid, its log, and how it is ended.

What we start is nsenter, which forks the program into the sandbox's pid namespace and waits for it. Signals go to the
program itself; if nsenter dies, the program dies with it (its parent-death signal). When the program is paused, nsenter
pauses itself too, and wakes the program when it is woken; a guard wakes it when we are gone, lest it stay for ever.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

STOPPED = "T"  # the state in /proc/PID/stat
STOPPED_MAX_S = 2.0


class Process:
    """A program started by `Sandbox.spawn`."""

    def __init__(self, name: str, entered: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._entered = entered
        self._pid: int | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The program's pid as the host sees it; None when it has ended or has not been forked yet."""
        if self._entered.poll() is not None:
            return None
        if self._pid is None:
            self._pid = child_of(self._entered.pid)
        return self._pid

    @property
    def returncode(self) -> int | None:
        """The program's exit status, negative for a signal; None while it runs."""
        return self._entered.poll()

    def running(self) -> bool:
        return self._entered.poll() is None

    def signal(self, number: int) -> None:
        """Sends a signal to the program; nothing happens if it has ended."""
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def wait(self, timeout_s: float) -> int:
        """Waits for the end; raises subprocess.TimeoutExpired."""
        return self._entered.wait(timeout_s)

    def stop(self, grace_s: float = 5.0) -> None:
        """SIGTERM, and after the grace time SIGKILL."""
        self.signal(signal.SIGTERM)
        self.resume()
        try:
            self._entered.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def pause(self) -> None:
        """SIGSTOP to the program; returns when nsenter has seen it, so that `resume` cannot come too early."""
        if self._guard is not None:
            return
        self.signal(signal.SIGSTOP)
        deadline = time.monotonic() + STOPPED_MAX_S
        while self.running() and state_of(self._entered.pid) != STOPPED and time.monotonic() < deadline:
            time.sleep(0.001)
        guard = ["/bin/sh", "-c", f"read _; kill -CONT {self._entered.pid}"]
        self._guard = subprocess.Popen(
            guard, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def resume(self) -> None:
        """SIGCONT to the program, by way of guard and nsenter; nothing happens if it is not paused."""
        if self._guard is not None:
            self._guard.communicate()  # closes what it reads, and waits for its end
            self._guard = None

    def kill(self) -> None:
        """SIGKILL to the program, paused or not, and no return before it is gone."""
        self.signal(signal.SIGKILL)
        self.resume()
        try:
            self._entered.wait(1.0)
        except subprocess.TimeoutExpired:
            self._entered.kill()
            self._entered.wait()


def child_of(parent: int, timeout_s: float = 2.0) -> int | None:
    """Pid of the parent's only child, waiting for the fork; None when there is none within the time."""
    deadline = time.monotonic() + timeout_s
    while True:
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                    return int(stat.parent.name)
        if time.monotonic() > deadline or not Path(f"/proc/{parent}").exists():
            return None
        time.sleep(0.005)


def state_of(pid: int) -> str | None:
    """The process's state letter; None when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None
