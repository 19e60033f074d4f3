"""A list of entities as CSV: one line an entity. Pure."""

from __future__ import annotations

from slurmlens.hub.views.entity.view import EntitiesView
from slurmlens.shown.csv import csv_table

HEADER = ("name", "state", "reason", "partitions", "cores", "memory_bytes")


def entities_csv(view: EntitiesView) -> str:
    """The list."""
    rows = (
        (
            row.name,
            row.state.told if row.state else None,
            row.reason,
            " ".join(row.partitions),
            row.cpu_count,
            row.memory_bytes,
        )
        for row in view.rows
    )
    return csv_table(HEADER, rows)
