"""Version 4: bodies as nodes sent them, a small row an event, lists by their indexes."""

from __future__ import annotations

from slurmlens.hub.database.upgrading import to_4

revision = "0004"
down_revision = None


def upgrade() -> None:
    to_4.upgrade()
