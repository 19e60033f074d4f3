"""The file in which a daemon whose spool takes nothing leaves the totals of what it dropped to the next one.

Owns the file; it lies beside the status socket, in memory, so no full disk keeps it from being written, and it outlives
`kill -9`. Normally it is not there: the spool's own file has the totals. Always whole (written beside and renamed); one
that cannot be read or written is reported and costs what it would have saved. Written and read by `ledger`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool.store import DropKind, DropTotal
from slurmlens.runtime.whole_file import write_whole
from slurmlens.telemetry.internal import InternalEvent, Reporter

MAX_BYTES = 1024 * 1024

UNREADABLE = InternalEvent(
    "spool_totals_unreadable",
    logging.WARNING,
    "{path}: {cause_text}; what the daemon before dropped while its disk took nothing is not reported any more",
)
UNWRITABLE = InternalEvent(
    "spool_totals_unwritable",
    logging.WARNING,
    "{path}: {cause_text}; if this daemon is killed before its disk takes something, what it dropped is never reported",
)


class _Total(msgspec.Struct):
    stream: Stream
    reason: str
    since_ns: int
    lines: int


_decode = msgspec.json.Decoder(list[_Total]).decode


class UnreportedDrops:
    """Read once at the start, written at each change, removed when there is nothing to say."""

    def __init__(self, path: Path, reporter: Reporter) -> None:
        self._path = path
        self._reporter = reporter

    def load(self) -> dict[DropKind, DropTotal]:
        """What the daemon before us left; none of it was reported for certain."""
        try:
            with self._path.open("rb") as file:
                totals = _decode(file.read(MAX_BYTES))
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            self._reporter.report(UNREADABLE, path=self._path, cause_text=str(error))
            return {}
        return {(one.stream, one.reason): DropTotal(one.since_ns, one.lines, 0) for one in totals}

    def save(self, accounts: Mapping[DropKind, DropTotal]) -> None:
        """Leave these, and nothing else."""
        try:
            if accounts:
                self._write(accounts)
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            self._reporter.report(UNWRITABLE, path=self._path, cause_text=error.strerror or str(error))

    def _write(self, accounts: Mapping[DropKind, DropTotal]) -> None:
        totals = [_Total(stream, reason, one.since_ns, one.lines) for (stream, reason), one in accounts.items()]
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._path, msgspec.json.encode(totals))
