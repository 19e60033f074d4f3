"""Runs one of Slurm's commands: the only place where the scheduler source touches the machine.

Invariants: no shell; a clean environment, so that nobody's SQUEUE_FORMAT changes what we parse and no list comes cut
short; an answer is read in pieces, in a thread of its own, so that no answer is held whole and none holds the event
loop; one that is longer than `MAX_ANSWER_BYTES` ends there; a command that hangs is killed with its children; every
failure is a SourceError that names the command and what it said. Fed by `source`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from slurmlens.errors import DecodeError, SourceError
from slurmlens.slurm.pieces import Pieces

MAX_ANSWER_BYTES = 2 * 1024**3
PIECE_BYTES = 256 * 1024
PIECES_AFTER_NONSENSE = 16
MAX_MESSAGE_CHARS = 300
_INHERITED = ("PATH", "LD_LIBRARY_PATH")

Answer = TypeVar("Answer")


class RunCommand(Protocol):
    """How `source` asks; tests hand in recordings."""

    async def __call__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        timeout_s: float,
        read: Callable[[Pieces], Answer],
    ) -> Answer:
        """What `read` makes of the standard output of a command that succeeded; SourceError otherwise."""


def clean_environment(slurm_conf: Path | None) -> dict[str, str]:
    """What a command of Slurm gets to see: where to find things, UTC, and nothing that changes or shortens its
    output.
    """
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    configured = str(slurm_conf) if slurm_conf else os.environ.get("SLURM_CONF")
    if configured:
        environment["SLURM_CONF"] = configured
    return environment | {"LC_ALL": "C.UTF-8", "TZ": "UTC", "SLURM_BITSTR_LEN": "0"}


async def run_command(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    timeout_s: float,
    read: Callable[[Pieces], Answer],
    *,
    max_bytes: int = MAX_ANSWER_BYTES,
) -> Answer:
    """Runs a command in a session of its own and has a thread `read` what it prints.

    SourceError when the command is missing, fails, prints more than `max_bytes`, or lets us wait for more than
    `timeout_s` in all (the time that `read` takes does not count). DecodeError is what `read` raises.
    """
    command = _Command(arguments, environment, timeout_s, max_bytes)
    try:
        return await asyncio.to_thread(command.run, read)
    finally:
        command.kill()


class _Command:
    """One run of one command; `run` belongs to a thread, `kill` may come from another."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], timeout_s: float, max_bytes: int
    ) -> None:
        self._arguments = arguments
        self._environment = environment
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._name = arguments[0]
        self._process: subprocess.Popen[bytes] | None = None
        self._is_killed = False
        self._complaint = b""

    def run(self, read: Callable[[Pieces], Answer]) -> Answer:
        """Starts the command, has its output read, and reaps it."""
        with self._begun() as process:
            pieces = self._pieces(process)
            try:
                answer = read(pieces)
                for _ in pieces:  # what the reader did not want
                    pass
            except DecodeError:
                for _ in zip(range(PIECES_AFTER_NONSENSE), pieces):  # noqa: B905
                    pass
                self._check_status(process)  # of an answer that makes no sense, that may be why
                raise
            finally:
                if process.poll() is None:
                    self.kill()
            self._check_status(process)
            return answer

    def kill(self) -> None:
        """Kills what is still there of the command's session."""
        self._is_killed = True
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _begun(self) -> subprocess.Popen[bytes]:
        try:
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(self._environment),
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            message = f"{self._name} cannot be started: {error.strerror}; name its path in [slurm]"
            raise SourceError(message, reason="missing") from error
        if self._is_killed:
            self.kill()
        return self._process

    def _pieces(self, process: subprocess.Popen[bytes]) -> Iterator[bytes]:
        assert process.stdout is not None
        assert process.stderr is not None
        left_s, read_bytes = self._timeout_s, 0
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(process.stderr, selectors.EVENT_READ)
            while selector.get_map():
                began_s = time.monotonic()
                ready = selector.select(max(0.0, left_s))
                left_s -= time.monotonic() - began_s
                if not ready:
                    raise SourceError(f"{self._name} did not answer within {self._timeout_s:g} s")
                for key, _ in ready:
                    piece = os.read(key.fd, PIECE_BYTES)
                    if not piece:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is process.stderr:
                        self._complaint = (self._complaint + piece)[-4 * MAX_MESSAGE_CHARS :]
                    else:
                        read_bytes += len(piece)
                        if read_bytes > self._max_bytes:
                            raise SourceError(f"{self._name} printed more than {self._max_bytes} bytes and was ended")
                        yield piece
        self._wait(process, left_s)

    def _wait(self, process: subprocess.Popen[bytes], left_s: float) -> None:
        """A command that closed its output and stays is as slow as one that prints nothing."""
        try:
            process.wait(max(0.1, left_s))
        except subprocess.TimeoutExpired as error:
            raise SourceError(f"{self._name} did not answer within {self._timeout_s:g} s") from error

    def _check_status(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll():
            said = self._complaint.decode(errors="replace").strip()[-MAX_MESSAGE_CHARS:]
            raise SourceError(f"{self._name} failed with status {process.returncode}: {said or 'it said nothing'}")
