"""The tables of usage, for SQLite and PostgreSQL alike.

Owns names, types and indexes. `usage_runs` is the ledger: a row a run that has begun, as `charges` made it.
`usage_hours` and `usage_days` are its sums by hour and by day, over the runs that are over; `usage_waits`,
`usage_job_types`, `usage_habits` and `usage_bursts` its sums by when runs started, each of every hour and of every day
(`width_s`, from `begin_s` on); `usage_node_hours` is what the nodes did in each hour that is closed. All are
projections of history and inventory, rebuilt by one command. `usage_due_hours` are closed hours to be counted again.
Which jobs are to be charged anew stands in history's `uncharged_jobs`. Written by `keeping`, `started_keeping`,
`node_keeping` and `rebuild`, read by `read`, `started` and `waits`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table, Text

from slurmlens.hub.database.metadata import metadata
from slurmlens.hub.usage.charges import DIMENSIONS, SUM_NAMES
from slurmlens.hub.usage.facts import UserHabits

ADDED_SUMS = frozenset(("gpu_seen_ms", "gpu_busy_ms"))
"""Columns that an upgrade added."""
NODE_SUMS = ("node_s", "core_s", "gpu_s", "memory_mib_s")

usage_runs = Table(
    "usage_runs",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("job_id", BigInteger, primary_key=True),
    Column("run", Integer, primary_key=True),
    Column("span_class", SmallInteger, nullable=False),
    Column("start_s", BigInteger, nullable=False),
    Column("end_s", BigInteger, nullable=False),
    Column("submit_s", BigInteger),
    Column("wait_s", BigInteger, nullable=False),
    Column("limit_s", BigInteger),
    *(Column(name, Text, nullable=False) for name in DIMENSIONS),
    Column("job_type", Text, nullable=False),
    Column("size_class", SmallInteger, nullable=False),
    Column("node_count", Integer, nullable=False),
    Column("core_count", BigInteger, nullable=False),
    Column("gpu_count", BigInteger, nullable=False),
    Column("memory_mib", BigInteger, nullable=False),
    Column("suspended_s", BigInteger, nullable=False),
    Column("cpu_ms", BigInteger, nullable=False),
    Column("peak_mib", BigInteger, nullable=False),
    Column("gpu_seen_ms", BigInteger, nullable=False, server_default="0"),
    Column("gpu_busy_ms", BigInteger, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
BY_SPAN = (
    *("cluster", "span_class", "start_s", "end_s"),
    *("submit_s", "wait_s", "limit_s", "size_class", "partition", "user", "account", "state", "job_type"),
    *("core_count", "memory_mib", "cpu_ms", "peak_mib"),
)
"""The first four find the runs of a window; with the rest, waits and habits are read of the index alone, in the order
of time: looking a million rows up by job id costs more than reading them. Some 100 bytes a run."""
Index("usage_runs_by_span", *(usage_runs.c[name] for name in BY_SPAN))

HOUR_KEY = ("cluster", "hour_s", *DIMENSIONS)
usage_hours = Table(
    "usage_hours",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("hour_s", BigInteger, primary_key=True),
    *(Column(name, Text, primary_key=True) for name in DIMENSIONS),
    *(
        Column(name, BigInteger, nullable=False, server_default="0" if name in ADDED_SUMS else None)
        for name in SUM_NAMES
    ),
    sqlite_with_rowid=False,
)

DAY_KEY = ("cluster", "day_s", *DIMENSIONS)
usage_days = Table(
    "usage_days",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("day_s", BigInteger, primary_key=True),
    *(Column(name, Text, primary_key=True) for name in DIMENSIONS),
    *(Column(name, BigInteger, nullable=False) for name in SUM_NAMES),
    sqlite_with_rowid=False,
)

WAIT_KEY = ("dimension", "name", "size_class", "wait_s")
WAIT_SUMS = ("runs", "waited_s")
usage_waits = Table(
    "usage_waits",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("dimension", Text, primary_key=True),  # whose they are: what `name` is a name of
    Column("width_s", Integer, primary_key=True),
    Column("begin_s", BigInteger, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("size_class", SmallInteger, primary_key=True),
    Column("wait_s", BigInteger, primary_key=True),  # rounded, `started_sums.rounded_wait_s`
    *(Column(name, BigInteger, nullable=False) for name in WAIT_SUMS),
    sqlite_with_rowid=False,
)

JOB_TYPE_KEY = ("job_type", "size_class", "user")
JOB_TYPE_SUMS = ("runs", "core_s", "failed")
usage_job_types = Table(
    "usage_job_types",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("width_s", Integer, primary_key=True),
    Column("begin_s", BigInteger, primary_key=True),
    Column("job_type", Text, primary_key=True),
    Column("size_class", SmallInteger, primary_key=True),
    Column("user", Text, primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in JOB_TYPE_SUMS),
    sqlite_with_rowid=False,
)

HABIT_SUMS = tuple(name for name in UserHabits.__struct_fields__ if name != "user")
usage_habits = Table(
    "usage_habits",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("width_s", Integer, primary_key=True),
    Column("begin_s", BigInteger, primary_key=True),
    Column("user", Text, primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in HABIT_SUMS),
    sqlite_with_rowid=False,
)

usage_bursts = Table(
    "usage_bursts",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("width_s", Integer, primary_key=True),
    Column("begin_s", BigInteger, primary_key=True),
    Column("user", Text, primary_key=True),
    Column("slot_s", BigInteger, primary_key=True),  # the ten minutes in which they were submitted
    Column("runs", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

SUMS = (usage_hours, usage_days, usage_waits, usage_job_types, usage_habits, usage_bursts)
"""What is kept of the ledger."""

NODE_HOUR_KEY = ("cluster", "hour_s", "partition", "state")
usage_node_hours = Table(
    "usage_node_hours",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("hour_s", BigInteger, primary_key=True),
    Column("partition", Text, primary_key=True),  # "" is the whole cluster
    Column("state", Text, primary_key=True),  # `node_time.UnitState`
    *(Column(name, BigInteger, nullable=False) for name in NODE_SUMS),
    sqlite_with_rowid=False,
)

usage_due_hours = Table(
    "usage_due_hours",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("hour_s", BigInteger, primary_key=True),
    Column("marked_ns", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
