"""The tables of the inventory, for SQLite and PostgreSQL alike.

Owns names, types and indexes. `inventory_facts` has a row for each version of each attribute of each entity,
`inventory_relations` one for each span in which two entities stood in a relation; a row that holds still ends at
`entities.FOREVER`, and the unique index over it makes sure that a source holds one value of an attribute at a time.
`inventory_tellings` has one row a source (and subject): when it told last, and a digest of what, so that the same
telling again costs one small row. `software_sets` has a row for each set of packages that some node had, by its
digest: nodes with the same cost one row, and a node's facts name it. Written by `recording` and `software_keeping`,
read by `read`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text

from slurmlens.hub.database.metadata import metadata

FACT_KEY = ("cluster", "kind", "name", "attribute", "source")
RELATION_KEY = ("cluster", "kind", "name", "relation", "other_kind", "other_name", "source")

facts = Table(
    "inventory_facts",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("attribute", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("valid_from_ns", BigInteger, primary_key=True),
    Column("valid_to_ns", BigInteger, nullable=False),
    Column("last_told_ns", BigInteger),
    Column("value", Text, nullable=False),  # JSON
)
Index(
    "inventory_facts_of_source",
    *(facts.c[name] for name in ("cluster", "source", "valid_to_ns", "kind", "name", "attribute")),
    unique=True,
)
Index("inventory_facts_at", facts.c.cluster, facts.c.kind, facts.c.attribute, facts.c.valid_to_ns)

relations = Table(
    "inventory_relations",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("relation", Text, primary_key=True),
    Column("other_kind", Text, primary_key=True),
    Column("other_name", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("valid_from_ns", BigInteger, primary_key=True),
    Column("valid_to_ns", BigInteger, nullable=False),
    Column("last_told_ns", BigInteger),
)
Index(
    "inventory_relations_of_source",
    *(
        relations.c[name]
        for name in ("cluster", "source", "valid_to_ns", "kind", "name", "relation", "other_kind", "other_name")
    ),
    unique=True,
)
Index(
    "inventory_relations_backwards",
    relations.c.cluster,
    relations.c.other_kind,
    relations.c.other_name,
    relations.c.valid_to_ns,
)

for _table in (facts, relations):
    Index(f"{_table.name}_by_end", _table.c.valid_to_ns)

tellings = Table(
    "inventory_tellings",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("subject_kind", Text, primary_key=True),  # "" where a source tells of the whole cluster
    Column("subject_name", Text, primary_key=True),
    Column("asked_ns", BigInteger, nullable=False),
    Column("told_ns", BigInteger),
    Column("digest", LargeBinary),
)

software_sets = Table(
    "software_sets",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("last_told_ns", BigInteger, nullable=False),
    Column("packages", LargeBinary, nullable=False),  # software.packed_set
)
Index("software_sets_by_age", software_sets.c.last_told_ns)
