"""Version 5: a run says which task of an array or part of a heterogeneous job it is, and is found by that.

What a run is follows from facts that are kept, so the upgrade only marks the jobs to be concluded anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_COLUMNS = ("array_job_id", "array_task_id", "het_job_id", "het_job_offset")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("runs", sa.Column(name, sa.BigInteger))
    for index, job, part in (
        ("runs_of_array", "array_job_id", "array_task_id"),
        ("runs_of_het_job", "het_job_id", "het_job_offset"),
    ):
        where = sa.text(f"{job} IS NOT NULL")
        op.create_index(index, "runs", [job, part], sqlite_where=where, postgresql_where=where)
    _mark_those_with_a_membership()


def _mark_those_with_a_membership() -> None:
    """Marks as stale the jobs of which the scheduler or a hook reported an array's or a heterogeneous job's id."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for table, column in (("executions", "record"), ("sightings", "tellers")):
        as_text = f"CAST({column} AS TEXT)" if is_sqlite else f"convert_from({column}, 'UTF8')"
        op.execute(
            f"INSERT INTO stale_jobs (cluster, job_id) SELECT DISTINCT cluster, job_id FROM {table} "  # noqa: S608
            f"WHERE {as_text} LIKE '%\"array_job_id\"\\:%' OR {as_text} LIKE '%\"het_job_id\"\\:%' "
            "ON CONFLICT DO NOTHING"
        )
