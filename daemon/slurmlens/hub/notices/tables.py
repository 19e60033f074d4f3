"""The tables of wishes, of a user or of one job, and of notices, for SQLite and PostgreSQL alike.

A notice's key is what makes it one: a run, a kind and a channel are told once, however often the hub begins anew.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from slurmlens.hub.database.metadata import metadata

notice_wishes = Table(
    "notice_wishes",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("user", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("address", Text, nullable=False),
    Column("kinds", Text, nullable=False),  # NoticeKind's values, with blanks between
    Column("set_ns", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

job_wishes = Table(
    "job_wishes",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("sighting", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("job_id", BigInteger, nullable=False),
    Column("told_ns", BigInteger, nullable=False),
    Column("words", Text, nullable=False),  # as SLURMLENS_NOTIFY has them: `judging.wishes_by_words` reads them
    sqlite_with_rowid=False,
)
"""Goes once its run has ended and was told: what is here is still to be looked at."""
Index("job_wishes_by_age", job_wishes.c.told_ns)

notices = Table(
    "notices",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("job_id", BigInteger, primary_key=True, autoincrement=False),
    Column("run", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("user", Text, nullable=False),
    Column("made_ns", BigInteger, nullable=False),
    Column("next_ns", BigInteger, nullable=False),  # FOREVER once it is settled
    Column("attempts", Integer, nullable=False),
    Column("outcome", Text),  # "sent", or why it never will be
    *(Column(name, Text, nullable=False) for name in ("address", "subject", "text")),
    sqlite_with_rowid=False,
)
Index("notices_due", notices.c.cluster, notices.c.next_ns)
Index("notices_of_user", notices.c.cluster, notices.c.user, notices.c.made_ns)
Index("notices_by_age", notices.c.made_ns)
