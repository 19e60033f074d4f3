"""Version 20: which jobs and entities changed, for projections elsewhere."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.create_table(
        "change_feed",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("cluster", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "change_feed_forgotten",
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
