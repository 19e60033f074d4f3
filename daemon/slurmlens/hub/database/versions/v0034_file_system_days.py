"""Version 34: how full each file system was, day by day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    op.create_table(
        "file_system_days",
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("day_s", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("mount", sa.Text, primary_key=True),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("used_ratio", sa.Float, nullable=False),
        sa.Column("is_shared", sa.Boolean, nullable=False),
        sa.Column("told_ns", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("file_system_days_by_age", "file_system_days", ["told_ns"])
