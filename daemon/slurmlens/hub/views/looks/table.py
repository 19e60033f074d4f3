"""A `LooksView` as CSV: one line a look. Pure."""

from __future__ import annotations

from slurmlens.hub.views.looks.view import LooksView
from slurmlens.shown import format as fmt
from slurmlens.shown.csv import csv_table

HEADER = ("time", "who", "owner", "job_id", "run", "what", "detail", "jobs_of_others")


def looks_csv(view: LooksView) -> str:
    """The looks under their header."""
    rows = (
        (fmt.iso(row.time_ns), row.who, row.owner, row.job_id, row.run, row.what, row.detail, row.others)
        for row in view.rows
    )
    return csv_table(HEADER, rows)
