"""Version 24: mails by when something last became of them, so that retention finds the oldest."""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.create_index("mail_queue_by_age", "mail_queue", ["changed_ns"])
