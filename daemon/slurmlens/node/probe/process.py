"""The node daemon's end of `slurmlens-probe`: starts it, asks it, kills it when it does not answer in time.

Owns one such process and its socket. Invariants: one question at a time; a question takes at most its timeout; a
process that did not answer is killed and never waited for (in the kernel it may hang for hours), it is reaped when it
has ended, and while `MOST_DYING` of them have not, there is no further one: the unit bounds the daemon's tasks, and the
daemon needs its own; where it ended by itself the next start waits, longer each time, up to `MOST_WAIT_S`.
posix_spawn(3), not `subprocess`: the daemon is not copied, and imports nothing for it. Used by `node.remote_spaces` and
by `node.gpus`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

from slurmlens.clock import NS_PER_S, Clock

PROGRAM = (
    sys.executable,
    "-IS",
    "-c",
    # Where the daemon's own libraries are: a package brings them in a folder that Python does not look into by itself.
    f"import sys; sys.path[:] = {sys.path!r}; from slurmlens.node.probe.program import main; main()",
)
LEAST_WAIT_S = 1.0
MOST_WAIT_S = 300.0
MOST_DYING = 4
MOST_ANSWER_BYTES = 4 * 1024 * 1024


class ProbeProcess:
    """One probe; for the event loop's thread."""

    def __init__(self, clock: Clock, program: Sequence[str] = PROGRAM) -> None:
        self._clock = clock
        self._program = tuple(program)
        self._pid: int | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._dying: set[int] = set()
        self._wait_s = LEAST_WAIT_S
        self._not_before_ns = 0
        self.has_hung = False
        """Whether the last question was given up because no answer came in time."""

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return self._pid

    @property
    def is_stuck(self) -> bool:
        """Whether so many killed ones hang in the kernel that none is started any more."""
        return len(self._dying) >= MOST_DYING

    async def ask(self, question: str, argument: str, timeout_s: float) -> Any:
        """What it answers; None where it fails, hangs, or may not be started again yet."""
        self._reap()
        self.has_hung = False
        if self.is_stuck:
            return None
        try:
            if self._streams is None and not await self._start():
                return None
            async with asyncio.timeout(timeout_s):
                answer = await self._exchange(json.dumps({question: argument}))
        except TimeoutError:
            self.has_hung = True
            self.kill()
            return None
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self._give_up()  # it ended by itself, or talks nonsense
            return None
        except asyncio.CancelledError:
            self.kill()
            raise
        self._wait_s = LEAST_WAIT_S
        return answer.get(question) if isinstance(answer, dict) else None

    def kill(self) -> None:
        """End it at once, without waiting for it."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
        if self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)
            self._dying.add(self._pid)
            self._pid = None
        self._reap()

    async def _exchange(self, line: str) -> Any:
        assert self._streams is not None
        reader, writer = self._streams
        writer.write(f"{line}\n".encode())
        await writer.drain()
        return json.loads(await reader.readuntil(b"\n"))

    async def _start(self) -> bool:
        if self._clock.monotonic_ns() < self._not_before_ns:
            return False
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                actions = [
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), 0),
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), 1),
                    (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
                ]
                self._pid = os.posix_spawn(  # noqa: ASYNC221  # returns at once
                    self._program[0], self._program, os.environ, file_actions=actions
                )
            except OSError:
                ours.close()
                raise
        self._streams = await asyncio.open_connection(sock=ours, limit=MOST_ANSWER_BYTES)
        return True

    def _give_up(self) -> None:
        self.kill()
        self._not_before_ns = self._clock.monotonic_ns() + round(self._wait_s * NS_PER_S)
        self._wait_s = min(2 * self._wait_s, MOST_WAIT_S)

    def _reap(self) -> None:
        for pid in list(self._dying):
            try:
                ended, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended = pid
            if ended:
                self._dying.discard(pid)
