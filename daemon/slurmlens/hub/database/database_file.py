"""The file of an SQLite database while a hub has it: its mode, its one hub, whether it will last and is still there.

Owns the lock file beside it (`.<name>.in-use`, an flock that ends with the process; it holds the inode of the file that
the last hub had) and no byte of the database. Held by `hub.main` around everything else; its state is part of the hub's
status. A database server looks after its own files; that one hub alone writes into it is the store's affair there.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from slurmlens.config.database_url import sqlite_path
from slurmlens.errors import ConfigError, SlurmlensError
from slurmlens.runtime.file_systems import Durability, durability_of

MODE = 0o640
FOLDER_MODE = 0o750
LOOK_EVERY_S = 1.0
_KEY = "database.url"


class DatabaseGone(SlurmlensError):
    """The database's file was removed or replaced under the hub: nothing that it takes now would be kept."""

    reason = "database_gone"


class DatabaseBegin(enum.Enum):
    """How this hub found its file: none had ever been there (NEW), it is the last hub's (SAME), another one lies in its
    place (REPLACED), or nothing does although the last hub had one (MISSING)."""

    NEW = "new"
    SAME = "same"
    REPLACED = "replaced"
    MISSING = "missing"


class DatabaseState(NamedTuple):
    """What people should know of the file; `file_system` is the kernel's name of its kind."""

    path: str
    file_system: str
    durability: Durability
    begin: DatabaseBegin
    is_there: bool


class DatabaseFile:
    """A file that this process alone has as its database. Made by `held`."""

    def __init__(self, path: Path, begin: DatabaseBegin) -> None:
        self.path = path
        self._identity = _identity(path)
        self._begin = begin
        self._durability, self._file_system = durability_of(path.parent)

    def state(self) -> DatabaseState:
        """As it is now."""
        is_there = _identity(self.path) == self._identity
        return DatabaseState(str(self.path), self._file_system, self._durability, self._begin, is_there)

    async def watch(self, every_s: float = LOOK_EVERY_S) -> None:
        """Returns never; raises DatabaseGone within `every_s` after the file is not there any more.

        What was acknowledged in that time is lost; whatever comes after stays with whoever sent it.
        """
        while _identity(self.path) == self._identity:  # noqa: ASYNC110  # whoever removes a file wakes nobody
            await asyncio.sleep(every_s)
        raise DatabaseGone(
            f"{self.path} was removed or replaced while the hub had it open: put it back and start again"
        )


@contextmanager
def held(url: str) -> Iterator[DatabaseFile | None]:
    """Locks the file that `url` names, and makes it where it is missing; None for a database server.

    ConfigError where another process has it or where it cannot be made. Others than owner and group never get at it,
    whatever the umask; SQLite gives its other files (-wal, -shm) the same mode.
    """
    path = sqlite_path(url)
    if path is None:
        yield None
        return
    lock = None
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        lock = os.open(path.with_name(f".{path.name}.in-use"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        _lock(lock, path)
        begin = _begin(lock, path)
        _make_private(path)
        _remember(lock, path)
        yield DatabaseFile(path, begin)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be used: {error.strerror}: check that this user may write the folder", key=_KEY
        ) from error
    finally:
        if lock is not None:
            os.close(lock)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigError(
            f"{path}: another hub has it open; one hub a database: stop the other, or give this one its own", key=_KEY
        ) from error


def _begin(lock: int, path: Path) -> DatabaseBegin:
    """By the inode that the last hub wrote into the lock file; device numbers change with a boot."""
    known = os.pread(lock, 32, 0).strip()
    if not known.isdigit():
        return DatabaseBegin.NEW
    try:
        status = path.stat()
    except FileNotFoundError:
        return DatabaseBegin.MISSING
    if status.st_ino == int(known):
        return DatabaseBegin.SAME
    return DatabaseBegin.REPLACED if status.st_size else DatabaseBegin.MISSING


def _remember(lock: int, path: Path) -> None:
    """Only for the next start: a disk that is full is the database's trouble."""
    with contextlib.suppress(OSError):
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % path.stat().st_ino, 0)


def _make_private(path: Path) -> None:
    """Makes the file, or takes away from one of before what others may do."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
    try:
        mode = os.fstat(descriptor).st_mode & 0o777
        os.fchmod(descriptor, mode & MODE | 0o600)
    finally:
        os.close(descriptor)
    for beside in (path.with_name(path.name + ending) for ending in ("-wal", "-shm")):
        with contextlib.suppress(FileNotFoundError):
            beside.chmod(beside.stat().st_mode & MODE | 0o600)


def _identity(path: Path) -> tuple[int, int] | None:
    """What distinguishes this file from another of the same name; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
