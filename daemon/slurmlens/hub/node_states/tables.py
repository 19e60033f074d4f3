"""The tables of this room: the newest state of each node, and each job's use of each GPU.

Owns names, types and keys. A row a node; a row a GPU of a sighting, superseded by each newer telling. A sighting's run
stands in history's `sightings`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text

from slurmlens.hub.database.metadata import metadata

node_states = Table(
    "node_states",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("told_ns", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),  # JSON of facts.NodeStateTold
    sqlite_with_rowid=False,
)
Index("node_states_by_age", node_states.c.told_ns)

gpu_holdings = Table(
    "gpu_holdings",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("sighting", Text, primary_key=True),
    Column("uuid", Text, primary_key=True),
    Column("job_id", BigInteger, nullable=False),
    Column("told_ns", BigInteger, nullable=False),
    Column("holding", LargeBinary, nullable=False),  # JSON of events.GpuHolding
    Column("gpu", LargeBinary, nullable=False),  # JSON of events.GpuState, as it was then
    sqlite_with_rowid=False,
)
Index("gpu_holdings_of_job", gpu_holdings.c.cluster, gpu_holdings.c.job_id)
Index("gpu_holdings_by_age", gpu_holdings.c.told_ns)
