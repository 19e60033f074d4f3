"""The tables of findings, for SQLite and PostgreSQL alike.

Owns names, types and indexes. `findings` has a row a finding (its claim as JSON), `finding_runs` one for each run of
a job that it touches, which is also by whom it may be seen, `finding_words` one for each thing that somebody said.
Numbers are given by the one writer. Written by `keeping` alone, read by `read`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, Table, Text

from slurmlens.hub.database.metadata import metadata
from slurmlens.hub.history.tables import Number

findings = Table(
    "findings",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("cluster", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject_kind", Text, nullable=False),
    Column("subject_name", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("incident", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("rank", Float(53), nullable=False),
    Column("rank_note", Text),
    Column("first_ns", BigInteger, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
    Column("closed_ns", BigInteger),
    Column("closed_why", Text),
    Column("claim", LargeBinary, nullable=False),  # JSON of `claims.Claim`
)
Index("findings_by_state", findings.c.cluster, findings.c.state, findings.c.last_ns)
Index("findings_of_subject", *(findings.c[name] for name in ("cluster", "subject_kind", "subject_name", "last_ns")))
Index("findings_of_incident", findings.c.cluster, findings.c.incident)
Index("findings_by_end", findings.c.closed_ns)
Index("findings_of_kind", findings.c.cluster, findings.c.kind, findings.c.detail, findings.c.last_ns)

finding_runs = Table(
    "finding_runs",
    metadata,
    Column("finding", BigInteger, primary_key=True, autoincrement=False),
    Column("job_id", BigInteger, primary_key=True, autoincrement=False),
    Column("run", Integer, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
Index("finding_runs_of_run", finding_runs.c.job_id, finding_runs.c.run, finding_runs.c.finding)

finding_words = Table(
    "finding_words",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("cluster", Text, nullable=False),
    Column("finding", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject_kind", Text, nullable=False),
    Column("subject_name", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("word", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("label", Text),
    Column("until_ns", BigInteger),
    Column("undone_ns", BigInteger),
    Column("undone_by", Text),
)
Index("finding_words_of_finding", finding_words.c.cluster, finding_words.c.finding)
Index("finding_words_by_age", finding_words.c.at_ns)
Index("finding_words_by_time", finding_words.c.cluster, finding_words.c.at_ns)
