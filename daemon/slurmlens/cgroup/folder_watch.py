"""Tells at once when a folder appears or vanishes in one of the folders watched, or a file that is watched changes
(inotify, which cgroup file systems have; of their files, those that the kernel says it notifies of).

Owns the inotify descriptor. It is a convenience, not a promise: a watch may be refused, the kernel's queue may
overflow, inotify may be used up on this machine. All that is visible (`active`, `lost`) and never an error; whoever
uses this looks for himself from time to time as well. Feeds `node.rediscover`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from asyncinotify import Inotify, Mask

_MASK = Mask.CREATE | Mask.DELETE | Mask.ONLYDIR
_FILE_MASK = Mask.MODIFY


class FolderChanges(msgspec.Struct, frozen=True):
    """The folders that appeared or vanished, the files that changed; `lost` when the kernel dropped some, so that only
    a full look helps."""

    paths: frozenset[Path]
    lost: bool = False
    files: frozenset[Path] = frozenset()


NOTHING = FolderChanges(frozenset())


class FolderWatch:
    """Watches folders for folders. Needs a running event loop; use as a context manager."""

    def __init__(self) -> None:
        self._inotify: Inotify | None = None
        self._stirred = asyncio.Event()
        self.refused = 0
        """Watches that the kernel refused (ENOSPC: fs.inotify.max_user_watches)."""

    @property
    def active(self) -> bool:
        """Whether the kernel tells us anything at all."""
        return self._inotify is not None

    def __enter__(self) -> FolderWatch:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Begins, or tries again where inotify was used up before (EMFILE: fs.inotify.max_user_instances)."""
        if self._inotify is not None:
            return
        try:
            self._inotify = Inotify(sync_timeout=0)
        except OSError:
            return
        asyncio.get_running_loop().add_reader(self._inotify.fd, self._stirred.set)

    def close(self) -> None:
        """Ends all watches; twice is once."""
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fd)
            self._inotify.close()
            self._inotify = None

    def add(self, folder: Path) -> None:
        """Watches `folder`. One that has gone is passed over: its parent's watch tells of that."""
        self._add(folder, _MASK)

    def _add(self, path: Path, mask: Mask) -> None:
        if self._inotify is None:
            return
        try:
            self._inotify.add_watch(path, mask)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError:
            self.refused += 1

    def add_file(self, file: Path) -> None:
        """Watches the content of `file`. One that is not there is passed over."""
        self._add(file, _FILE_MASK)

    async def wait(self, timeout_s: float) -> FolderChanges:
        """Waits for the first change, at most so long, and returns all there are by then."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._stirred.wait()
        except TimeoutError:
            return NOTHING
        self._stirred.clear()
        return self._drain()

    def _drain(self) -> FolderChanges:
        if self._inotify is None:
            return NOTHING
        paths: set[Path] = set()
        files: set[Path] = set()
        lost = False
        for event in self._inotify:
            lost = lost or bool(event.mask & Mask.Q_OVERFLOW)
            if event.mask & Mask.ISDIR and event.path is not None:
                paths.add(Path(event.path))
            elif event.mask & _FILE_MASK and event.path is not None:
                files.add(Path(event.path))
        return FolderChanges(frozenset(paths), lost, frozenset(files))
