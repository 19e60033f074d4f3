"""Version 29: how busy, overfull and broken each node's resources are, for pages of all nodes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    op.add_column("node_figures", sa.Column("resources", sa.LargeBinary()))
