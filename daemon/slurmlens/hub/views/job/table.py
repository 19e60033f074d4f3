"""One job as CSV: one line a node. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from slurmlens.hub.views.job.view import JobView, NodeView
from slurmlens.shown import format as fmt
from slurmlens.shown.csv import csv_table

HEADER = (
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


def job_csv(view: JobView) -> str:
    """One job, one line a node."""
    return csv_table(HEADER, (_node_cells(view, node) for node in view.nodes))


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
