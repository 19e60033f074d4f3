"""Writes findings and what was said of them, and reads them back when the hub starts.

Owns the rows of `tables`. Invariant: what is written in one call is one transaction. Called by `room`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from slurmlens.clock import NS_PER_S
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store
from slurmlens.hub.findings import tables as schema
from slurmlens.hub.findings.claims import Finding, FindingState, Said
from slurmlens.hub.findings.folding import LastEnd
from slurmlens.hub.findings.ledger import FindingLedger
from slurmlens.hub.findings.ranking import COUNTS_FOR_NS
from slurmlens.hub.findings.rows import finding_of, row_of, said_of, word_row
from slurmlens.hub.history import tables as history
from slurmlens.hub.history.read.reading import fetch

MOST_STANDING = 2_000
MOST_ENDED = 5_000
MOST_WORDS = 10_000
SKEW_NS = 5 * NS_PER_S
_BEGUN = ("job_id", "number", "start_ns")
_TOUCHED = ("finding", "job_id", "run")
_STANDING = (FindingState.OPEN, FindingState.QUIET, FindingState.SILENCED)


class FindingKeeper:
    """The findings of one cluster in the database."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def load(self, now_ns: int) -> FindingLedger:
        """What held when the hub stopped, how the latest others ended, and what was said within its time."""
        return await self._store.read(lambda connection: self._load(connection, now_ns))

    def _load(self, connection: Connection, now_ns: int) -> FindingLedger:
        findings, words = schema.findings, schema.finding_words
        ledger = FindingLedger()
        for state, most in (*((state, MOST_STANDING) for state in _STANDING), (FindingState.CLOSED, MOST_ENDED)):
            query = select(findings).where(findings.c.cluster == self._cluster, findings.c.state == state.value)
            for row in fetch(connection, query.order_by(findings.c.last_ns.desc()).limit(most)):
                finding = finding_of(row)
                if finding.closed_ns is None or finding.closed_why is None:
                    ledger.standing[finding.claim.key] = finding
                else:
                    end = LastEnd(max(finding.closed_ns, finding.claim.to_ns), finding.closed_why)
                    known = ledger.ended.get(finding.claim.key)
                    ledger.ended[finding.claim.key] = end if known is None else max(known, end)
        query = select(words).where(words.c.cluster == self._cluster, words.c.at_ns > now_ns - COUNTS_FOR_NS)
        ledger.words = [said_of(row) for row in fetch(connection, query.order_by(words.c.at_ns).limit(MOST_WORDS))]
        ledger.last_number = connection.execute(select(func.max(findings.c.number))).scalar() or 0
        ledger.last_word = connection.execute(select(func.max(words.c.number))).scalar() or 0
        return ledger

    async def write(self, findings: Sequence[Finding], words: Sequence[Said] = ()) -> None:
        """Keeps these as they are now; StoreError where the database does not."""
        if findings or words:
            await self._store.write(lambda transaction: self._write(transaction, findings, words))

    def _write(self, transaction: Transaction, findings: Sequence[Finding], words: Sequence[Said]) -> None:
        rows = [row_of(finding, self._cluster) for finding in findings]
        transaction.put(schema.findings, ("number",), rows)
        transaction.insert_new(schema.finding_runs, _TOUCHED, self._touched(transaction, findings))
        transaction.put(schema.finding_words, ("number",), [word_row(said, self._cluster) for said in words])

    def _touched(self, transaction: Transaction, findings: Sequence[Finding]) -> list[tuple[int, int, int]]:
        """Which runs these findings touch: those that detectors saw, and of a job that lines alone named the one that
        there was when it was named first. A job that the hub does not know yet is looked for at the next change."""
        seen = [(finding.number, *number) for finding in findings for number in finding.claim.runs]
        have = {(number, job_id) for number, job_id, _ in seen}
        named = [(one.number, job, one.claim.to_ns) for one in findings for job in one.claim.jobs]
        named = [one for one in named if one[:2] not in have]
        if not named:
            return seen
        of_findings = transaction.find(schema.finding_runs, _TOUCHED[:2], ("finding",), {one[:1] for one in named})
        have.update((number, job_id) for number, job_id in of_findings)
        named = [one for one in named if one[:2] not in have]
        begun: dict[int, list[tuple[int, int]]] = {}
        keys = {(self._cluster, job_id) for _, job_id, _ in named}
        for job_id, run, began_ns in transaction.find(history.runs, _BEGUN, ("cluster", "job_id"), keys):
            begun.setdefault(job_id, []).append((began_ns or 0, run))
        return seen + [(number, job, run_then(begun[job], at_ns)) for number, job, at_ns in named if job in begun]


def run_then(begun: Sequence[tuple[int, int]], at_ns: int) -> int:
    """Of runs (beginning, number) the newest that had begun by a moment, the first where none had."""
    return max((one for one in begun if one[0] <= at_ns + SKEW_NS), default=min(begun))[1]
