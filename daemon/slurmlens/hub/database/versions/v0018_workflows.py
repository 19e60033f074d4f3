"""Version 18: triggers of workflows, and how far their rules have looked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "workflow_triggers",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("cluster", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("made_ns", sa.BigInteger, nullable=False),
        sa.Column("ticket", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("begun_ns", sa.BigInteger),
        sa.Column("due_ns", sa.BigInteger, nullable=False),
        sa.Column("invocation", sa.Text),
        sa.Column("problem", sa.Text),
        sa.Column("report", sa.LargeBinary),
    )
    op.create_index("workflow_triggers_due", "workflow_triggers", ["cluster", "state", "due_ns"])
    op.create_index("workflow_triggers_of_job", "workflow_triggers", ["cluster", "job_id", "run"])
    op.create_index("workflow_triggers_by_time", "workflow_triggers", ["cluster", "made_ns"])
    op.create_table(
        "workflow_marks",
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column("since_ns", sa.BigInteger, nullable=False),
    )
