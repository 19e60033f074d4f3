"""A job's time line as CSV: one line an event, a beginning of a band, or a stretch with log lines. Pure."""

from __future__ import annotations

from slurmlens.hub.views.job_timeline.rows import timeline_rows
from slurmlens.hub.views.job_timeline.view import JobTimelineView
from slurmlens.shown import format as fmt
from slurmlens.shown.csv import csv_table

HEADER = ("job_id", "run", "time", "of", "kind", "text", "where", "loud")


def timeline_csv(view: JobTimelineView) -> str:
    """Everything but the series, in the order of time."""
    job = view.identity.job_id, view.identity.run
    rows = timeline_rows(view)
    cells = ((*job, fmt.iso(row.time_ns), row.of, row.kind, row.text, row.where or "", row.loud) for row in rows)
    return csv_table(HEADER, cells)
