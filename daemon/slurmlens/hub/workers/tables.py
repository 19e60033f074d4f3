"""The table of the hubs that share a database; empty where one hub has it alone."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, Table, Text

from slurmlens.hub.database.metadata import metadata

hub_workers = Table(
    "hub_workers",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("started_ns", BigInteger, nullable=False),
    Column("seen_ns", BigInteger, nullable=False),
    Column("leads_since_ns", BigInteger),
    Column("told", LargeBinary, nullable=False),
)
"""`seen_ns` and `leads_since_ns` are the database server's clock, `started_ns` is the worker's; `told` is a
`known.WorkerTold` as JSON."""
