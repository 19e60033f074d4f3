"""One log file that is followed: what is new in it, whatever is done to it meanwhile.

Owns the descriptor and the position. A file that was renamed is read to its end before the one that took its place (the
next by the time of its last change, should there have been several meanwhile), and
for `FORMER_KEPT_S` what is still written into it (a slurmstepd keeps its log open) is read as well. A file that became
shorter, or begins with other bytes than before, was truncated: it begins anew, and that is reported, for what nobody
had read of it is gone. A position that was left by an earlier daemon is taken up in the file of that inode, under
whichever name it has by now in the same folder. Lines of Slurm's daemons that do not begin with `[` belong to the one
before.
Driven by `files`, which has it begin once and asks now and then; reads little at a time and never waits.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.node.log_inputs.positions import Position
from slurmlens.telemetry.internal import InternalEvent, Reporter, lasting
from slurmlens.wire.log_documents import MAX_MESSAGE_BYTES

READ_BYTES = 64 * 1024
HEAD_BYTES = 64
FORMER_KEPT_S = 60.0
_COMPRESSED = frozenset({".gz", ".xz", ".bz2", ".zst"})
ABSENT: Position = {"absent": 1}
"""The position in a file that is not there yet: what comes is new, also to the next daemon."""

MOST_FORMER = 4
MOST_HELD_BYTES = 2 * MAX_MESSAGE_BYTES

UNREADABLE = lasting("log_file_unreadable", logging.WARNING, "{path}: {problem}; its lines are not sent")
TRUNCATED = InternalEvent(
    "log_file_truncated",
    logging.WARNING,
    "{path} was truncated: it is read from its beginning, and what was written behind byte {offset} before is lost",
)
ROTATED_AWAY = InternalEvent(
    "log_file_rotated_away",
    logging.ERROR,
    "{path}: the file that was read last is not there any more; what was written into it meanwhile is lost",
)


class FileLine(NamedTuple):
    """A line, or several that belong together; where it began makes its id."""

    raw: bytes
    inode: int
    generation: int
    offset: int


class FileRead(NamedTuple):
    """What one look found; `position` counts once the lines are safe, None for a file that was renamed before."""

    lines: list[FileLine]
    position: Position | None
    has_more: bool


class _OpenFile:
    """A descriptor, and how far it was read."""

    def __init__(self, descriptor: int, offset: int = 0, generation: int = 0, head: bytes = b"") -> None:
        self.descriptor = descriptor
        status = os.fstat(descriptor)
        self.device, self.inode = status.st_dev, status.st_ino
        self.offset = offset
        self.generation = generation
        self.head = head
        self.held: tuple[int, bytes] | None = None
        """The last message, to which more lines may belong, and where it began."""
        self.rest = b""
        """The beginning of a line, behind `held`; `offset` is where it begins."""

    def was_truncated(self) -> bool:
        """Whether what was read is not there any more."""
        read_upto = self.offset + len(self.rest)
        if os.fstat(self.descriptor).st_size < read_upto:
            return True
        return bool(self.head) and os.pread(self.descriptor, len(self.head), 0) != self.head

    def begin_anew(self) -> None:
        """From the first byte."""
        self.offset, self.generation, self.head = 0, self.generation + 1, b""
        self.held, self.rest = None, b""

    def lines(self, *, is_joined: bool) -> tuple[list[FileLine], bool]:
        """What is new, and whether there is more; the last message waits for the next look where lines are joined."""
        data = os.pread(self.descriptor, READ_BYTES, self.offset + len(self.rest))
        if not data:
            return self._let_go(), False
        if len(self.head) < HEAD_BYTES:
            self.head = os.pread(self.descriptor, HEAD_BYTES, 0)
        found: list[FileLine] = []
        for offset, raw in self._split(data):
            if not is_joined:
                found.append(self._line(offset, raw))
            elif self.held is not None and not raw.startswith((b"[", b"sched: [")) and self._has_room(raw):
                self.held = self.held[0], self.held[1] + b"\n" + raw
            else:
                found += self._let_go()
                self.held = offset, raw
        return found, len(data) == READ_BYTES

    def position(self) -> Position:
        """Where to go on: at the message that waits, else behind all that was given."""
        offset = self.offset if self.held is None else self.held[0]
        return {
            "device": self.device,
            "inode": self.inode,
            "offset": offset,
            "generation": self.generation,
            "head": self.head.hex(),
        }

    def close(self) -> None:
        os.close(self.descriptor)

    def _split(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Whole lines and where they begin; one without end is given in pieces."""
        *whole, rest = (self.rest + data).split(b"\n")
        for raw in whole:
            offset, self.offset = self.offset, self.offset + len(raw) + 1
            if raw:
                yield offset, raw
        while len(rest) > MAX_MESSAGE_BYTES:
            offset, self.offset = self.offset, self.offset + MAX_MESSAGE_BYTES
            yield offset, rest[:MAX_MESSAGE_BYTES]
            rest = rest[MAX_MESSAGE_BYTES:]
        self.rest = rest

    def _has_room(self, raw: bytes) -> bool:
        return self.held is not None and len(self.held[1]) + len(raw) < MOST_HELD_BYTES

    def _let_go(self) -> list[FileLine]:
        held, self.held = self.held, None
        return [] if held is None else [self._line(*held)]

    def _line(self, offset: int, raw: bytes) -> FileLine:
        return FileLine(raw, self.inode, self.generation, offset)


