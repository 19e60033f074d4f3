"""Version 10: sightings say how much detail of them is kept, and what is too old is found by index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_AGING = "(summary_id IS NOT NULL OR closed_ns IS NOT NULL) AND detail < 3"


def upgrade() -> None:
    op.create_table(
        "retention",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("removed", sa.BigInteger, nullable=False),
        sa.Column("last_ns", sa.BigInteger, nullable=False),
    )
    op.add_column("sightings", sa.Column("detail", sa.SmallInteger, nullable=False, server_default="0"))
    where = sa.text(_AGING)
    op.create_index("sightings_aging", "sightings", ["detail", "heard_ns"], sqlite_where=where, postgresql_where=where)
    op.create_index("batches_by_time", "batches", ["received_ns"])
