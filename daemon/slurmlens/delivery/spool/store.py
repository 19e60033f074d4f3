"""The spool's file: SQLite in WAL mode, a row a batch, a cursor a sink; every change is one transaction.

Owns the schema and the connection. Invariants: a change is on the disk whole or not at all, and when `apply` returns it
has been synchronised (`synchronous=FULL`); doing a change twice is doing it once; a payload that does not fit its
checksum is reported as missing and never handed out. Used from one thread, by `disk`; sqlite3's exceptions end here.

Power loss: what `apply` returned from is there afterwards if the drive keeps its word about flushing; what it was
working on is there or not, whole. `locking_mode=EXCLUSIVE` keeps the WAL's index in private memory: a mapped one would
end this process with SIGBUS on a full tmpfs.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool.place import synchronise
from slurmlens.errors import SpoolError

APPLICATION_ID = 0x534C_5350
SCHEMA_VERSION = 2


def _table_of(stream: Stream) -> str:
    return (
        f"CREATE TABLE {stream.value} (position INTEGER PRIMARY KEY, born_ns INTEGER NOT NULL,"
        " wall_ns INTEGER NOT NULL, boot_id TEXT NOT NULL, lines INTEGER NOT NULL,"
        " checksum INTEGER NOT NULL, payload BLOB NOT NULL)"
    )


MIGRATIONS: Mapping[int, Sequence[str]] = {1: (_table_of(Stream.LOGS),)}
"""By the version they begin from, the statements that make the next version of it. 2 has log lines."""

_SCHEMA = (
    *(_table_of(stream) for stream in Stream),
    "CREATE TABLE cursors (sink TEXT PRIMARY KEY, position INTEGER NOT NULL)",
    "CREATE TABLE dropped (stream TEXT NOT NULL, reason TEXT NOT NULL, since_ns INTEGER NOT NULL,"
    " lines INTEGER NOT NULL, told INTEGER NOT NULL, PRIMARY KEY (stream, reason))",
)
_FIRST_PRAGMAS = (
    "locking_mode=EXCLUSIVE",
    "cell_size_check=ON",
    "cache_size=-512",
    "temp_store=MEMORY",
    # Debian's SQLite overwrites what is deleted with zeros: each row delivered would be written once more.
    "secure_delete=OFF",
)
_NEW_FILE_PRAGMAS = ("page_size=4096", "auto_vacuum=NONE")
# Not before the file is known to be ours: these may write.
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "journal_size_limit=4194304")
_REASONS = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_IOERR: "io",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_CANTOPEN: "cannot_open",
    sqlite3.SQLITE_PERM: "denied",
    sqlite3.SQLITE_CORRUPT: "corrupt",
    sqlite3.SQLITE_NOTADB: "corrupt",
    sqlite3.SQLITE_FORMAT: "corrupt",
    # Our statements are fixed: where one does not fit the tables, somebody has been at them.
    sqlite3.SQLITE_ERROR: "corrupt",
    sqlite3.SQLITE_MISMATCH: "corrupt",
    sqlite3.SQLITE_CONSTRAINT: "corrupt",
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
}
_PRIMARY_CODE = 0xFF
_FREE_PAGES_KEPT = 256
_USED_PAGES_COPIED = 64
"""A file that has no more to keep is made anew, which costs about a millisecond and what the file system takes to free
the rest; shortening it page by page while a backlog is delivered copies the backlog from its end to its beginning."""


class Row(NamedTuple):
    """A batch on its way to the disk or from it; born at `born_ns` of boot `boot_id`, which was `wall_ns`."""

    position: int
    born_ns: int
    wall_ns: int
    boot_id: str
    lines: int
    payload: bytes


class Head(NamedTuple):
    """A row without its payload."""

    position: int
    born_ns: int
    wall_ns: int
    boot_id: str
    lines: int
    size_bytes: int


DropKind = tuple[Stream, str]
"""The stream and the reason."""


class DropTotal(NamedTuple):
    """Lines of one kind that were dropped since a wall time, in all; `told` of them stand in a notice."""

    since_ns: int
    lines: int
    reported: int


class SpoolChange(msgspec.Struct, frozen=True):
    """What one transaction does: rows come, everything up to a position goes and single rows beside, cursors move,
    totals of what was dropped are set.
    """

    rows: Mapping[Stream, Sequence[Row]] = msgspec.field(default_factory=dict)
    gone_upto: Mapping[Stream, int] = msgspec.field(default_factory=dict)
    gone: Mapping[Stream, Sequence[int]] = msgspec.field(default_factory=dict)
    cursors: Mapping[str, int] = msgspec.field(default_factory=dict)
    dropped: Mapping[DropKind, DropTotal] = msgspec.field(default_factory=dict)


class Contents(msgspec.Struct, frozen=True):
    """What a file holds when it is opened."""

    heads: Mapping[Stream, Sequence[Head]]
    cursors: Mapping[str, int]
    dropped: Mapping[DropKind, DropTotal]


class SpoolStore:
    """An open spool file. Everything raises SpoolError, after which the file is as it was before the call."""

    def __init__(self, path: Path) -> None:
        """Open the file, making it where there is none."""
        self.path = path
        with _translated(path):
            _create(path)
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=0)
            _read_page_by_page(path)
        try:
            with _translated(path):
                self._agree_on_schema()
        except SpoolError:
            self._connection.close()
            raise
        self._identity = _identity(path)

    def contents(self) -> Contents:
        """Everything but the payloads."""
        with _translated(self.path):
            heads = {
                stream: [
                    Head(*row)
                    for row in self._connection.execute(
                        "SELECT position, born_ns, wall_ns, boot_id, lines, length(payload)"  # noqa: S608
                        f" FROM {stream.value} ORDER BY position"
                    )
                ]
                for stream in Stream
            }
            cursors = dict(self._connection.execute("SELECT sink, position FROM cursors"))
            dropped = self._connection.execute("SELECT stream, reason, since_ns, lines, told FROM dropped").fetchall()
        if not (_is_sane(heads, cursors) and all(map(_is_account, dropped))):
            raise SpoolError(f"{self.path}: holds values that cannot be", reason="corrupt")
        return Contents(heads, cursors, {(Stream(name), reason): DropTotal(*rest) for name, reason, *rest in dropped})

    def apply(self, change: SpoolChange) -> None:
        """Do all of it, and return when it is on the disk."""
        with _translated(self.path):
            if _identity(self.path) != self._identity:
                raise SpoolError(f"{self.path}: was removed or replaced while in use", reason="removed")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._write(change)
                self._connection.execute("COMMIT")
            except sqlite3.Error:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def read(self, stream: Stream, first: int, last: int) -> list[Row]:
        """The rows from `first` to `last`, without those that do not fit their checksum."""
        statement = (
            "SELECT position, born_ns, wall_ns, boot_id, lines, payload, checksum"  # noqa: S608
            f" FROM {stream.value} WHERE position BETWEEN ? AND ? ORDER BY position"
        )
        with _translated(self.path):
            found = self._connection.execute(statement, (first, last)).fetchall()
        return [Row(*row) for *row, checksum in found if _checksum(row[0], row[-1]) == checksum]

    def give_back_space(self) -> None:
        """Once nearly everything has left, shorten the file, so that it does not keep the size of its worst hour."""
        with _translated(self.path):
            free = self._pragma("freelist_count")
            if free > _FREE_PAGES_KEPT and self._pragma("page_count") - free <= _USED_PAGES_COPIED:
                self._connection.execute("VACUUM")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Let go of the file; its WAL is worked in and removed."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def _write(self, change: SpoolChange) -> None:
        execute, execute_many = self._connection.execute, self._connection.executemany
        for stream, rows in change.rows.items():
            execute_many(
                f"INSERT OR REPLACE INTO {stream.value} VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                [(*row[:-1], _checksum(row.position, row.payload), row.payload) for row in rows],
            )
        for stream, position in change.gone_upto.items():
            execute(f"DELETE FROM {stream.value} WHERE position <= ?", (position,))  # noqa: S608
        for stream, positions in change.gone.items():
            execute_many(f"DELETE FROM {stream.value} WHERE position = ?", [(one,) for one in positions])  # noqa: S608
        execute_many("INSERT OR REPLACE INTO cursors VALUES (?, ?)", list(change.cursors.items()))
        execute_many(
            "INSERT OR REPLACE INTO dropped VALUES (?, ?, ?, ?, ?)",
            [(stream.value, reason, *account) for (stream, reason), account in change.dropped.items()],
        )

    def _agree_on_schema(self) -> None:
        """Make the tables of an empty file; bring an older release's forward; refuse what is not ours, untouched."""
        self._set(*_FIRST_PRAGMAS)
        version, identity = self._pragma("user_version"), self._pragma("application_id")
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables:
            statements: Sequence[str] = _SCHEMA
            self._set(*_NEW_FILE_PRAGMAS)
        elif identity != APPLICATION_ID:
            raise SpoolError(f"{self.path}: a database, but none of ours", reason="foreign")
        else:
            statements = _steps(self.path, version)
        self._set(*_PRAGMAS)
        if statements:
            self._transact(
                *statements, f"PRAGMA application_id={APPLICATION_ID}", f"PRAGMA user_version={SCHEMA_VERSION}"
            )

    def _set(self, *pragmas: str) -> None:
        for pragma in pragmas:
            self._connection.execute(f"PRAGMA {pragma}").fetchall()

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    def _transact(self, *statements: str) -> None:
        for statement in ("BEGIN IMMEDIATE", *statements, "COMMIT"):
            self._connection.execute(statement)


