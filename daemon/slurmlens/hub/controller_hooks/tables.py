"""The table of what slurmctld's hooks told, for SQLite and PostgreSQL alike: a row an event, idempotent by its id."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from slurmlens.hub.database.metadata import metadata

controller_events = Table(
    "controller_events",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("job_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text, primary_key=True),
    Column("time_ns", BigInteger, nullable=False),
    Column("role", Text, nullable=False),  # ControllerRole
    Column("exit_code", Integer),
    Column("exit_signal", Integer),
    Column("comment", Text),
    Column("dependency", Text),
    sqlite_with_rowid=False,
)
Index("controller_events_by_age", controller_events.c.time_ns)
