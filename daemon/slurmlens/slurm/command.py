"""Runs one of Slurm's commands: the only place where the scheduler source touches the machine.

Invariants: no shell; a clean environment, so that nobody's SQUEUE_FORMAT changes what we parse; a command that hangs is
killed with its children; every failure is a SourceError that names the command and what it said. Fed by `source`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from slurmlens.errors import SourceError

MAX_MESSAGE_CHARS = 300
_INHERITED = ("PATH", "LD_LIBRARY_PATH")


class RunCommand(Protocol):
    """How `source` asks; tests hand in recordings."""

    async def __call__(self, arguments: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> bytes:
        """Standard output of a command that succeeded; SourceError otherwise."""


def clean_environment(slurm_conf: Path | None) -> dict[str, str]:
    """What a command of Slurm gets to see: where to find things, UTC, and nothing that changes its output."""
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    configured = str(slurm_conf) if slurm_conf else os.environ.get("SLURM_CONF")
    if configured:
        environment["SLURM_CONF"] = configured
    return environment | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


async def run_command(arguments: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> bytes:
    """Runs a command in a session of its own; SourceError when it is missing, fails, or exceeds `timeout_s`."""
    name = arguments[0]
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        raise SourceError(f"{name} cannot be started: {error.strerror}; name its path in [slurm]") from error
    try:
        output, complaint = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError as error:
        raise SourceError(f"{name} did not answer within {timeout_s:g} s") from error
    finally:
        await _end(process)
    if process.returncode:
        said = complaint.decode(errors="replace").strip()[-MAX_MESSAGE_CHARS:]
        raise SourceError(f"{name} failed with status {process.returncode}: {said or 'it said nothing'}")
    return output


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kills what is still there of the command's session and reaps it."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
