"""Version 26: findings touch runs, not job ids, and have indexes by which retention finds the oldest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"

_TOUCHED_THEN = """
INSERT INTO finding_runs (finding, job_id, run)
SELECT finding_jobs.finding, finding_jobs.job_id, max(runs.number)
FROM finding_jobs
JOIN findings ON findings.number = finding_jobs.finding
JOIN runs ON runs.cluster = findings.cluster AND runs.job_id = finding_jobs.job_id
WHERE coalesce(runs.start_ns, 0) <= findings.last_ns
GROUP BY finding_jobs.finding, finding_jobs.job_id
"""
"""The newest run that had begun when the finding was last heard of."""


def upgrade() -> None:
    op.create_table(
        "finding_runs",
        sa.Column("finding", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("job_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("run", sa.Integer, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_index("finding_runs_of_run", "finding_runs", ["job_id", "run", "finding"])
    op.execute(sa.text(_TOUCHED_THEN))
    op.drop_table("finding_jobs")
    op.create_index("findings_by_end", "findings", ["closed_ns"])
    op.create_index("finding_words_by_age", "finding_words", ["at_ns"])
