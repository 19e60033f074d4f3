"""The tables of this room: how each node fares and fared, who uses it from outside, and each job's use of each GPU.

Owns names, types and keys. `node_states`, `node_figures`, `node_outsiders`: a row a node, of its newest telling;
`node_courses`: a row a node and `figures.BIN_S`; `file_system_days`: a row a mount point and day, of the node on which
it was fullest; `resource_hours`: a row a resource and hour of the whole cluster; `gpu_holdings`: a row a GPU of a
sighting, superseded by each newer telling. A sighting's run stands in history's `sightings`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, LargeBinary, Table, Text

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

node_figures = Table(
    "node_figures",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("told_ns", BigInteger, nullable=False),
    Column("figures", LargeBinary, nullable=False),  # `figures.pack`, of one telling
    Column("resources", LargeBinary),  # JSON of resources.UseFigures; None of what was told before that was kept
    sqlite_with_rowid=False,
)
Index("node_figures_by_age", node_figures.c.told_ns)

node_courses = Table(
    "node_courses",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("bin_s", BigInteger, primary_key=True),
    Column("told_ns", BigInteger, nullable=False),
    Column("figures", LargeBinary, nullable=False),  # `figures.pack`, of all tellings in the bin
    sqlite_with_rowid=False,
)
Index("node_courses_by_age", node_courses.c.told_ns)

node_outsiders = Table(
    "node_outsiders",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("told_ns", BigInteger, nullable=False),
    Column("outsiders", LargeBinary, nullable=False),  # JSON of facts.OutsidersTold
    sqlite_with_rowid=False,
)
Index("node_outsiders_by_age", node_outsiders.c.told_ns)

file_system_days = Table(
    "file_system_days",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("day_s", BigInteger, primary_key=True),
    Column("mount", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("used_ratio", Float, nullable=False),
    Column("is_shared", Boolean, nullable=False),
    Column("told_ns", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("file_system_days_by_age", file_system_days.c.told_ns)

resource_hours = Table(
    "resource_hours",
    metadata,
    Column("begin_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("cluster", Text, primary_key=True),
    Column("resource", Text, primary_key=True),  # `resource_hours.MeasuredResource`
    Column("used", Float, nullable=False),  # times seconds, as `whole`
    Column("whole", Float, nullable=False),
    sqlite_with_rowid=False,
)

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
