"""What of this room ages: findings by their end, with the runs that they touched, and what was said of them.

Nothing goes that still counts: a finding that is not over has no end, and words are kept longer than they weigh
(`ranking.COUNTS_FOR_NS`). `database.retention` takes the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slurmlens.hub.database.aged_rows import AgedRows
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.retention import AgingKind
from slurmlens.hub.findings import tables as schema

DAY_S = 86_400


class AgedFindings(AgedRows):
    """Findings that are over, each with its rows of `finding_runs`."""

    def __init__(self, kept_s: float) -> None:
        super().__init__("findings", schema.findings, "closed_ns", kept_s)

    def remove(self, transaction: Transaction, items: Sequence[Any]) -> int:
        """Those that were not opened again since they were read."""
        super().remove(transaction, items)
        left = {number for (number,) in transaction.find(schema.findings, ("number",), ("number",), _numbers(items))}
        gone = [(number,) for (number,) in _numbers(items) if number not in left]
        transaction.take_away(schema.finding_runs, ("finding",), gone)
        return len(gone)


def _numbers(items: Sequence[Any]) -> list[tuple[int]]:
    return [(item[0],) for item in items]


def kinds_of_findings(days: float) -> list[AgingKind]:
    """Both at one age."""
    return [
        AgedFindings(days * DAY_S),
        AgedRows("words about findings", schema.finding_words, "at_ns", days * DAY_S),
    ]
