"""Version 6: accounts and their people, links and sessions, who looked at whose job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "account_people",
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("user", sa.Text, primary_key=True),
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("is_coordinator", sa.SmallInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "login_tokens",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("ends_ns", sa.BigInteger, nullable=False),
    )
    op.create_index("login_tokens_by_end", "login_tokens", ["ends_ns"])
    op.create_table(
        "looks",
        sa.Column("id", _Number, primary_key=True, autoincrement=True),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.Column("cluster", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("job_id", sa.BigInteger),
        sa.Column("run", sa.Integer),
        sa.Column("owner", sa.Text),
        sa.Column("detail", sa.Text),
        sa.Column("rows", sa.Integer),
    )
    op.create_index("looks_by_time", "looks", ["time_ns", "id"])
    op.create_index("looks_by_owner", "looks", ["owner", "id"])
    op.create_index("looks_by_who", "looks", ["who", "id"])
