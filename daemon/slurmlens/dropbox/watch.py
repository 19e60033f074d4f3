"""Tells when files appear in one folder, and when it is no longer the folder that its path names.

Owns an inotify descriptor, where the machine still gives one; without it every wait ends at its timeout and asks for a
look at the whole folder. What appears is reported once a burst has paused, after `LONGEST_SETTLING_S` at most. Used by
`stage.Dropbox` alone. A tmpfs mounted over the folder, or the folder replaced, goes unseen by inotify: so the folder's
identity is compared after each wait.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import termios
from pathlib import Path

import msgspec
from asyncinotify import Inotify, Mask

_ARRIVED = Mask.MOVED_TO
_GONE = Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.UNMOUNT | Mask.IGNORED

QUIET_S = 0.02
"""What appeared is looked at when for so long nothing more did …"""

LONGEST_SETTLING_S = 0.2
"""… or after so long in any case."""


class Stir(msgspec.Struct, frozen=True):
    """What a wait saw: names that appeared; whether the folder must be read again; whether it is another one now."""

    names: tuple[str, ...] = ()
    overflowed: bool = False
    gone: bool = False


class DropboxWatch:
    """Watches one folder from the moment it is made, so that who reads the folder afterwards misses nothing."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError where the folder is missing, no folder, or may not be watched."""
        self._folder = folder
        self._identity = _identity(folder)
        self._inotify: Inotify | None = None
        try:
            self._inotify = Inotify(sync_timeout=0)
        except OSError:
            return  # fs.inotify.max_user_instances is used up: `active` says so
        try:
            self._inotify.add_watch(folder, _ARRIVED | _GONE | Mask.ONLYDIR)
        except OSError:
            self.close()
            raise

    @property
    def active(self) -> bool:
        """False where inotify is used up and only waiting helps."""
        return self._inotify is not None

    async def wait(self, timeout_s: float) -> Stir:
        """Until something appears, or so long; safe to cancel: the next wait reports what appeared meanwhile."""
        if self._inotify is None:
            await asyncio.sleep(timeout_s)
            return Stir(overflowed=True, gone=self._is_gone())
        if await _readable(self._inotify.fd, timeout_s):
            await _settled(self._inotify.fd)
        names: list[str] = []
        overflowed = gone = False
        for event in self._inotify:
            overflowed |= Mask.Q_OVERFLOW in event.mask
            gone |= bool(event.mask & _GONE)
            if event.name is not None and Mask.MOVED_TO in event.mask:
                names.append(event.name.name)
        return Stir(tuple(sorted(names)), overflowed, gone or self._is_gone())

    def close(self) -> None:
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None

    def _is_gone(self) -> bool:
        try:
            return _identity(self._folder) != self._identity
        except OSError:
            return True


def _identity(folder: Path) -> tuple[int, int]:
    status = os.stat(folder, follow_symlinks=False)
    return status.st_dev, status.st_ino


async def _settled(descriptor: int) -> None:
    """Until a burst is over, or has lasted long enough.

    Jobs wait for their hooks, and hooks come in bursts: one that runs is not to share its cores with the work on the
    one before it. Together they are less work, too.
    """
    waiting_bytes = -1
    for _ in range(round(LONGEST_SETTLING_S / QUIET_S)):
        before, waiting_bytes = waiting_bytes, _waiting_bytes(descriptor)
        if waiting_bytes == before:
            return
        await asyncio.sleep(QUIET_S)


def _waiting_bytes(descriptor: int) -> int:
    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4), sys.byteorder)


async def _readable(descriptor: int, timeout_s: float) -> bool:
    """Until the descriptor can be read, or so long; says which.

    A reader that is registered only while someone waits: one that stays would spin while names wait to be taken.
    """
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        async with asyncio.timeout(timeout_s):
            await readable.wait()
            return True
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
