"""Version 22: facts and relations of the cluster that ended long ago are found by index."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.create_index("inventory_facts_by_end", "inventory_facts", ["valid_to_ns"])
    op.create_index("inventory_relations_by_end", "inventory_relations", ["valid_to_ns"])
