"""Tells when files appear in one folder, and when it is no longer the folder that its path names.

Owns an inotify descriptor, where the machine still gives one; without it every wait ends at its timeout and asks for a
look at the whole folder. Used by `stage.Dropbox` alone. A tmpfs mounted over the folder, or the folder replaced, goes
unseen by inotify: so the folder's identity is compared after each wait.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec
from asyncinotify import Inotify, Mask

_ARRIVED = Mask.MOVED_TO
_GONE = Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.UNMOUNT | Mask.IGNORED


class Stir(msgspec.Struct, frozen=True):
    """What a wait saw: names that appeared; whether the folder must be read again; whether it is another one now."""

    names: tuple[str, ...] = ()
    overflowed: bool = False
    gone: bool = False


class FolderWatch:
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
        """Until something appears, or so long; safe to cancel: what appeared meanwhile is told by the next wait."""
        if self._inotify is None:
            await asyncio.sleep(timeout_s)
            return Stir(overflowed=True, gone=self._is_gone())
        await _readable(self._inotify.fd, timeout_s)
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


async def _readable(descriptor: int, timeout_s: float) -> None:
    """Until the descriptor can be read, or so long.

    A reader that is registered only while someone waits: one that stays would spin while names wait to be taken.
    """
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        async with asyncio.timeout(timeout_s):
            await readable.wait()
    except TimeoutError:
        pass
    finally:
        loop.remove_reader(descriptor)
