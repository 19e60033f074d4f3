"""Version 9: how far jobs are by their own word, and what they reported for their time line."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    place = [sa.Column(name, sa.Text, primary_key=True) for name in ("cluster", "node", "sighting")]
    op.create_table(
        "progress_tasks",
        *place,
        sa.Column("step", sa.Text, primary_key=True),
        sa.Column("rank", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("told_ns", sa.BigInteger, nullable=False),
        sa.Column("named_values", sa.LargeBinary, nullable=False),
        sa.Column("course", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("progress_tasks_of_job", "progress_tasks", ["cluster", "job_id"])
    place = [sa.Column(name, sa.Text, primary_key=True) for name in ("cluster", "node", "sighting")]
    op.create_table(
        "progress_messages",
        *place,
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("rank", sa.BigInteger, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("progress_messages_of_job", "progress_messages", ["cluster", "job_id"])
