"""Stops the node's daemon for some seconds and lets it go on: the node without it, without a restart.

Owns the promise that it goes on, also where this program is killed: a shell that outlives it waits at the other end of
a pipe. Pauses are shorter than the unit's watchdog (60 s). Used by `cli.commands.noise`.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slurmlens.cli.noise.probes import NoiseProbeError

UNIT = "slurmlens-node.service"
MOST_PAUSE_S = 30.0


def daemon_pid() -> int:
    """The running daemon's, as systemd has it; NoiseProbeError where there is none."""
    ask = ["systemctl", "show", "--property=MainPID", "--value", UNIT]
    try:
        said = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoiseProbeError(f"systemd does not say which process {UNIT} is ({error}): name it with --pid") from error
    if not said.isdecimal() or said == "0":
        raise NoiseProbeError(f"{UNIT} does not run: start it, or name a process with --pid")
    return int(said)


def family(pid: int) -> list[int]:
    """The process and all below it, the daemon's helpers; the process first."""
    found = [pid]
    for one in found:
        for path in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child) for child in path.read_text().split()]
            except OSError:  # gone since it was listed
                continue
    return found


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """The process and its helpers stand still inside; NoiseProbeError where that is not allowed."""
    pids = family(pid)
    names = " ".join(map(str, pids))
    script = f"trap '' INT TERM HUP; read -r _; kill -CONT {names} 2>/dev/null"
    waker = subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE, start_new_session=True)
    try:
        _signal_all(pids, signal.SIGSTOP)
        yield
    finally:
        _signal_all(pids, signal.SIGCONT)
        waker.communicate()


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            if pid == pids[0] and number is signal.SIGSTOP:
                raise NoiseProbeError(f"process {pid} is not there") from None
        except PermissionError as error:
            raise NoiseProbeError(f"process {pid} is another user's: run this as root") from error
