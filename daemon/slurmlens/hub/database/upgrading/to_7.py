"""To version 7: tables of the inventory (facts, relations, tellings), and an index of completed runs by their end.

Nothing of before is changed. The statements stand here as they were at version 7, whatever the tables become later.
"""

from __future__ import annotations

from alembic import op

_STATEMENTS = (
    "CREATE TABLE inventory_facts (cluster TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,"
    " attribute TEXT NOT NULL, source TEXT NOT NULL, valid_from_ns BIGINT NOT NULL, valid_to_ns BIGINT NOT NULL,"
    " last_told_ns BIGINT, value TEXT NOT NULL,"
    " PRIMARY KEY (cluster, kind, name, attribute, source, valid_from_ns))",
    "CREATE UNIQUE INDEX inventory_facts_of_source"
    " ON inventory_facts (cluster, source, valid_to_ns, kind, name, attribute)",
    "CREATE INDEX inventory_facts_at ON inventory_facts (cluster, kind, attribute, valid_to_ns)",
    "CREATE TABLE inventory_relations (cluster TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,"
    " relation TEXT NOT NULL, other_kind TEXT NOT NULL, other_name TEXT NOT NULL, source TEXT NOT NULL,"
    " valid_from_ns BIGINT NOT NULL, valid_to_ns BIGINT NOT NULL, last_told_ns BIGINT,"
    " PRIMARY KEY (cluster, kind, name, relation, other_kind, other_name, source, valid_from_ns))",
    "CREATE UNIQUE INDEX inventory_relations_of_source"
    " ON inventory_relations (cluster, source, valid_to_ns, kind, name, relation, other_kind, other_name)",
    "CREATE INDEX inventory_relations_backwards ON inventory_relations (cluster, other_kind, other_name, valid_to_ns)",
    "CREATE TABLE inventory_tellings (cluster TEXT NOT NULL, source TEXT NOT NULL, subject_kind TEXT NOT NULL,"
    " subject_name TEXT NOT NULL, asked_ns BIGINT NOT NULL, told_ns BIGINT, digest {blob},"
    " PRIMARY KEY (cluster, source, subject_kind, subject_name))",
    "CREATE INDEX runs_completed ON runs (end_ns) WHERE state = 'COMPLETED'",
)


def upgrade() -> None:
    """All of it; inside alembic's operations."""
    blob = "BYTEA" if op.get_bind().dialect.name == "postgresql" else "BLOB"
    for statement in _STATEMENTS:
        op.execute(statement.replace("{blob}", blob))
