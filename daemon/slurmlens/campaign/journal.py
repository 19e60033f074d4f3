"""The campaign's event log: one SQLite file, one table, events in their order.

Owns the file and the lock beside it. Invariants: an event that `append` returned from survives a power loss
(`synchronous = FULL`, rollback journal: write-ahead logging needs shared memory, which network file systems lack);
events are never changed; two controllers cannot write, for the second one finds the number taken. Fed by `runner`,
read by every command.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from slurmlens.campaign.record import Event, decode, encode
from slurmlens.errors import CampaignError, JournalBusy

_SCHEMA = "CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)"
_BUSY_S = 5.0


class Journal:
    """An open journal; `events()` first, then `append` one after the other."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        with self._translated():
            if read_only:
                self._database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)
            else:
                self._database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
                self._database.execute("PRAGMA synchronous = FULL")
                self._database.execute(_SCHEMA)
        self._next = 1

    def events(self) -> list[Event]:
        """All events so far; DecodeError where one of them is none of ours."""
        with self._translated():
            rows = self._database.execute("SELECT seq, data FROM events ORDER BY seq").fetchall()
        if rows and rows[-1][0] != len(rows):
            raise CampaignError(f"{self._path}: events are missing; restore the file from a copy")
        self._next = len(rows) + 1
        return [decode(data) for _, data in rows]

    def append(self, event: Event) -> None:
        """Commit one event; JournalBusy where the disk does not take it, CampaignError where somebody else writes
        here.
        """
        with self._translated():
            try:
                self._database.execute("INSERT INTO events VALUES (?, ?)", (self._next, encode(event)))
            except sqlite3.IntegrityError as error:
                raise CampaignError(
                    f"{self._path}: another controller writes to this journal: this one ends"
                ) from error
        self._next += 1

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise JournalBusy(f"{self._path}: {error}") from error
            raise CampaignError(f"{self._path} is no journal of a campaign: {error}") from error


class Lock:
    """One controller a campaign: held while the process lives, whatever ends it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def take(self) -> str | None:
        """None when it is ours now, else who has it, as they wrote it there."""
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(200).strip()
            file.close()
            return holder or "another process"
        file.seek(0)
        file.truncate()
        with contextlib.suppress(OSError):  # a full disk: the lock counts, its text is for people
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
            file.flush()
        self._file = file
        return None

    def free(self) -> None:
        """Let go."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
