"""Version 8: the index of the list without filters is taken for that list alone; who looked at a job has an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.drop_index("runs_listed", "runs")
    where = sa.text("order_ns >= 0")
    op.create_index("runs_listed", "runs", ["section", "order_ns", "rid"], sqlite_where=where, postgresql_where=where)
    op.create_index("looks_by_job", "looks", ["job_id", "id"])
