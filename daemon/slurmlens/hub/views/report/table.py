"""A report as rows and columns, for CSV: every row of every table, and the pieces of the period, in one table.

Owns the columns: what the row is of, its name, then those of `views.usage.table`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurmlens.hub.views.report.view import ReportView
from slurmlens.hub.views.usage.table import HEADER as USAGE_HEADER
from slurmlens.hub.views.usage.table import table_rows
from slurmlens.hub.views.usage.view import UsageRow, UsageTable

HEADER = ("of", *USAGE_HEADER)


def report_rows(view: ReportView) -> Iterator[Sequence[object]]:
    """The whole, the pieces, then each table's rows without the whole."""
    whole = view.tables[0].whole
    yield ("whole", *next(table_rows(view.tables[0])))
    for piece in view.pieces:
        share = piece.sums.core_s / whole.sums.core_s if whole.sums.core_s else None
        row = UsageRow(name=piece.label, sums=piece.sums, share=share)
        yield ("time", *next(table_rows(UsageTable(by="time", whole=row, rows=()))))
    for table in view.tables:
        for cells in list(table_rows(table))[1:]:
            yield (table.by, *cells)
