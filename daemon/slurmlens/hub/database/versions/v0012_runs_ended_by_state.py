"""Version 12: runs that ended in one state within some time have an index of both, which no planner passes over."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("DROP INDEX IF EXISTS runs_completed")
    op.create_index("runs_ended_by_state", "runs", ["state", "end_ns"])
