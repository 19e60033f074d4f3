"""Version 16: findings, the jobs that they touch, and what people said of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "findings",
        sa.Column("number", _number, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("cluster", "kind", "subject_kind", "subject_name")),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("incident", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("rank", sa.Float(53), nullable=False),
        sa.Column("rank_note", sa.Text),
        sa.Column("first_ns", sa.BigInteger, nullable=False),
        sa.Column("last_ns", sa.BigInteger, nullable=False),
        sa.Column("closed_ns", sa.BigInteger),
        sa.Column("closed_why", sa.Text),
        sa.Column("claim", sa.LargeBinary, nullable=False),
    )
    op.create_index("findings_by_state", "findings", ["cluster", "state", "last_ns"])
    op.create_index("findings_of_subject", "findings", ["cluster", "subject_kind", "subject_name", "last_ns"])
    op.create_index("findings_of_incident", "findings", ["cluster", "incident"])
    op.create_index("findings_of_kind", "findings", ["cluster", "kind", "detail", "last_ns"])
    op.create_table(
        "finding_jobs",
        sa.Column("finding", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("job_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_index("finding_jobs_of_job", "finding_jobs", ["job_id", "finding"])
    op.create_table(
        "finding_words",
        sa.Column("number", _number, primary_key=True, autoincrement=False),
        sa.Column("cluster", sa.Text, nullable=False),
        sa.Column("finding", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("kind", "subject_kind", "subject_name", "detail")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("word", "who")),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("until_ns", sa.BigInteger),
        sa.Column("undone_ns", sa.BigInteger),
        sa.Column("undone_by", sa.Text),
    )
    op.create_index("finding_words_of_finding", "finding_words", ["cluster", "finding"])
    op.create_index("finding_words_by_time", "finding_words", ["cluster", "at_ns"])
