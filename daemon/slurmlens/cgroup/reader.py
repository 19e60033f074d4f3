"""Reads the counters of many cgroups in one call: the only importer of the C extension `slurmlens._cgroup`.

Owns kept file descriptors and the buffers that readings arrive in. Invariants: one `pread` per file per sample;
nothing is opened, allocated or written while reading; the GIL is released for the whole call; a file that is not
there, says `max`, is empty, damaged or too long leaves its fields *unavailable*, never 0, and spoils no other file
and no other cgroup.

Cgroups may be opened, completed and closed by any thread; a batch is read by one thread at a time. Closing during a
read takes effect when that read is over. Fed by `tree` and `sighting` (places); feeds `node.sampler`.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from slurmlens._cgroup import ffi, lib
from slurmlens.cgroup.child_events import KILLED, event_files_of_job, event_files_of_step
from slurmlens.cgroup.layout import CgroupPlace, Hierarchy
from slurmlens.cgroup.reading import GONE_ERRORS, RECORD_WORDS, Reading, field_mask, field_names
from slurmlens.errors import ReaderError
from slurmlens.metrics import FIELD_INDEX, FIELDS, Tier

FAST_TICK = frozenset({Tier.FAST})
FULL_TICK = frozenset({Tier.FAST, Tier.SLOW})
ALL_FIELDS = frozenset(FIELD_INDEX)
CPU_USAGE = frozenset({"cpu_usage_ns"})
STEP_FIELDS = frozenset(
    {"cpu_usage_ns", "cpu_user_ns", "cpu_system_ns", "memory_current_bytes", "memory_peak_bytes", KILLED}
)
"""What `events.StepTotals` is made of, and what dead steps used is found by (`node.sampler.parent_remainder`)."""

EVENT_FILES_MAX = 256
"""Of a v1 job's steps and tasks. Where there are more, its OOM kills are unavailable: part of a sum is not the sum."""

EventFiles = Callable[[Path], Iterable[tuple[str, str]]]

_TIER_BIT = {Tier.FAST: lib.SL_TIER_FAST, Tier.SLOW: lib.SL_TIER_SLOW}
_HIERARCHY = {Hierarchy.V1: lib.SL_V1, Hierarchy.V2: lib.SL_V2}
_OPEN_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


class OpenCgroup:
    """One cgroup's kept descriptors. Made by a `CgroupReader`; `close` it when its job or step has gone."""

    def __init__(
        self,
        reader: CgroupReader,
        hierarchy: int,
        folders: tuple[Path, ...],
        fields: Collection[str],
        event_files: EventFiles | None,
    ) -> None:
        self._reader = reader
        self._folders = folders
        self._event_files = event_files
        self._events_open: set[str] = set()
        self._event_space: Any = None
        self._group = ffi.new("struct sl_group *")
        lib.sl_init(self._group, hierarchy, field_mask(fields))
        self._closer = weakref.finalize(self, lib.sl_close, self._group)

    @property
    def folder(self) -> Path:
        """The cgroup's folder (on v1 the one in cpuacct)."""
        return self._folders[0]

    @property
    def fields(self) -> frozenset[str]:
        """The fields whose files are open."""
        return field_names(lib.sl_open_fields(self._group))

    @property
    def missing(self) -> frozenset[str]:
        """The wanted fields that this hierarchy could give but whose file was not there so far."""
        return field_names(self._group.wanted & lib.sl_hierarchy_fields(self._hierarchy)) - self.fields

    @property
    def _hierarchy(self) -> int:
        return int(self._group.hierarchy)

    @property
    def closed(self) -> bool:
        return not self._closer.alive

    def complete(self) -> bool:
        """Opens what has appeared since, True when something was added.

        v1 makes a job's folders one after the other, tasks come after their step, controllers may be switched on
        late: call this at the dense samples after the birth of a job or step, and where `missing` is not empty at
        slow ticks. Raises ReaderError when the process is out of descriptors or memory; what was opened before that
        stays open.
        """
        if self.closed:
            return False
        with self._reader.quiet():
            opened = sum(self._open_folder(index, path) for index, path in enumerate(self._folders))
            return self._open_events() or opened > 0

    def close(self) -> None:
        """Gives the descriptors back; twice is once."""
        self._reader.close_when_quiet(self._closer)

    def _open_folder(self, index: int, path: Path) -> int:
        """How many files were opened there: none where the folder is not there, or is another cgroup of the same
        name."""
        try:
            directory = os.open(path, _OPEN_FOLDER)
        except OSError as error:
            return _none_or_raise(path, error.errno or errno.EIO)
        try:
            opened = int(lib.sl_open_files(self._group, index, directory))
        finally:
            os.close(directory)
        return opened if opened >= 0 else _none_or_raise(path, -opened)

    def _open_events(self) -> bool:
        """v1: adds the event files of steps and tasks that appeared since."""
        if self._event_files is None:
            return False
        files = self._event_files(self._folders[-1])
        there = {name: field for field, name in files if self._group.wanted >> FIELD_INDEX[field] & 1}
        self._events_open &= there.keys()
        fresh = [(field, name) for name, field in there.items() if name not in self._events_open]
        if not fresh or not self._give_event_space(len(fresh)):
            return False
        return sum(self._open_event(field, name) for field, name in fresh) > 0

    def _give_event_space(self, more: int) -> bool:
        if len(self._events_open) + more > EVENT_FILES_MAX:
            self._group.wanted &= ~field_mask({"oom_kill_events", "memory_max_events"})
            return False
        needed = int(self._group.children) + more
        if needed > int(self._group.child_space):
            space = ffi.new("struct sl_child_event[]", max(8, 2 * needed))
            lib.sl_give_child_space(self._group, space, max(8, 2 * needed))
            self._event_space = space
        return True

    def _open_event(self, field: str, name: str) -> bool:
        path = self._folders[-1] / name
        try:
            descriptor = os.open(path, _OPEN_FILE)
        except OSError as error:
            return bool(_none_or_raise(path, error.errno or errno.EIO))
        if lib.sl_add_child_event(self._group, FIELD_INDEX[field], descriptor) != 0:
            os.close(descriptor)
            return False
        self._events_open.add(sys.intern(name))  # hundreds of jobs have files of the same few names
        return True


