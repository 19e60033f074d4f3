"""Version 30: what slurmctld's hooks told, and what jobs ask to be told of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.create_table(
        "controller_events",
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("job_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        *(sa.Column(name, sa.Integer) for name in ("exit_code", "exit_signal")),
        *(sa.Column(name, sa.Text) for name in ("comment", "dependency")),
        sqlite_with_rowid=False,
    )
    op.create_index("controller_events_by_age", "controller_events", ["time_ns"])
    op.create_table(
        "job_wishes",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("cluster", "node", "sighting", "id")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("job_id", "told_ns")),
        sa.Column("words", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("job_wishes_by_age", "job_wishes", ["told_ns"])