def _steps(path: Path, version: int) -> list[str]:
    """The statements from `version` to ours."""
    steps: list[str] = []
    for step in range(version, SCHEMA_VERSION):
        if step not in MIGRATIONS:
            raise SpoolError(f"{path}: schema {version} cannot be brought to {SCHEMA_VERSION}", reason="version")
        steps += MIGRATIONS[step]
    if version > SCHEMA_VERSION:
        raise SpoolError(f"{path}: schema {version} is of a newer release", reason="version")
    return steps


def _create(path: Path) -> None:
    """The file holds names of users and jobs: nobody else reads it. SQLite gives its companions the same mode."""
    is_new = not path.exists()
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    if is_new:
        synchronise(path.parent)


def _read_page_by_page(path: Path) -> None:
    """No reading ahead through SQLite's own descriptor, which it does not hand out.

    Where read_ahead_kb is set to megabytes, one page of a cold file would have the kernel take in a thousand more at
    once, for milliseconds on the CPU.
    """
    wanted = _identity(path)
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the folder's own descriptor is closed by now
            status = os.fstat(int(name))
            if (status.st_dev, status.st_ino) == wanted:
                os.posix_fadvise(int(name), 0, 0, os.POSIX_FADV_RANDOM)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _checksum(position: int, payload: object) -> int | None:
    """Of a payload at its place; None where it is no bytes (SQLite keeps whatever somebody put there)."""
    return zlib.crc32(payload, position & 0xFFFF_FFFF) if isinstance(payload, bytes) else None


