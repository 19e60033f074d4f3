"""Version 7: the inventory with its history, and completed runs by their end."""

from __future__ import annotations

from slurmlens.hub.database.upgrading import to_7

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    to_7.upgrade()
