"""The list of jobs as CSV: one line a job. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from slurmlens.hub.views.jobs.view import JobLine, JobsView
from slurmlens.shown import format as fmt
from slurmlens.shown.csv import csv_table

HEADER = (
    "job_id",
    "run",
    "state",
    "name",
    "user",
    "account",
    "partition",
    "nodes",
    "node_count",
    "cores",
    "submitted",
    "started",
    "ended",
    "ran_s",
    "limit_s",
    "cpu_s",
    "cpu_ratio",
    "memory_peak_bytes",
    "memory_asked_bytes",
)


def jobs_csv(view: JobsView) -> str:
    """The list of jobs."""
    return csv_table(HEADER, (_job_cells(row) for row in view.rows))


def _job_cells(row: JobLine) -> Sequence[object]:
    return (
        row.job_id,
        row.run,
        row.state_text,
        row.name,
        row.user,
        row.account,
        row.partition,
        row.node_list,
        row.node_count,
        row.cores,
        fmt.iso(row.submitted_ns),
        fmt.iso(row.started_ns),
        fmt.iso(row.ended_ns),
        row.ran.used,
        row.ran.asked,
        row.cpu.used,
        row.cpu.ratio,
        row.memory.used,
        row.memory.asked,
    )
