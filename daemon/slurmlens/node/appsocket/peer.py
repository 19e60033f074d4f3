"""Who is at the other end of a connection: the kernel's word for it.

Owns the order of the questions, which closes every gap between them: the peer's process id is the kernel's
(SO_PEERCRED), a pidfd names that very process (SO_PEERPIDFD from Linux 6.5, else pidfd_open), its cgroup is read, and
only then the pidfd is asked whether the process still lived, so that the process id cannot have become another's
meanwhile. Before 6.5 a process that died between connecting and pidfd_open may have left its id to another one: then
the two must have the same user, which the kernel named for the first. Reads `/proc/PID/cgroup`, which is readable by
all.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from pathlib import Path
from typing import NamedTuple

from slurmlens.errors import RefusedError

_SO_PEERPIDFD = 77
"""From Linux's include/uapi/asm-generic/socket.h; Python has no name for it."""

_CREDENTIALS = struct.Struct("3i")
_MAX_CGROUP_BYTES = 16_384


class Credentials(NamedTuple):
    """SO_PEERCRED: who connected, as of that moment."""

    pid: int
    uid: int
    gid: int


def credentials_of(connection: socket.socket) -> Credentials:
    """Who connected; `pid` is 0 for a process of a pid namespace that this one cannot see."""
    return Credentials(*_CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)))


def cgroups_of(connection: socket.socket, peer: Credentials, proc: Path) -> str:
    """The text of the peer's `/proc/PID/cgroup`.

    RefusedError with the reason `unseen` (another pid namespace), `gone` (it did not wait for its answer) or
    `unreadable` (a procfs that hides other users' processes).
    """
    if peer.pid <= 0:
        raise RefusedError("its process id cannot be seen from here", reason="unseen")
    pidfd, is_exact = _pidfd(connection, peer.pid)
    try:
        text = _read(proc / str(peer.pid), None if is_exact else peer.uid)
        if pidfd is not None and _has_ended(pidfd):
            raise RefusedError("it ended before its cgroup was read", reason="gone")
        return text
    finally:
        if pidfd is not None:
            os.close(pidfd)


def _pidfd(connection: socket.socket, pid: int) -> tuple[int | None, bool]:
    """A descriptor of the peer's process, and whether it is surely of the one that connected."""
    try:
        return connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD), True
    except ProcessLookupError as error:
        raise RefusedError("it has ended", reason="gone") from error
    except OSError:
        pass  # an older kernel
    try:
        return os.pidfd_open(pid), False
    except ProcessLookupError as error:
        raise RefusedError("it has ended", reason="gone") from error
    except OSError:
        return None, False


def _read(process: Path, uid: int | None) -> str:
    try:
        if uid is not None and process.stat().st_uid not in (uid, 0):
            raise RefusedError("its process id is another user's now", reason="gone")
        with (process / "cgroup").open("rb") as file:
            return file.read(_MAX_CGROUP_BYTES).decode("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError) as error:
        raise RefusedError("it ended before its cgroup was read", reason="gone") from error
    except OSError as error:
        raise RefusedError(f"its cgroup cannot be read: {error.strerror}", reason="unreadable") from error


def _has_ended(pidfd: int) -> bool:
    """A pidfd is readable once its process has ended (pidfd_open(2))."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))
