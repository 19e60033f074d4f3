"""Version 13: who used what by the hour; every job of before is charged once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_DIMENSIONS = ("partition", "user", "account", "qos", "state")
_SUMS = (
    "node_s",
    "core_s",
    "gpu_s",
    "memory_mib_s",
    "suspended_core_s",
    "cpu_ms",
    "peak_mib_s",
    "started",
    "ended",
)


def _key(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, primary_key=True) for name in names]


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False)


def _count(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def upgrade() -> None:
    whole = {"sqlite_with_rowid": False}
    op.create_table("uncharged_jobs", *_key("cluster"), _number("job_id"), *_count("marked_ns"), **whole)
    op.create_table(
        "usage_runs",
        *_key("cluster"),
        _number("job_id"),
        sa.Column("run", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("span_class", sa.SmallInteger, nullable=False),
        *_count("start_s", "end_s"),
        sa.Column("submit_s", sa.BigInteger),
        *_count("wait_s"),
        sa.Column("limit_s", sa.BigInteger),
        *(sa.Column(name, sa.Text, nullable=False) for name in (*_DIMENSIONS, "job_type")),
        sa.Column("size_class", sa.SmallInteger, nullable=False),
        sa.Column("node_count", sa.Integer, nullable=False),
        *_count("core_count", "gpu_count", "memory_mib", "suspended_s", "cpu_ms", "peak_mib"),
        **whole,
    )
    op.create_index("usage_runs_by_span", "usage_runs", ["cluster", "span_class", "start_s", "end_s"])
    op.create_table("usage_hours", *_key("cluster"), _number("hour_s"), *_key(*_DIMENSIONS), *_count(*_SUMS), **whole)
    op.create_table(
        "usage_node_hours",
        *_key("cluster"),
        _number("hour_s"),
        *_key("partition", "state"),
        *_count("node_s", "core_s", "gpu_s", "memory_mib_s"),
        **whole,
    )
    op.create_table("usage_due_hours", *_key("cluster"), _number("hour_s"), *_count("marked_ns"), **whole)
    op.execute("INSERT INTO uncharged_jobs SELECT DISTINCT cluster, job_id, 0 FROM runs")
