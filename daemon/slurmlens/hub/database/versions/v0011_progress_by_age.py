"""Version 11: what jobs reported of their progress is found by its age."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_index("progress_tasks_by_age", "progress_tasks", ["told_ns"])
    op.create_index("progress_messages_by_age", "progress_messages", ["time_ns"])
