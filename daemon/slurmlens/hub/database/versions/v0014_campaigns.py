"""Version 14: optimisation campaigns, as their controllers told them last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "campaigns",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("cluster", "user", "name")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("opened_ns", "told_ns", "events")),
        sa.Column("summary", sa.LargeBinary, nullable=False),
        sa.Column("view", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("campaigns_by_time", "campaigns", ["cluster", "told_ns", "user", "name"])
