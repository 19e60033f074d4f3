"""Usage as rows and columns, for CSV: raw numbers in the unit that the heading names.

Owns the columns. The first row is the whole, the others are its parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurmlens.hub.views.usage.view import UsageRow, UsageTable

HEADER = (
    "name",
    "share_of_core_seconds",
    "node_seconds",
    "core_seconds",
    "gpu_seconds",
    "gpu_seconds_told",
    "gpu_seconds_busy",
    "memory_mib_seconds",
    "suspended_core_seconds",
    "cpu_seconds_measured",
    "lost_core_seconds",
    "runs_started",
    "runs_ended",
    "runs_failed",
    "wait_median_s",
    "wait_p95_s",
)


def table_rows(table: UsageTable) -> Iterator[Sequence[object]]:
    """The whole, then its parts."""
    for row in (table.whole, *table.rows):
        yield _cells(row)


def _cells(row: UsageRow) -> Sequence[object]:
    sums = row.sums
    return (
        row.name,
        row.share,
        sums.node_s,
        sums.core_s,
        sums.gpu_s,
        sums.gpu_seen_ms / 1000,
        sums.gpu_busy_ms / 1000,
        sums.memory_mib_s,
        sums.suspended_core_s,
        sums.cpu_ms / 1000,
        row.lost_core_s,
        sums.started,
        sums.ended,
        row.failed,
        row.wait_median_s,
        row.wait_p95_s,
    )
