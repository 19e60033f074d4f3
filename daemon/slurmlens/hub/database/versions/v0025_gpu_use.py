"""Version 25: how busy GPUs were stands in usage; jobs whose GPUs told something are charged again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

_MARK = (
    "INSERT INTO uncharged_jobs SELECT DISTINCT cluster, job_id, 0 FROM gpu_holdings h"
    " WHERE NOT EXISTS (SELECT 1 FROM uncharged_jobs u WHERE u.cluster = h.cluster AND u.job_id = h.job_id)"
)


def upgrade() -> None:
    for table in ("usage_runs", "usage_hours"):
        for name in ("gpu_seen_ms", "gpu_busy_ms"):
            op.add_column(table, sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.execute(_MARK)
