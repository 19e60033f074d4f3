"""Appends events to a file, one JSON document a line, and turns it over at a stated size.

Owns the file. Invariants: a line is acknowledged only when it is on the disk (fdatasync); after a failure the file ends
with its last whole line, so a torn line never precedes a good one. Old files are `.1` (the youngest), `.2`, …
Driven by `delivery`; blocking work is done in a thread.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from slurmlens.config.sinks import FileSinkConfig
from slurmlens.errors import DeliveryError

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_MODE = 0o640


class FileSink:
    """Writes NDJSON to a file."""

    name = "file"

    def __init__(self, config: FileSinkConfig) -> None:
        self._config = config
        self._handle: int | None = None

    async def deliver(self, payload: bytes, count: int) -> int:
        """See `delivery.Sink`."""
        try:
            await asyncio.to_thread(self._append, payload)
        except OSError as error:
            await self.aclose()
            raise DeliveryError(f"{self._config.path}: {error.strerror}", reason="file") from error
        return count

    async def aclose(self) -> None:
        """See `delivery.Sink`."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def _append(self, payload: bytes) -> None:
        handle = self._opened()
        size_bytes = os.fstat(handle).st_size
        if size_bytes and size_bytes + len(payload) > self._config.rotate_bytes:
            os.close(handle)
            self._handle = None
            _turn_over(self._config.path, self._config.keep)
            handle, size_bytes = self._opened(), 0
        try:
            _write_all(handle, payload)
            os.fdatasync(handle)
        except OSError:
            with suppress(OSError):
                os.ftruncate(handle, size_bytes)
            raise

    def _opened(self) -> int:
        """The open file; again where someone has moved it away meanwhile (logrotate does)."""
        path = self._config.path
        if self._handle is not None and _is_at(self._handle, path):
            return self._handle
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        self._handle = os.open(path, _FLAGS, _MODE)
        _end_torn_line(self._handle)
        return self._handle


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except FileNotFoundError:
        return False


def _end_torn_line(handle: int) -> None:
    """Whoever was killed while writing left half a line: it stays, broken, on a line of its own."""
    size_bytes = os.fstat(handle).st_size
    if size_bytes and os.pread(handle, 1, size_bytes - 1) != b"\n":
        _write_all(handle, b"\n")


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _turn_over(path: Path, keep: int) -> None:
    """Make room at `path`: each old file one number up, the last falls off."""
    names = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, keep + 1))]
    if keep == 0:
        os.unlink(path)
    for older, younger in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
        with suppress(FileNotFoundError):
            os.replace(younger, older)
