"""The tables of the hub's truth, for SQLite and PostgreSQL alike.

Owns names and types, and the version that `store` compares at opening. What is kept as told: `events` (documents as the
nodes sent them), `executions` (the scheduler's records), `nodes` (heartbeats), `drops` (what a node gave up) and
`node_records`. Everything else is a projection of these, written again whenever they grow: `sightings` by
`sighting_rows`, `runs` by `run_rows`. `stale_jobs` says for which jobs that is still to be done; it is filled in the
same transaction as the facts, so that a crash between any two writes leaves work to do and nothing half done.

Times are nanoseconds since the epoch (`*_ns`) or whole seconds where the scheduler tells them (`*_s`), both 64 bit.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

VERSION = 3

UPGRADES: dict[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE nodes ADD COLUMN beat_heard_ns BIGINT",
        "UPDATE nodes SET beat_heard_ns = heard_ns WHERE boot_id IS NOT NULL",
    ),
    2: (
        "CREATE TABLE drops (cluster VARCHAR(64) NOT NULL, node VARCHAR(255) NOT NULL, stream VARCHAR(128) NOT NULL,"
        " reason VARCHAR(128) NOT NULL, since_ns BIGINT NOT NULL, lines BIGINT NOT NULL, told_ns BIGINT NOT NULL,"
        " PRIMARY KEY (cluster, node, stream, reason, since_ns, lines))",
    ),
}
"""By version: what makes the next one of it."""

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

events = Table(
    "events",
    metadata,
    # a node speaks only for itself: with the node in the key, none can take another's event id
    Column("cluster", String(64), primary_key=True),
    Column("node", String(255), primary_key=True),
    Column("id", String(255), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("job_id", BigInteger, nullable=False),
    Column("sighting", Text, nullable=False),
    Column("boottime_ns", BigInteger, nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("received_ns", BigInteger, nullable=False),
    Column("body", LargeBinary),  # None: a profile delta that the summary has made superfluous
)
Index("events_of_job", events.c.cluster, events.c.job_id)
Index("events_of_sighting", events.c.cluster, events.c.node, events.c.sighting)

sightings = Table(
    "sightings",
    metadata,
    Column("cluster", String(64), primary_key=True),
    Column("node", String(255), primary_key=True),
    Column("sighting", Text, primary_key=True),
    Column("job_id", BigInteger, nullable=False),
    Column("boot_id", String(64), nullable=False),
    Column("first_boottime_ns", BigInteger, nullable=False),
    Column("last_boottime_ns", BigInteger, nullable=False),
    Column("heard_ns", BigInteger, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("start_witness", String(16)),
    Column("end_ns", BigInteger),
    Column("end_witness", String(16)),
    Column("summary_id", String(255)),
    Column("slot", Integer),
    Column("identity", LargeBinary),
    Column("prolog_restart_count", BigInteger),
    Column("unseen_s", Float),
    Column("samples", BigInteger),
    Column("cpu_s", Float),
    Column("memory_peak_bytes", Float),
    Column("oom_kills", BigInteger),
    # below: not from its events
    Column("closed_ns", BigInteger),
    Column("closed_reason", String(32)),
    Column("run", Integer),
    Column("held_reason", String(32)),
    Column("held_since_ns", BigInteger),
)
Index("sightings_of_job", sightings.c.cluster, sightings.c.job_id)
Index("sightings_open", sightings.c.summary_id, sightings.c.closed_ns)

executions = Table(
    "executions",
    metadata,
    Column("cluster", String(64), primary_key=True),
    Column("job_id", BigInteger, primary_key=True),
    Column("submit_s", BigInteger, primary_key=True),
    Column("heard_ns", BigInteger, nullable=False),
    Column("is_open", Integer, nullable=False),
    Column("record", LargeBinary, nullable=False),
)
Index("executions_open", executions.c.cluster, executions.c.is_open)

runs = Table(
    "runs",
    metadata,
    Column("cluster", String(64), primary_key=True),
    Column("job_id", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("incarnation", Integer, nullable=False),
    Column("is_latest", Integer, nullable=False),
    Column("submit_s", BigInteger),  # the execution it is; None where only nodes told of it
    Column("state", String(32), nullable=False),
    Column("state_group", String(16), nullable=False),
    Column("name", Text),
    Column("user", String(255)),
    Column("account", String(255)),
    Column("partition", String(255)),
    Column("order_ns", BigInteger, nullable=False),
    Column("start_ns", BigInteger),
    Column("end_ns", BigInteger),
    Column("start_source", String(16)),
    Column("end_source", String(16)),
    Column("cpu_s", Float),
    Column("memory_peak_bytes", Float),
    Column("oom_kills", BigInteger),
    Column("outcome", LargeBinary, nullable=False),
)
Index("runs_by_order", runs.c.cluster, runs.c.is_latest, runs.c.order_ns)
Index("runs_by_group", runs.c.cluster, runs.c.is_latest, runs.c.state_group, runs.c.order_ns)
Index("runs_by_user", runs.c.user, runs.c.order_ns)
Index("runs_by_end", runs.c.state, runs.c.end_ns)

run_nodes = Table(
    "run_nodes",
    metadata,
    Column("cluster", String(64), primary_key=True),
    Column("job_id", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("node", String(255), primary_key=True),
)
Index("run_nodes_by_node", run_nodes.c.cluster, run_nodes.c.node)

nodes = Table(
    "nodes",
    metadata,
    Column("cluster", String(64), primary_key=True),
    Column("node", String(255), primary_key=True),
    Column("heard_ns", BigInteger, nullable=False),
    Column("beat_ns", BigInteger),
    Column("beat_heard_ns", BigInteger),
    Column("boot_id", String(64)),
    Column("boottime_ns", BigInteger),
    Column("version", String(64)),
    Column("interval_s", Float),
    Column("skew_s", Float),
    Column("running", LargeBinary),
)

drops = Table(
    "drops",
    metadata,
    Column("cluster", String(64), primary_key=True),
    Column("node", String(255), primary_key=True),
    Column("stream", String(128), primary_key=True),
    Column("reason", String(128), primary_key=True),
    Column("since_ns", BigInteger, primary_key=True),
    Column("lines", BigInteger, primary_key=True),
    Column("told_ns", BigInteger, nullable=False),
)

node_records = Table(
    "node_records",
    metadata,
    Column("cluster", String(64), primary_key=True),
    Column("node", String(255), primary_key=True),
    Column("record", LargeBinary, nullable=False),
)

refusals = Table(
    "refusals",
    metadata,
    Column("reason", String(64), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
)

stale_jobs = Table(
    "stale_jobs",
    metadata,
    Column("cluster", String(64), primary_key=True),
    Column("job_id", BigInteger, primary_key=True),
)
