"""The table of campaigns, for SQLite and PostgreSQL alike: a row a campaign, what was told of it last.

Owns names, types and indexes. What lists show stands in columns; the whole is the view's JSON, packed.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text

from slurmlens.hub.database.metadata import metadata

campaigns = Table(
    "campaigns",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("user", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("opened_ns", BigInteger, nullable=False),
    Column("told_ns", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("summary", LargeBinary, nullable=False),  # JSON of `facts.CampaignSummary`
    Column("view", LargeBinary, nullable=False),  # zlib of `wire.campaign_view.CampaignView` as JSON
    sqlite_with_rowid=False,
)
Index("campaigns_by_time", campaigns.c.cluster, campaigns.c.told_ns, campaigns.c.user, campaigns.c.name)
