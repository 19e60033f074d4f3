"""Tables as CSV: RFC 4180, UTF-8, a header; times are written by `format.iso`, in UTC.

Pure. Raw numbers in the units that the headings name; what is not known is an empty cell. A cell that a spreadsheet
would take for a formula gets an apostrophe in front: names are written by strangers. Which columns a view has stands
beside the view (`hub.views.job.table`, `hub.views.jobs.table`).
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence

from slurmlens.shown.text import visible

_FORMULA_STARTS = ("=", "+", "-", "@")


def csv_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The rows under their header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def cell(value: object) -> str:
    """One value as a cell: numbers plain, text on one line and never a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0f}"
    if isinstance(value, int):
        return str(value)
    text = visible(str(value))
    return f"'{text}" if _reads_as_formula(text) else text


def _reads_as_formula(text: str) -> bool:
    """Whether a spreadsheet would: it passes over blanks, and takes the full-width signs for the plain ones."""
    return unicodedata.normalize("NFKC", text.lstrip()[:1]) in _FORMULA_STARTS
