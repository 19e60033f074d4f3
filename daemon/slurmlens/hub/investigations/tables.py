"""The table of investigations, for SQLite and PostgreSQL alike: what lists ask by, and the rest as JSON.

Written and read by `keeping` alone; numbers are given by the one writer.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, SmallInteger, Table, Text

from slurmlens.hub.database.metadata import metadata
from slurmlens.hub.history.tables import Number

investigations = Table(
    "investigations",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("cluster", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("is_shared", SmallInteger, nullable=False),
    Column("changed_ns", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),  # JSON of `facts.Investigation`
)
Index("investigations_by_change", investigations.c.changed_ns)
Index("investigations_of_owner", *(investigations.c[name] for name in ("cluster", "owner", "changed_ns")))
Index("investigations_shared", *(investigations.c[name] for name in ("cluster", "is_shared", "changed_ns")))
