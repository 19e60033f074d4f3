"""Block I/O of a job by its processes, where the kernel keeps no count for the job (v1, and v2 without `io`).

Owns, per job, the newest `read_bytes` and `write_bytes` of every process seen and the sum over those that are gone, so
the sum never falls. What a process did after it was last looked at is unseen: the figure is a lower bound and labelled
PROCESSES. Reading another user's `/proc/PID/io` needs ptrace rights; without them there is no figure at all rather
than a part of one. Walks the job's folders, so it belongs into the slow tier. Source: proc_pid_io(5). Used by `engine`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from slurmlens.cgroup.reading import Reading, reading_of
from slurmlens.errors import ReaderError

_PROCS_LIMIT_BYTES = 256 * 1024
_DEPTH = 3
"""Job, step, task: no layout goes deeper below the folder that counts a job."""


class Bytes(msgspec.Struct, frozen=True):
    """What was read from and written to block devices."""

    read: int = 0
    written: int = 0

    def __add__(self, other: Bytes) -> Bytes:
        return Bytes(self.read + other.read, self.written + other.written)


class ProcessIo:
    """The processes of one job and what they moved."""

    def __init__(self, proc: Path, job_folder: Path) -> None:
        self._proc = proc
        self._folder = job_folder
        self._living: dict[int, Bytes] = {}
        self._gone = Bytes()

    def read(self) -> Reading | None:
        """The sum now, as a reading of the two I/O fields; None before any process was seen.

        Raises ReaderError where a process may not be looked at.
        """
        found: dict[int, Bytes] = {}
        for pid in _pids(self._folder, _DEPTH):
            moved = _moved(self._proc / str(pid) / "io")
            if moved is not None:
                found[pid] = moved
        if not found and not self._living and self._gone == Bytes():
            return None
        for pid, before in self._living.items():
            now = found.get(pid)
            if now is None or now.read < before.read or now.written < before.written:
                self._gone += before
        self._living = found
        whole = sum(found.values(), self._gone)
        return reading_of({"io_read_bytes": whole.read, "io_written_bytes": whole.written})


def parse_io(text: str) -> Bytes | None:
    """The block I/O in the text of `/proc/PID/io`; None where it does not say both."""
    values: dict[str, int] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key in ("read_bytes", "write_bytes") and value.strip().isascii() and value.strip().isdecimal():
            values[key] = int(value)
    if len(values) < 2:
        return None
    return Bytes(values["read_bytes"], values["write_bytes"])


def _moved(path: Path) -> Bytes | None:
    """None for a process that is gone. Raises ReaderError without the right: there is no honest sum then."""
    try:
        return parse_io(path.read_text("ascii", "replace"))
    except PermissionError as error:
        raise ReaderError(f"{path}: {error.strerror}", errno=error.errno or errno.EACCES) from error
    except OSError:
        return None


def _pids(folder: Path, depth: int) -> Iterator[int]:
    try:
        with (folder / "cgroup.procs").open("rb") as file:
            words = file.read(_PROCS_LIMIT_BYTES).split()
    except OSError:
        words = []
    yield from (int(word) for word in words if word.isdigit())
    if depth == 0:
        return
    try:
        with os.scandir(folder) as entries:
            below = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for path in below:
        yield from _pids(path, depth - 1)
