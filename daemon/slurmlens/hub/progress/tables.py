"""The tables of progress: the course of each task, and what jobs reported for their time line.

Owns names, types and keys. A row a task of a sighting, whatever it says (`keeping` puts its course into one column); a
row an event, of each sighting a bounded number. A sighting's run stands in history's `sightings`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text

from slurmlens.hub.database.metadata import metadata

UNTOLD_RANK = -1
"""A key has no NULL: the rank of a task that did not say which it is."""

progress_tasks = Table(
    "progress_tasks",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("sighting", Text, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("rank", BigInteger, primary_key=True, autoincrement=False),
    Column("job_id", BigInteger, nullable=False),
    Column("told_ns", BigInteger, nullable=False),
    Column("named_values", LargeBinary, nullable=False),  # JSON
    Column("course", LargeBinary, nullable=False),  # progress.course
    sqlite_with_rowid=False,
)
Index("progress_tasks_of_job", progress_tasks.c.cluster, progress_tasks.c.job_id)
Index("progress_tasks_by_age", progress_tasks.c.told_ns)

progress_messages = Table(
    "progress_messages",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("sighting", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("job_id", BigInteger, nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("step", Text, nullable=False),
    Column("rank", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("progress_messages_of_job", progress_messages.c.cluster, progress_messages.c.job_id)
Index("progress_messages_by_age", progress_messages.c.time_ns)
