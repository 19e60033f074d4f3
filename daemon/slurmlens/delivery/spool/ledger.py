"""What the spool gave up and why: the accounts that make every lost line known exactly once.

Owns the counting. The promise, which `tests/unit/delivery/spool/test_spool_model.py` holds the spool to:

- A drop of what the disk has counts once its deletion is committed. The deletion and the new total are one transaction,
  so the file's totals say at every instant what has left it untaken, no line more or less. A drop in the last moment
  before a crash either happened, and the next daemon finds its total, or it did not, and the next daemon finds the
  batch and decides anew.
- A drop of what only memory has counts at once. While the disk takes nothing its total is left to the next daemon in a
  file in memory (`unreported`); while it takes something the total is committed within the same moment.

Totals only grow, each is named by when it began, and a notice in the stream of events repeats all of them: so a notice
that is delivered twice, or gives way itself, changes nothing. Part of `spool`: `writer` feeds it and writes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from slurmlens.clock import Clock
from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool.internal_events import DROPPED
from slurmlens.delivery.spool.store import DropKind, DropTotal
from slurmlens.delivery.spool.unreported_drops import UnreportedDrops
from slurmlens.telemetry.internal import Reporter


class Ledger:
    """The accounts by stream and reason."""

    def __init__(self, clock: Clock, reporter: Reporter, unreported: UnreportedDrops | None = None) -> None:
        self._clock = clock
        self._reporter = reporter
        self._untold = unreported
        # In the file in memory: what the spool's file does not have.
        self._left: dict[DropKind, DropTotal] = {} if unreported is None else unreported.load()
        self._accounts: dict[DropKind, DropTotal] = dict(self._left)
        # Dropped here, and still on the disk; of them, what the change on its way deletes.
        self._pending: Counter[DropKind] = Counter()
        self._leaving: Counter[DropKind] = Counter()
        self._written: dict[DropKind, DropTotal] = {}

    @property
    def accounts(self) -> Mapping[DropKind, DropTotal]:
        """What is certain, in all."""
        return self._accounts

    @property
    def has_news(self) -> bool:
        """Whether no notice has said all of it."""
        return any(account.lines > account.reported for account in self._accounts.values())

    def give_up(self, stream: Stream, reason: str, lines: int, *, was_stored: bool) -> None:
        """Every line that gives way or is lost goes through here."""
        if not lines:
            return
        if was_stored:
            self._pending[stream, reason] += lines
        else:
            self._book((stream, reason), lines)

    def mark_reported(self) -> None:
        """A notice says all of it now."""
        self._accounts = {kind: account._replace(reported=account.lines) for kind, account in self._accounts.items()}

    def mark_unreported(self) -> None:
        """The last notice gave way itself."""
        self._accounts = {kind: account._replace(reported=0) for kind, account in self._accounts.items()}

    # --- the disk

    def leave(self) -> None:
        """Have the file in memory say what the spool's file does not; once that has all, there is no such file."""
        unwritten = {
            kind: account._replace(reported=0)
            for kind, account in self._accounts.items()
            if account.lines > self._lines_written(kind)
        }
        if self._untold is not None and unwritten != self._left:
            self._untold.save(unwritten)
            self._left = unwritten

    def draft(self) -> dict[DropKind, DropTotal]:
        """The accounts as the change that is made up now must write them: those that will differ from the file's."""
        self._leaving, self._pending = self._pending + self._leaving, Counter()
        drafted = {kind: self._account(kind) for kind in self._accounts.keys() | self._leaving.keys()}
        drafted = {kind: one._replace(lines=one.lines + self._leaving[kind]) for kind, one in drafted.items()}
        return {kind: account for kind, account in drafted.items() if account != self._written.get(kind)}

    def committed(self, drafted: Mapping[DropKind, DropTotal]) -> None:
        """The last draft is on the disk, and what it deleted is gone."""
        self._written |= drafted
        self._settle()

    def disk_lost(self) -> None:
        """The file is gone, and with it what was to be deleted and what was written of all this."""
        self._leaving, self._pending = self._pending + self._leaving, Counter()
        self._written = {}
        self._settle()

    def adopt(self, found: Mapping[DropKind, DropTotal]) -> None:
        """Go on with a file's accounts.

        Of our own goes in what no notice has reported. Where the file is one that we had before (same beginning), ours
        know it and more.
        """
        self._written = dict(found)
        ours, self._accounts = self._accounts, dict(found)
        for kind, mine in ours.items():
            theirs = found.get(kind)
            if theirs is None or (theirs.since_ns == mine.since_ns and theirs.lines <= mine.lines):
                self._accounts[kind] = mine
            elif theirs.since_ns != mine.since_ns:
                self._accounts[kind] = theirs._replace(lines=theirs.lines + mine.lines - mine.reported)

    # --- inside

    def _account(self, kind: DropKind) -> DropTotal:
        if kind not in self._accounts:
            self._accounts[kind] = DropTotal(self._clock.wall_ns(), 0, 0)
        return self._accounts[kind]

    def _lines_written(self, kind: DropKind) -> int:
        account = self._written.get(kind)
        return 0 if account is None else account.lines

    def _settle(self) -> None:
        leaving, self._leaving = self._leaving, Counter()
        for kind, lines in leaving.items():
            self._book(kind, lines)

    def _book(self, kind: DropKind, lines: int) -> None:
        account = self._account(kind)
        self._accounts[kind] = account._replace(lines=account.lines + lines)
        stream, reason = kind
        self._reporter.report(DROPPED, count=lines, lines=lines, stream=stream.value, reason=reason)
