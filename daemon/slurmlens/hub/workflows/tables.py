"""The tables of triggers, for SQLite and PostgreSQL alike.

Owns names, types and indexes. `workflow_triggers` has a row a trigger, for ever: it is what makes it happen once.
`workflow_marks` says how far a rule has looked.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from slurmlens.hub.database.metadata import metadata

triggers = Table(
    "workflow_triggers",
    metadata,
    Column("key", Text, primary_key=True),
    Column("cluster", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("job_id", BigInteger, nullable=False),
    Column("run", Integer, nullable=False),
    Column("made_ns", BigInteger, nullable=False),
    Column("ticket", LargeBinary, nullable=False),  # JSON of `wire.assessment.Ticket`
    Column("state", Text, nullable=False),  # `trigger.TriggerState`
    Column("attempt", Integer, nullable=False),
    Column("begun_ns", BigInteger),  # of the attempt
    Column("due_ns", BigInteger, nullable=False),  # not looked at before
    Column("invocation", Text),
    Column("problem", Text),
    Column("report", LargeBinary),  # JSON of `wire.assessment.Assessment`
)
Index("workflow_triggers_due", triggers.c.cluster, triggers.c.state, triggers.c.due_ns)
Index("workflow_triggers_of_job", triggers.c.cluster, triggers.c.job_id, triggers.c.run)
Index("workflow_triggers_by_time", triggers.c.cluster, triggers.c.made_ns)

marks = Table(
    "workflow_marks",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("since_ns", BigInteger, nullable=False),
)
