"""Version 36: how busy each measured resource of a cluster was, hour by hour; what is past is not known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    op.create_table(
        "resource_hours",
        sa.Column("begin_ns", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("resource", sa.Text, primary_key=True),
        sa.Column("used", sa.Float, nullable=False),
        sa.Column("whole", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
