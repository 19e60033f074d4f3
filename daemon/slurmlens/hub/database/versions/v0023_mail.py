"""Version 23: mail that the hub is to send, and what became of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.create_table(
        "mail_queue",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("due_ns", sa.BigInteger, nullable=False),
        sa.Column("queued_ns", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("changed_ns", sa.BigInteger, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
    )
    where = sa.text("state IN ('waiting', 'sending')")
    op.create_index("mail_queue_due", "mail_queue", ["state", "due_ns"], sqlite_where=where, postgresql_where=where)