class ReadingBatch:
    """A fixed list of open cgroups that are read together, and the records of their last reading.

    `words` is all records as one flat array of 64-bit words, `RECORD_WORDS` each (see `reading`): the cheap way in for
    whoever handles hundreds of cgroups a tick. It is overwritten by the next `read`. `ends` are the places behind the
    last cgroup of each part within which there is no rest; all are one part where there are none.
    """

    def __init__(self, reader: CgroupReader, cgroups: Sequence[OpenCgroup], ends: Sequence[int] = ()) -> None:
        self._reader = reader
        self.cgroups = tuple(cgroups)
        count = len(self.cgroups)
        self._ends = ffi.new("size_t[]", list(ends) or [count])
        self._groups = ffi.new("struct sl_group *[]", [cgroup._group for cgroup in self.cgroups] or 1)
        self.records = ffi.new("struct sl_reading[]", max(count, 1))
        self.words = memoryview(ffi.buffer(self.records)).cast("B").cast("Q")

    def __len__(self) -> int:
        return len(self.cgroups)

    def read(self, tiers: frozenset[Tier] = FAST_TICK, *, busy_ns: int = 0, rest_ns: int = 0) -> None:
        """Reads all of them in one call, off the CPU for `rest_ns` after each part with which it was `busy_ns` on it,
        and at the end. A closed or vanished one reads as gone; this never raises for what a file says."""
        mask = 0
        for tier in tiers:
            mask |= _TIER_BIT[tier]
        with self._reader.quiet():
            lib.sl_read_in_parts(self._groups, self._ends, len(self._ends), mask, self.records, busy_ns, rest_ns)

    def reading(self, index: int) -> Reading:
        """A copy of one cgroup's record."""
        words = self.words[index * RECORD_WORDS : (index + 1) * RECORD_WORDS].tolist()
        record = self.records[index]
        return Reading(tuple(words[: len(FIELDS)]), words[len(FIELDS)], record.error, record.failed_files)

    def readings(self) -> Iterator[Reading]:
        """Copies of all records, in the order of `cgroups`."""
        return (self.reading(index) for index in range(len(self.cgroups)))

    def gone(self) -> tuple[int, ...]:
        """Indexes of the cgroups that were found gone: close them and make a new batch without them."""
        return tuple(index for index in range(len(self.cgroups)) if self.records[index].error in GONE_ERRORS)


