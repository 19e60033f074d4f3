"""Version 31: investigations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "investigations",
        sa.Column("number", _number, primary_key=True, autoincrement=False),
        sa.Column("cluster", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("is_shared", sa.SmallInteger, nullable=False),
        sa.Column("changed_ns", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_index("investigations_by_change", "investigations", ["changed_ns"])
    op.create_index("investigations_of_owner", "investigations", ["cluster", "owner", "changed_ns"])
    op.create_index("investigations_shared", "investigations", ["cluster", "is_shared", "changed_ns"])