class FollowedFile:
    """One path. `is_joined`: lines that do not begin with a time belong to the one before."""

    def __init__(
        self,
        path: Path,
        position: Position | None,
        *,
        from_beginning: bool,
        is_joined: bool,
        clock: Clock,
        reporter: Reporter,
    ) -> None:
        self.path = path
        self._is_joined = is_joined
        self._clock = clock
        self._reporter = reporter
        self._file: _OpenFile | None = None
        self._former: list[tuple[int, _OpenFile]] = []
        """Files that were renamed, and until when they are kept."""
        self._left: os.stat_result | None = None
        """What the file was like that was read to its end last."""
        self._is_known = position is not None
        self._position = None if position == ABSENT else position
        self._begins_at_end = position is None and not from_beginning

    def begin(self) -> Position | None:
        """Where reading begins, in a file of which nothing is known; None where an earlier daemon left its place."""
        if self._is_known:
            return None
        self._is_known = True
        try:
            self._file = self._first()
        except OSError:
            return None  # the first read reports it
        return ABSENT if self._file is None else self._file.position()

    def read(self) -> FileRead:
        """What is new, a bounded piece of it; call again at once where there is more."""
        try:
            return self._read()
        except OSError as error:
            self._reporter.report(UNREADABLE, path=self.path, problem=error.strerror or str(error))
            return FileRead([], None, False)

    def read_former(self) -> FileRead:
        """What was written into files that were renamed meanwhile."""
        lines: list[FileLine] = []
        for until_ns, file in list(self._former):
            lines += file.lines(is_joined=self._is_joined)[0]
            if self._clock.monotonic_ns() > until_ns:
                self._former.remove((until_ns, file))
                file.close()
        return FileRead(lines, None, False)

    def close(self) -> None:
        """Let go of all descriptors."""
        for file in [*([self._file] if self._file else []), *(file for _, file in self._former)]:
            file.close()
        self._file, self._former = None, []

    def _read(self) -> FileRead:
        file = self._file
        if file is None:
            file = self._file = self._first()
            if file is None:
                return FileRead([], ABSENT if self._position is None else None, False)
        if file.was_truncated():
            self._reporter.report(TRUNCATED, path=self.path, offset=file.offset)
            file.begin_anew()
        lines, has_more = file.lines(is_joined=self._is_joined)
        position = file.position()
        if not has_more and not lines and self._is_replaced(file):
            self._keep_former(file)
            self._file = None
            return FileRead([], None, True)
        return FileRead(lines, position, has_more)

    def _first(self) -> _OpenFile | None:
        """The file to begin with, or to go on with after one was renamed; None while there is none."""
        position, self._position = self._position, None
        if position is not None and (found := self._by_position(position)) is not None:
            return found
        try:
            file = _OpenFile(_opened(self._next_path()))
        except FileNotFoundError:
            self._position, self._begins_at_end = position, False  # what appears later is new
            return None
        if position is not None:
            self._reporter.report(ROTATED_AWAY, path=self.path)
        if self._begins_at_end:
            file.offset = os.fstat(file.descriptor).st_size
            file.head = os.pread(file.descriptor, HEAD_BYTES, 0)
        self._begins_at_end = False
        return file

    def _by_position(self, position: Position) -> _OpenFile | None:
        """The file that an earlier daemon read, under its name of today."""
        offset, generation = position.get("offset"), position.get("generation")
        head = position.get("head")
        if not isinstance(offset, int) or not isinstance(generation, int) or not isinstance(head, str):
            return None
        for path in [self.path, *sorted(self.path.parent.glob(self.path.name + "?*"))]:
            try:
                status = path.stat()
                if (status.st_dev, status.st_ino) != (position.get("device"), position.get("inode")):
                    continue
                file = _OpenFile(_opened(path), offset, generation, bytes.fromhex(head))
            except (OSError, ValueError):
                continue
            if path == self.path or not file.was_truncated():
                return file
            file.close()
        return None

    def _is_replaced(self, file: _OpenFile) -> bool:
        """Whether another file has the name, and its writer writes there."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) != (file.device, file.inode) and status.st_size > 0

    def _next_path(self) -> Path:
        """The file that was written to after the one that was left: under our name, or renamed in its turn."""
        left = self._left
        if left is None:
            return self.path
        found: list[tuple[int, Path]] = []
        for path in [self.path, *self.path.parent.glob(self.path.name + "?*")]:
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            is_other = (status.st_dev, status.st_ino) != (left.st_dev, left.st_ino)
            if is_other and status.st_mtime_ns > left.st_mtime_ns and path.suffix not in _COMPRESSED:
                found.append((status.st_mtime_ns, path))
        return min(found, default=(0, self.path))[1]

    def _keep_former(self, file: _OpenFile) -> None:
        self._left = os.fstat(file.descriptor)
        until_ns = self._clock.monotonic_ns() + round(FORMER_KEPT_S * NS_PER_S)
        self._former.append((until_ns, file))
        if len(self._former) > MOST_FORMER:
            self._former.pop(0)[1].close()


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