class CgroupReader:
    """Opens cgroups and reads them; keeps the peace between the thread that reads and those that open and close."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._to_close: list[Callable[[], object]] = []

    def open(self, place: CgroupPlace, fields: Collection[str] = ALL_FIELDS) -> OpenCgroup:
        """Opens the files of one cgroup for the given fields (fewer fields, fewer descriptors: `CPU_USAGE` for a
        parent).

        What is not there (yet) is not an error, not even the folder: see `OpenCgroup.missing` and `complete`. Raises
        ReaderError when the process is out of descriptors or memory; then nothing stays open.
        """
        return self._open(_HIERARCHY[place.hierarchy], _folders(place), fields, None)

    def open_job(self, place: CgroupPlace, fields: Collection[str] = ALL_FIELDS) -> OpenCgroup:
        """As `open`, for a job: on v1 its refused charges are summed over its steps, at full ticks (`complete` finds
        those that came later), and its OOM kills are unavailable: they are its steps' (`tick.Member.job_account`)."""
        if place.hierarchy is Hierarchy.V1:
            fields = frozenset(fields) - {KILLED}
        return self._open(_HIERARCHY[place.hierarchy], _folders(place), fields, event_files_of_job)

    def open_step(self, place: CgroupPlace, fields: Collection[str] = STEP_FIELDS) -> OpenCgroup:
        """As `open`, for a step, of which less is told than of a job: on v1 its OOM kills are summed over its tasks."""
        return self._open(_HIERARCHY[place.hierarchy], _folders(place), fields, event_files_of_step)

    def open_node_pressure(self, proc: Path) -> OpenCgroup:
        """The whole node's pressure (`/proc/pressure`), as a cgroup that offers the `pressure_*` fields alone. Label
        it NODE."""
        return self._open(lib.SL_NODE_PRESSURE, (proc / "pressure",), ALL_FIELDS, None)

    def batch(self, cgroups: Sequence[OpenCgroup]) -> ReadingBatch:
        """Binds cgroups and buffers together; make a new one when the list changes."""
        return ReadingBatch(self, cgroups)

    def read(self, cgroups: Sequence[OpenCgroup], tiers: frozenset[Tier] = FAST_TICK) -> tuple[Reading, ...]:
        """Reads cgroups once, in one call: for the odd reading; regular ones go through a `batch`."""
        batch = self.batch(cgroups)
        batch.read(tiers)
        return tuple(batch.readings())

    def quiet(self) -> _Quiet:
        """While this is held no other thread reads, opens or closes; closings that came meanwhile happen at its end."""
        return _Quiet(self._lock, self._to_close)

    def close_when_quiet(self, closer: Callable[[], object]) -> None:
        """Closes at once, or at the end of the read that is going on; never waits."""
        self._to_close.append(closer)
        if self._lock.acquire(blocking=False):
            with _Quiet(self._lock, self._to_close, held=True):
                pass

    def _open(
        self, hierarchy: int, folders: tuple[Path, ...], fields: Collection[str], events: EventFiles | None
    ) -> OpenCgroup:
        cgroup = OpenCgroup(self, hierarchy, folders, fields, events if hierarchy == lib.SL_V1 else None)
        try:
            cgroup.complete()
        except ReaderError:
            cgroup.close()
            raise
        return cgroup


class _Quiet:
    """The reader's lock, which closes at its release what nobody could close while it was held."""

    def __init__(self, lock: threading.Lock, to_close: list[Callable[[], object]], *, held: bool = False) -> None:
        self._lock = lock
        self._to_close = to_close
        self._held = held

    def __enter__(self) -> None:
        if not self._held:
            self._lock.acquire()

    def __exit__(self, *_exception: object) -> None:
        while True:
            while self._to_close:
                self._to_close.pop()()
            self._lock.release()
            # Who closed between the last look at the list and the release found the lock taken and left it to us.
            if not self._to_close or not self._lock.acquire(blocking=False):
                return


def _folders(place: CgroupPlace) -> tuple[Path, ...]:
    return (place.cpu, place.memory) if place.hierarchy is Hierarchy.V1 else (place.cpu,)


def _none_or_raise(path: Path, error: int) -> int:
    if error in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        raise ReaderError(
            f"{path}: cannot be opened: {os.strerror(error)}; raise LimitNOFILE= or watch fewer jobs", errno=error
        )
    return 0
