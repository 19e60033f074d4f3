"""Version 21: what people wish to be told of, and what was told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "notice_wishes",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("cluster", "user", "channel")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("address", "kinds")),
        sa.Column("set_ns", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notices",
        sa.Column("cluster", sa.Text, primary_key=True),
        *(sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False) for name in ("job_id", "run")),
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("kind", "channel")),
        sa.Column("user", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("made_ns", "next_ns")),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("outcome", sa.Text),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("address", "subject", "text")),
        sqlite_with_rowid=False,
    )
    op.create_index("notices_due", "notices", ["cluster", "next_ns"])
    op.create_index("notices_of_user", "notices", ["cluster", "user", "made_ns"])
    op.create_index("notices_by_age", "notices", ["made_ns"])
