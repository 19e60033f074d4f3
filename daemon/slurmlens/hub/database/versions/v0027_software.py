"""Version 27: sets of packages, each once, whoever has it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.create_table(
        "software_sets",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("last_told_ns", sa.BigInteger, nullable=False),
        sa.Column("packages", sa.LargeBinary, nullable=False),
    )
    op.create_index("software_sets_by_age", "software_sets", ["last_told_ns"])
