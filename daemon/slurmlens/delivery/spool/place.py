"""Where the spool lies: whose folder it is, and what is put aside there.

Owns the folder and its lock. Invariants: one daemon a spool (flock, which dies with its holder); a file that cannot be
used is renamed, never deleted for being broken, and of such files only the youngest few are kept. Used from one
thread, by `disk`.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from slurmlens.errors import ConfigError

DATABASE = "spool.sqlite"
LOCK = "lock"
COMPANIONS = ("", "-wal", "-shm", "-journal")
ASIDE_KEPT = 3


class FolderLock:
    """Held as long as this object is open; the kernel lets go of it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """ConfigError where another process has it; OSError where the folder cannot be written."""
        self._path = path = folder / LOCK
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._handle)
            raise ConfigError(
                f"{folder} is in use by another daemon (process {holder}); each needs a spool of its own, "
                "also of several NodeNames on one host",
                key="spool.path",
            ) from error
        # Only for that message, so that a full disk does not matter.
        with suppress(OSError):
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, b"%d\n" % os.getpid(), 0)

    @property
    def holds(self) -> bool:
        """Whether the file is still where others look for it."""
        try:
            return os.path.samestat(os.fstat(self._handle), os.lstat(self._path))
        except OSError:
            return False

    def close(self) -> None:
        os.close(self._handle)


def make_folder(folder: Path) -> None:
    """Make it lasting, too. Raises OSError; the folder above is systemd's or the admin's to make."""
    try:
        folder.mkdir(mode=0o750)
    except FileExistsError:
        return
    synchronise(folder.parent)


def synchronise(folder: Path) -> None:
    """Names in it are there after a power loss; raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def set_aside(folder: Path, reason: str, wall_ns: int) -> Path:
    """Rename the database and its WAL so that a new one can begin; returns the new name. Raises OSError."""
    aside = folder / f"{DATABASE}.{reason}-{wall_ns // 1_000_000_000}"
    while aside.exists():
        aside = aside.with_name(f"{aside.name}+")
    # The database last: SQLite would work a WAL that was left behind into the new one.
    for companion in reversed(COMPANIONS):
        with suppress(FileNotFoundError):
            os.rename(folder / f"{DATABASE}{companion}", f"{aside}{companion}")
    return aside


def forget_older(folder: Path) -> list[Path]:
    """Remove all but the youngest of what was set aside; returns the databases that were removed."""
    aside = sorted(
        (path for path in folder.glob(f"{DATABASE}.*-*") if not path.name.endswith(COMPANIONS[1:])),
        key=lambda path: (path.stat().st_mtime_ns, path.name),
        reverse=True,
    )
    for path in aside[ASIDE_KEPT:]:
        for companion in COMPANIONS:
            with suppress(FileNotFoundError):
                os.unlink(f"{path}{companion}")
    return aside[ASIDE_KEPT:]
