"""Version 28: nodes' figures over time and at a glance, and who uses a node from outside any allocation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    whole = {"sqlite_with_rowid": False}
    op.create_table("node_figures", *_key(), *_told("figures"), **whole)
    bin_s = sa.Column("bin_s", sa.BigInteger, primary_key=True, autoincrement=False)
    op.create_table("node_courses", *_key(), bin_s, *_told("figures"), **whole)
    op.create_table("node_outsiders", *_key(), *_told("outsiders"), **whole)
    for name in ("node_figures", "node_courses", "node_outsiders"):
        op.create_index(f"{name}_by_age", name, ["told_ns"])


def _key() -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, primary_key=True) for name in ("cluster", "node")]


def _told(value: str) -> tuple[sa.Column[int], sa.Column[bytes]]:
    told_ns = sa.Column("told_ns", sa.BigInteger, nullable=False)
    return told_ns, sa.Column(value, sa.LargeBinary, nullable=False)
