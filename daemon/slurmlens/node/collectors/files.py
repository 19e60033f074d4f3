"""Reads small files of procfs and sysfs with descriptors that are kept from round to round.

Owns the descriptors, at most `MOST_OPEN`. Invariants: what is not there, not readable, gone (ENODEV) or no number is
None, never 0 and never an exception; a descriptor whose file was not asked for during a round is given back by `sweep`.
A `pread` from 0 makes procfs and sysfs tell anew (fs/seq_file.c, fs/kernfs/file.c). `root` is "/" in service and a
made-up machine in tests. Used by the collectors, in their thread alone.
"""

import os
from typing import NamedTuple

MOST_OPEN = 4096
PIECE_BYTES = 16 * 1024
MOST_BYTES = 4 * 1024 * 1024
"""Of one file: a table of 10,000 devices or mounts; the rest is not read."""


class FileSystemSpace(NamedTuple):
    """What a file system has: in all, what users may still write, what is in use; inodes in all and free."""

    size_bytes: int
    available_bytes: int
    used_bytes: int
    files: int
    files_free: int

    @classmethod
    def at(cls, path: str) -> "FileSystemSpace":
        """By statvfs(3) of a mounted file system; OSError as it says."""
        told = os.statvfs(path)
        unit = told.f_frsize
        used_bytes = (told.f_blocks - told.f_bfree) * unit
        return cls(told.f_blocks * unit, told.f_bavail * unit, used_bytes, told.f_files, told.f_ffree)


class KeptFiles:
    """The files of one machine."""

    __slots__ = ("_asked", "_inodes", "_open", "_root")

    def __init__(self, root: str) -> None:
        self._root = root.rstrip("/")
        self._open: dict[str, int] = {}
        self._asked: set[str] = set()
        self._inodes: dict[str, int | None] = {}

    def text(self, path: str) -> str | None:
        """What stands in a file, whole; None where it cannot be read. `path` is below the root, without a slash."""
        for _ in range(2):
            descriptor = self._descriptor(path)
            if descriptor is None:
                return None
            try:
                return _read(descriptor).decode("utf-8", "replace")
            except OSError:  # its device is gone, and perhaps another one is there under its name
                self._close(path)
        return None

    def number(self, path: str) -> int | None:
        """The one whole number in a file, hexadecimal where it begins with 0x; None where it is none."""
        text = self.text(path)
        try:
            return None if text is None else int(text, 0 if text.lstrip().startswith("0x") else 10)
        except ValueError:
            return None

    def names(self, folder: str) -> list[str]:
        """What is in a folder, in order; nothing where there is none."""
        try:
            return sorted(os.listdir(f"{self._root}/{folder}"))
        except OSError:
            return []

    def space(self, mount_point: str) -> FileSystemSpace | None:
        """What a local file system has; None where it cannot be asked. Never of a network's, which may hang."""
        try:
            return FileSystemSpace.at(f"{self._root}{mount_point}")
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        """Whether it is there."""
        return os.path.exists(f"{self._root}/{path}")

    def target(self, path: str) -> str:
        """Where a symbolic link leads; "" where it is none."""
        try:
            return os.readlink(f"{self._root}/{path}")
        except OSError:
            return ""

    def is_another(self, folder: str) -> bool:
        """Whether a folder of sysfs is that of another device than when this was asked last; False the first time.

        A device that is renamed keeps its inode, and a descriptor that is kept stays that device's, whoever has its
        name now: those below the folder are given back then.
        """
        try:
            inode: int | None = os.stat(f"{self._root}/{folder}").st_ino
        except OSError:
            inode = None
        before = self._inodes.get(folder, inode)
        self._inodes[folder] = inode
        if len(self._inodes) > MOST_OPEN:
            del self._inodes[next(iter(self._inodes))]
        if before == inode:
            return False
        for path in [one for one in self._open if one.startswith(f"{folder}/")]:
            self._close(path)
        return True

    def sweep(self) -> None:
        """The round is over: give back what nobody asked for in it."""
        for path in self._open.keys() - self._asked:
            self._close(path)
        self._asked.clear()

    def close(self) -> None:
        """Give all back."""
        self._asked.clear()
        self.sweep()

    def _descriptor(self, path: str) -> int | None:
        self._asked.add(path)
        kept = self._open.get(path)
        if kept is not None:
            return kept
        if len(self._open) >= MOST_OPEN:
            self._close(next(iter(self._open)))
        try:
            descriptor = os.open(f"{self._root}/{path}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return None
        self._open[path] = descriptor
        return descriptor

    def _close(self, path: str) -> None:
        descriptor = self._open.pop(path, None)
        if descriptor is not None:
            os.close(descriptor)


def _read(descriptor: int) -> bytes:
    piece = os.pread(descriptor, PIECE_BYTES, 0)
    if not piece:
        return piece
    found = [piece]
    size = len(piece)
    while piece and size < MOST_BYTES:
        piece = os.pread(descriptor, PIECE_BYTES, size)
        found.append(piece)
        size += len(piece)
    return b"".join(found)
