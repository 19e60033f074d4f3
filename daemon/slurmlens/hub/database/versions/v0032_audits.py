"""Version 32: audits of our figures against accounting's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    op.create_table(
        "audits",
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("day_s", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("made_ns", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_index("audits_by_age", "audits", ["made_ns"])
