"""The tables of who may see what, for SQLite and PostgreSQL alike.

Owns names, types and indexes. `account_people` is what slurmdbd said last of accounts; `login_tokens` holds links and
sessions by their hash alone, so that whoever reads the database cannot use them; `looks` is who looked at whose job.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, SmallInteger, Table, Text

from slurmlens.hub.database.metadata import metadata

account_people = Table(
    "account_people",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("user", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("is_coordinator", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

login_tokens = Table(
    "login_tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the token
    Column("kind", Text, nullable=False),  # `tokens.TokenKind`
    Column("user", Text, nullable=False),
    Column("ends_ns", BigInteger, nullable=False),
)
Index("login_tokens_by_end", login_tokens.c.ends_ns)

looks = Table(
    "looks",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("time_ns", BigInteger, nullable=False),
    Column("cluster", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),  # `looks.What`
    Column("job_id", BigInteger),  # none for a list
    Column("run", Integer),
    Column("owner", Text),
    Column("detail", Text),  # a list's filters
    Column("rows", Integer),  # a list's jobs of others
)
Index("looks_by_time", looks.c.time_ns, looks.c.id)
Index("looks_by_owner", looks.c.owner, looks.c.id)
Index("looks_by_who", looks.c.who, looks.c.id)
Index("looks_by_job", looks.c.job_id, looks.c.id)
