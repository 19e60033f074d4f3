"""Sockets that take log lines as datagrams: UDP, and one in the file system as /dev/log is.

Owns the sockets. What the kernel threw away because we read too slowly is counted by it (SO_RXQ_OVFL) and told to the
road; a datagram socket in the file system throws nothing away, its senders wait, and the kernel says who they are
(SO_PASSCRED). A socket that cannot be made is reported and tried again. What a datagram is as lines is said by whoever
makes the input. Feeds `road`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from slurmlens.log_lines import LogLine
from slurmlens.node.log_inputs.readiness import Gathering, readable
from slurmlens.node.log_inputs.road import LogRoad
from slurmlens.telemetry.internal import Reporter, lasting

AT_ONCE = 128
MOST_BYTES = 256 * 1024
RECEIVE_BUFFER_BYTES = 1024 * 1024
"""Asked for; the kernel gives at most net.core.rmem_max."""

AGAIN_S = 10.0
MODE = 0o666
LOG_SOCKET_QUEUE = 10
"""Datagrams; the kernel's default of net.unix.max_dgram_qlen."""
_SO_RXQ_OVFL = 40
"""From Linux's include/uapi/asm-generic/socket.h; Python has no name for it."""

_CREDENTIALS = struct.Struct("3i")
_COUNT = struct.Struct("I")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(_COUNT.size)

UNAVAILABLE = lasting(
    "log_socket_unavailable", logging.ERROR, "{where}: {problem}; no log lines come in there", ("where",)
)


class Datagram(NamedTuple):
    """What came, and who sent it by the kernel's word, where that is known."""

    data: bytes
    pid: int | None = None
    user_id: int | None = None


LineOf = Callable[[Datagram], LogLine]


class DatagramInput:
    """One socket; `make` opens it, `where` names it, `queue` datagrams are held by the kernel at least."""

    def __init__(
        self,
        where: str,
        make: Callable[[], socket.socket],
        line_of: LineOf,
        road: LogRoad,
        reporter: Reporter,
        queue: int = AT_ONCE,
    ) -> None:
        self._where = where
        self._make = make
        self._line_of = line_of
        self._road = road
        self._reporter = reporter
        self._gathering = Gathering(queue)
        self._lost = 0

    async def run(self) -> None:
        """A stage: takes what comes for ever."""
        while True:
            opened = self._open()
            if opened is not None:
                with opened:
                    await self._take_all(opened)
            await asyncio.sleep(AGAIN_S)

    async def _take_all(self, opened: socket.socket) -> None:
        while True:
            await readable(opened)
            datagrams = self._receive(opened)
            await self._road.take([self._line_of(one) for one in datagrams if one.data])
            if len(datagrams) < AT_ONCE:
                await asyncio.sleep(self._gathering.after(len(datagrams)))

    def _open(self) -> socket.socket | None:
        try:
            opened = self._make()
        except OSError as error:
            self._reporter.report(UNAVAILABLE, where=self._where, problem=error.strerror or str(error))
            return None
        self._reporter.over(UNAVAILABLE, self._where)
        self._lost = 0
        return opened

    def _receive(self, opened: socket.socket) -> list[Datagram]:
        found: list[Datagram] = []
        with suppress(BlockingIOError):
            while len(found) < AT_ONCE:
                data, ancillary, _, _ = opened.recvmsg(MOST_BYTES, _ANCILLARY_BYTES)
                found.append(self._datagram(data, ancillary))
        return found

    def _datagram(self, data: bytes, ancillary: Sequence[tuple[int, int, bytes]]) -> Datagram:
        pid = user_id = None
        for level, kind, value in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                pid, user_id, _ = _CREDENTIALS.unpack(value[: _CREDENTIALS.size])
            elif level == socket.SOL_SOCKET and kind == _SO_RXQ_OVFL:
                (lost,) = _COUNT.unpack(value[: _COUNT.size])
                if lost != self._lost:
                    self._road.dropped("socket_overflow", (lost - self._lost) % 2**32)
                    self._lost = lost
        return Datagram(data, pid or None, user_id)


def udp_socket(address: tuple[str, int]) -> socket.socket:
    """A socket that takes datagrams there. Raises OSError."""
    family, kind, protocol, _, where = socket.getaddrinfo(
        *address, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
    )[0]
    made = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        made.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
        made.bind(where)
    except OSError:
        made.close()
        raise
    return made


def log_socket(path: Path) -> socket.socket:
    """A socket in the file system to which every user may write. Raises OSError."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            path.unlink()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        made.bind(str(path))
        os.chmod(path, MODE)
    except OSError:
        made.close()
        raise
    return made
