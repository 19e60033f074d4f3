"""Version 15: hubs that share a database know of each other."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "hub_workers",
        sa.Column("worker", sa.Text, primary_key=True),
        sa.Column("started_ns", sa.BigInteger, nullable=False),
        sa.Column("seen_ns", sa.BigInteger, nullable=False),
        sa.Column("leads_since_ns", sa.BigInteger),
        sa.Column("told", sa.LargeBinary, nullable=False),
    )
