"""Version 33: waits and habits of a window are read of the index of runs by span alone."""

from __future__ import annotations

from alembic import op

revision = "0033"
down_revision = "0032"

_COLUMNS = (
    *("cluster", "span_class", "start_s", "end_s"),
    *("submit_s", "wait_s", "limit_s", "size_class", "partition", "user", "account", "state", "job_type"),
    *("core_count", "memory_mib", "cpu_ms", "peak_mib"),
)


def upgrade() -> None:
    op.drop_index("usage_runs_by_span", "usage_runs")
    op.create_index("usage_runs_by_span", "usage_runs", list(_COLUMNS))
