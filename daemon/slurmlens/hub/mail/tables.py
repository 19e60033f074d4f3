"""The table of mail, for SQLite and PostgreSQL alike.

Owns names and types. A row is a message from when it is queued until retention takes it; `state` says what became of it
(`queue.MailState`). Written by `queue` alone.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from slurmlens.hub.database.metadata import metadata

mail_queue = Table(
    "mail_queue",
    metadata,
    Column("id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("due_ns", BigInteger, nullable=False),
    Column("queued_ns", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    Column("changed_ns", BigInteger, nullable=False),
    Column("message", LargeBinary, nullable=False),  # `message.Mail`
)
_is_open = mail_queue.c.state.in_(("waiting", "sending"))
Index("mail_queue_due", mail_queue.c.state, mail_queue.c.due_ns, sqlite_where=_is_open, postgresql_where=_is_open)
Index("mail_queue_by_age", mail_queue.c.changed_ns)
