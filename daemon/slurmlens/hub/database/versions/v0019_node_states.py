"""Version 19: the newest state of each node, and what each job made of each GPU."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "node_states",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("cluster", "node")),
        sa.Column("told_ns", sa.BigInteger, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("node_states_by_age", "node_states", ["told_ns"])
    op.create_table(
        "gpu_holdings",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("cluster", "node", "sighting", "uuid")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("job_id", "told_ns")),
        *(sa.Column(name, sa.LargeBinary, nullable=False) for name in ("holding", "gpu")),
        sqlite_with_rowid=False,
    )
    op.create_index("gpu_holdings_of_job", "gpu_holdings", ["cluster", "job_id"])
    op.create_index("gpu_holdings_by_age", "gpu_holdings", ["told_ns"])
