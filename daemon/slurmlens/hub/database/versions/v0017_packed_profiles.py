"""Version 17: columns of profiles that came packed have a table, in which they wait for whoever packs courses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_table(
        "packed_profiles",
        sa.Column("batch", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("profiles", sa.LargeBinary, nullable=False),
    )
