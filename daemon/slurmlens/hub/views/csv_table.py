"""Views as CSV: one line a job, or one line a node of one job. RFC 4180, UTF-8, a header, ISO times in UTC.

Pure. Raw numbers in the units that the headings name; what is not known is an empty cell. A cell that a spreadsheet
would take for a formula gets an apostrophe in front: names are written by strangers.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence

from slurmlens.hub.views.job.view import JobLine, JobsView, JobView, NodeView
from slurmlens.shown import format as fmt
from slurmlens.shown.text import visible

_FORMULA_STARTS = ("=", "+", "-", "@")

JOBS_HEADER = (
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
NODES_HEADER = (
    "job_id",
    "run",
    "state",
    "node",
    "samples",
    "cpu_s",
    "cpu_asked_s",
    "cpu_ratio",
    "cpu_source",
    "cpu_complete",
    "memory_peak_bytes",
    "memory_asked_bytes",
    "io_read_bytes",
    "io_written_bytes",
    "io_source",
    "pressure_cpu_ratio",
    "pressure_memory_ratio",
    "pressure_io_ratio",
    "pressure_scope",
    "oom_kills",
    "unseen_s",
    "notes",
)


def jobs_csv(view: JobsView) -> str:
    """The list of jobs."""
    return _table(JOBS_HEADER, (_job_cells(row) for row in view.rows))


def job_csv(view: JobView) -> str:
    """One job, one line a node."""
    return _table(NODES_HEADER, (_node_cells(view, node) for node in view.nodes))


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


def _node_cells(view: JobView, node: NodeView) -> Sequence[object]:
    return (
        view.identity.job_id,
        view.identity.run,
        view.state_text,
        node.name,
        node.samples,
        node.cpu.used,
        node.cpu.asked,
        node.cpu.ratio,
        node.cpu.source,
        node.cpu.complete,
        node.memory.used,
        node.memory.asked,
        node.io.read_bytes,
        node.io.written_bytes,
        node.io.source,
        node.pressure.cpu_ratio,
        node.pressure.memory_ratio,
        node.pressure.io_ratio,
        node.pressure.scope,
        node.oom_kills,
        node.unseen_s,
        "; ".join(f"{note.text} {fmt.iso(note.time_ns)}".strip() for note in node.notes),
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
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
