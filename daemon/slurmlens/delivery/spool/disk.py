"""The spool's thread: opens the file where it can, sets aside what cannot be used, and does what it is asked in order.

Owns the thread, the lock and the store. Invariants: the event loop never waits for a disk; whatever goes wrong is a
SpoolError (a second daemon on the same spool a ConfigError); a file that is of no use is kept under a name that says
why, and the next `open` begins a new one. Used by `spool`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from slurmlens.clock import Clock
from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool import place
from slurmlens.delivery.spool.store import Contents, Row, SpoolChange, SpoolStore, reason_of
from slurmlens.errors import SpoolError
from slurmlens.runtime.file_systems import Durability, durability_of
from slurmlens.telemetry.internal import InternalEvent, Reporter

T = TypeVar("T")

_OF_NO_USE = frozenset({"corrupt", "foreign", "version"})
"""Reasons for which a file is set aside."""

SET_ASIDE = InternalEvent(
    "spool_set_aside",
    logging.ERROR,
    "{path} cannot be used ({reason}: {problem}); it is kept as {aside} and a new one begins. What it held is not sent",
    ("reason",),
)
ASIDE_REMOVED = InternalEvent("spool_aside_removed", logging.WARNING, "{path}, set aside long ago, was removed")


class Disk:
    """One spool folder; every method is for the event loop's thread."""

    def __init__(self, folder: Path, clock: Clock, reporter: Reporter, *, proc_root: Path = Path("/proc")) -> None:
        self.folder = folder
        self.durability = Durability.LASTING
        self._clock = clock
        self._reporter = reporter
        self._proc_root = proc_root
        self._lock: place.FolderLock | None = None
        self._store: SpoolStore | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")

    @property
    def is_open(self) -> bool:
        """False before `open`, and after an error that says the file is of no use or gone: then `open` again."""
        return self._store is not None

    async def open(self) -> Contents:
        """Open the file, or a new one; returns what it holds. `durability` is known afterwards.

        Raises SpoolError, of reason `network` where the place is of no use for ever; ConfigError where another
        daemon has it.
        """
        return await self._in_thread(self._open)

    async def apply(self, change: SpoolChange) -> None:
        """See `SpoolStore.apply`."""
        await self._in_thread(lambda: self._apply(change))

    async def read(self, stream: Stream, first: int, last: int) -> list[Row]:
        """See `SpoolStore.read`."""
        return await self._in_thread(lambda: self._with_store(lambda store: store.read(stream, first, last)))

    async def close(self) -> None:
        """Finish what was asked, then let go of the file and of the lock."""
        await self._in_thread(self._close)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- in the thread

    def _open(self) -> Contents:
        self._close_store()
        self.durability, kind = durability_of(self.folder, self._proc_root)
        if self.durability is Durability.NETWORK:
            raise SpoolError(f"{self.folder} is on a network file system ({kind})", reason="network")
        try:
            place.make_folder(self.folder)
            self._take_lock()
        except OSError as error:
            raise SpoolError(f"{self.folder}: {error.strerror}", reason=reason_of(error)) from error
        try:
            return self._open_store()
        except SpoolError as error:
            if error.reason not in _OF_NO_USE:
                raise
            self._set_aside(error)
        return self._open_store()

    def _take_lock(self) -> None:
        if self._lock is not None and not self._lock.holds:
            self._lock.close()
            self._lock = None
        if self._lock is None:
            self._lock = place.FolderLock(self.folder)

    def _open_store(self) -> Contents:
        store = SpoolStore(self.folder / place.DATABASE)
        try:
            contents = store.contents()
        except SpoolError:
            store.close()
            raise
        self._store = store
        return contents

    def _apply(self, change: SpoolChange) -> None:
        self._with_store(lambda store: store.apply(change))
        # The change is done; whether the file becomes shorter is another matter.
        if self._store is not None:
            with suppress(SpoolError):
                self._store.give_back_space()

    def _with_store(self, work: Callable[[SpoolStore], T]) -> T:
        if self._store is None:
            raise SpoolError(f"{self.folder}: is not open", reason="closed")
        try:
            return work(self._store)
        except SpoolError as error:
            if error.reason == "removed" or error.reason in _OF_NO_USE:
                self._close_store()
            if error.reason in _OF_NO_USE:
                self._set_aside(error)
            raise

    def _set_aside(self, error: SpoolError) -> None:
        """Where even this cannot be done, the next `open` finds the same file and tries again."""
        path = self.folder / place.DATABASE
        try:
            aside = place.set_aside(self.folder, error.reason, self._clock.wall_ns())
            self._reporter.report(SET_ASIDE, path=path, reason=error.reason, problem=error, aside=aside.name)
            for old in place.forget_older(self.folder):
                self._reporter.report(ASIDE_REMOVED, path=old)
        except OSError as failure:
            raise SpoolError(
                f"{error}, and it cannot be set aside: {failure.strerror}", reason=reason_of(failure)
            ) from failure

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _close(self) -> None:
        self._close_store()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