def _is_sane(heads: Mapping[Stream, Sequence[Head]], cursors: Mapping[str, int]) -> bool:
    """SQLite does not check types, so a file that was tampered with may hold anything."""
    numbers = all(
        isinstance(head.boot_id, str)
        and all(isinstance(value, int) for value in (*head[:3], *head[4:]))
        and 0 < head.position < 2**62
        and 0 <= head.lines < 2**31
        for stream in Stream
        for head in heads[stream]
    )
    return numbers and all(isinstance(k, str) and isinstance(v, int) and 0 <= v < 2**62 for k, v in cursors.items())


def _is_account(row: Sequence[object]) -> bool:
    stream, reason, *numbers = row
    return (
        stream in [one.value for one in Stream]
        and isinstance(reason, str)
        and all(isinstance(number, int) and 0 <= number < 2**63 for number in numbers)
    )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        reason = "sqlite" if code is None else _REASONS.get(code & _PRIMARY_CODE, "sqlite")
        raise SpoolError(f"{path}: {error}", reason=reason) from error
    except OSError as error:
        raise SpoolError(f"{path}: {error.strerror}", reason=reason_of(error)) from error


def reason_of(error: OSError) -> str:
    """The kernel's word in ours."""
    reasons: dict[int | None, str] = {
        errno.ENOSPC: "full",
        errno.EDQUOT: "full",
        errno.EROFS: "read_only",
        errno.EACCES: "denied",
        errno.EPERM: "denied",
        errno.ELOOP: "denied",
        errno.ENOENT: "missing",
        errno.ENOTDIR: "missing",
    }
    return reasons.get(error.errno, "io")
