"""The table of audits, for SQLite and PostgreSQL alike: a row a day (UTC), all of it as JSON. Written by `keeping`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text

from slurmlens.hub.database.metadata import metadata

audits = Table(
    "audits",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("day_s", BigInteger, primary_key=True, autoincrement=False),
    Column("made_ns", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),  # JSON of `facts.DayAudit`
)
Index("audits_by_age", audits.c.made_ns)
