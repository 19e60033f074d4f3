"""Block I/O of a job by its processes, where the kernel keeps no count for the job (v1, and v2 without `io`).

Owns, per job, the newest `read_bytes` and `write_bytes` of every process seen and what the dead did that no living one
counts, so the sum never falls. The kernel adds what a waited-for child did to its parent's own counters
(`wait_task_zombie` in kernel/exit.c), so what the dead did is added here only as far as the survivors did not grow
meanwhile, and a zombie still counts for itself. The figure is never more than was done; it is a lower bound and
labelled PROCESSES: what a process did after it was last looked at is unseen, and a survivor's own growth may hide a
dead one's. Reading another user's `/proc/PID/io` needs ptrace rights; without them there is no figure at all rather
than a part of one. Walks the job's folders, so it belongs into the slow tier. Source: proc_pid_io(5). Used by `engine`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from slurmlens.cgroup.reading import Reading, reading_of
from slurmlens.errors import ReaderError

PROCESS_IO_FORBIDDEN = "process_io_forbidden"
_PROCS_LIMIT_BYTES = 256 * 1024
_DEPTH = 3
"""Job, step, task: no layout goes deeper below the folder that counts a job."""


class Bytes(msgspec.Struct, frozen=True):
    """What was read from and written to block devices."""

    read: int = 0
    written: int = 0

    def __add__(self, other: Bytes) -> Bytes:
        return Bytes(self.read + other.read, self.written + other.written)

    def beyond(self, other: Bytes) -> Bytes:
        """What this is more than `other`, never below zero."""
        return Bytes(max(0, self.read - other.read), max(0, self.written - other.written))

    def is_less_than(self, other: Bytes) -> bool:
        """Whether one of both fell: a process's counters never do, so it is another process."""
        return self.read < other.read or self.written < other.written


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
        found = self._of(pids_below(self._folder, _DEPTH))
        if not found and not self._living and self._gone == Bytes():
            return None
        missing = {pid for pid, before in self._living.items() if pid not in found or found[pid].is_less_than(before)}
        if missing:
            self._settle(missing, found)
        self._living = found
        whole = sum(found.values(), self._gone)
        return reading_of({"io_read_bytes": whole.read, "io_written_bytes": whole.written})

    def _settle(self, missing: set[int], found: dict[int, Bytes]) -> None:
        """Add to the sum what the dead did, as far as no survivor may count it; `found` is of now and is brought up to
        date. A zombie is kept; one that is waited for this very moment is left out, for it may be on either side.
        """
        zombies = set(filter(self._is_zombie, missing - found.keys()))
        # Read again, after the dead were missed: by now whoever waited for them has what they did.
        found |= self._of(pid for pid in found if pid in self._living)
        grown = sum((found[pid].beyond(before) for pid, before in self._living.items() if pid in found), Bytes())
        dead = sum((self._living[pid] for pid in missing - zombies), Bytes())
        self._gone += dead.beyond(grown)
        found |= {pid: self._living[pid] for pid in zombies if self._is_zombie(pid)}

    def _of(self, pids: Iterable[int]) -> dict[int, Bytes]:
        """What each of them did, parents before their children (but for a wrap of the numbers)."""
        moved = ((pid, _moved(self._proc / str(pid) / "io")) for pid in sorted(pids))
        return {pid: one for pid, one in moved if one is not None}

    def _is_zombie(self, pid: int) -> bool:
        """Whether it is dead and nobody has waited for it yet; it stands in no `cgroup.procs` of v2 any more."""
        try:
            text = (self._proc / str(pid) / "stat").read_text("ascii", "replace")
        except OSError:
            return False
        return text.rpartition(")")[2].split()[:1] == ["Z"]


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


def pids_below(folder: Path, depth: int) -> Iterator[int]:
    """The processes in a cgroup's folder and in those below it, so many levels deep."""
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
        yield from pids_below(path, depth - 1)
