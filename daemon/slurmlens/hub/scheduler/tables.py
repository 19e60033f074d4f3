"""The scheduler's table beside history's `executions`: the controller's nodes, as it last gave them.

Written and read by `records`.
"""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, Table, Text

from slurmlens.hub.database.metadata import metadata

node_records = Table(
    "node_records",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("record", LargeBinary, nullable=False),
)
