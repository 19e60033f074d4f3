"""The tables of history, for SQLite and PostgreSQL alike.

Owns names, types and indexes. What is kept as it came: `batches` (requests' lines as nodes sent them), `executions`
(the scheduler's records), `nodes` (the newest heartbeat of each), `drops` (what a node gave up). `events` has a small
row for each event: which sighting it is about, and in which line of which body it stands. Everything else is a
projection of these: `sightings` by `record.sighting_fold`, `runs` and `run_nodes` by `record.concluding`, `courses` by
`record.packing`. `stale_jobs` marks jobs whose runs are to be made anew later: it is filled in the transaction that
stores the facts, so that a crash between any two writes leaves work to do and nothing half done.

Numbers that stand in other tables (`sightings.rid`, `runs.rid`, `batches.id`) are given by the one writer. Times are
nanoseconds since the epoch (`*_ns`) or whole seconds where the scheduler gives them (`*_s`), both 64 bit.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    literal_column,
    or_,
)

from slurmlens.hub.database.metadata import metadata
from slurmlens.hub.history.facts import Detail

Number = BigInteger().with_variant(Integer, "sqlite")
"""A number that is a row's key: SQLite makes INTEGER PRIMARY KEY, and nothing else, the row's own place."""

batches = Table(
    "batches",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=False),
    Column("received_ns", BigInteger, nullable=False),
    Column("encoding", Text, nullable=False),  # of the body, as HTTP says it
    Column("body", LargeBinary, nullable=False),
)
Index("batches_by_time", batches.c.received_ns)

packed_profiles = Table(
    "packed_profiles",
    metadata,
    Column("batch", Number, primary_key=True, autoincrement=False),
    Column("profiles", LargeBinary, nullable=False),
)
"""Columns that came packed beside a batch's lines, until they are in `courses` or `course_pieces`."""

events = Table(
    "events",
    metadata,
    Column("sighting", Number, primary_key=True, autoincrement=False),  # a node speaks only for its own sightings
    Column("id", Text, primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    Column("witness", SmallInteger),
    Column("boottime_ns", BigInteger, nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("batch", BigInteger, nullable=False),
    Column("line", Integer, nullable=False),
    sqlite_with_rowid=False,
)

sightings = Table(
    "sightings",
    metadata,
    Column("rid", Number, primary_key=True, autoincrement=False),
    Column("cluster", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("sighting", Text, nullable=False),
    Column("job_id", BigInteger, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("first_boottime_ns", BigInteger, nullable=False),
    Column("last_boottime_ns", BigInteger, nullable=False),
    Column("heard_ns", BigInteger, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("start_witness", Text),
    Column("end_ns", BigInteger),
    Column("end_witness", Text),
    Column("summary_id", Text),
    Column("slot", Integer),
    Column("tellers", LargeBinary, nullable=False),  # who reported which identity: `record.sighting_fold.Tellers`
    Column("totals", LargeBinary),  # the summary's `events.Totals`
    Column("prolog_restart_count", BigInteger),
    Column("unseen_s", Float(53)),
    Column("samples", BigInteger),
    Column("cpu_s", Float(53)),
    Column("memory_peak_bytes", Float(53)),
    Column("oom_kills", BigInteger),
    # below: not from its events
    Column("closed_ns", BigInteger),
    Column("closed_reason", Text),
    Column("run", Integer),
    Column("held_reason", Text),
    Column("held_since_ns", BigInteger),
    Column("detail", SmallInteger, nullable=False, server_default="0"),  # `Detail`
)
Index("sightings_by_name", sightings.c.cluster, sightings.c.node, sightings.c.sighting, unique=True)
Index("sightings_of_job", sightings.c.cluster, sightings.c.job_id)
_is_open = sightings.c.summary_id.is_(None) & sightings.c.closed_ns.is_(None)
Index("sightings_open", sightings.c.rid, sqlite_where=_is_open, postgresql_where=_is_open)
_is_held = sightings.c.held_reason.is_not(None)
Index("sightings_held", sightings.c.held_reason, sqlite_where=_is_held, postgresql_where=_is_held)
_may_open_again = sightings.c.closed_ns.is_not(None) & sightings.c.end_ns.is_(None)
Index("sightings_closed", sightings.c.closed_ns, sqlite_where=_may_open_again, postgresql_where=_may_open_again)


is_aging = or_(sightings.c.summary_id.is_not(None), sightings.c.closed_ns.is_not(None)) & (
    sightings.c.detail < literal_column(str(Detail.NO_COURSE.value))
)
"""Over, and with something left to lose."""
Index("sightings_aging", sightings.c.detail, sightings.c.heard_ns, sqlite_where=is_aging, postgresql_where=is_aging)

courses = Table(
    "courses",
    metadata,
    Column("sighting", Number, primary_key=True, autoincrement=False),
    Column("course", LargeBinary, nullable=False),  # `profiles.blob`
)

course_pieces = Table(
    "course_pieces",
    metadata,
    Column("sighting", Number, primary_key=True, autoincrement=False),
    Column("batch", BigInteger, primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("piece", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

marks = Table(
    "marks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""How far work that goes through the batches in their order has come: by name, the last batch that is done."""

executions = Table(
    "executions",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("job_id", BigInteger, primary_key=True),
    Column("submit_s", BigInteger, primary_key=True),
    Column("heard_ns", BigInteger, nullable=False),
    Column("is_open", SmallInteger, nullable=False),
    Column("record", LargeBinary, nullable=False),
)
_is_running = executions.c.is_open == 1
Index(
    "executions_open",
    executions.c.cluster,
    executions.c.job_id,
    executions.c.submit_s,
    sqlite_where=_is_running,
    postgresql_where=_is_running,
)

runs = Table(
    "runs",
    metadata,
    Column("rid", Number, primary_key=True, autoincrement=False),
    Column("cluster", Text, nullable=False),
    Column("job_id", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Column("incarnation", Integer, nullable=False),
    Column("section", SmallInteger, nullable=False),  # of lists: `conclude.run_rows.Section`
    Column("submit_s", BigInteger),  # the execution it is; None where only nodes reported it
    Column("state", Text, nullable=False),
    Column("state_group", Text, nullable=False),
    Column("name", Text),
    Column("user", Text),
    Column("account", Text),
    Column("partition", Text),
    Column("order_ns", BigInteger, nullable=False),
    Column("start_ns", BigInteger),
    Column("end_ns", BigInteger),
    Column("start_source", Text),
    Column("end_source", Text),
    Column("cpu_s", Float(53)),
    Column("memory_peak_bytes", Float(53)),
    Column("oom_kills", BigInteger),
    Column("outcome", LargeBinary, nullable=False),
    Column("nodes", LargeBinary, nullable=False),  # JSON, in the scheduler's order
    Column("array_job_id", BigInteger),
    Column("array_task_id", BigInteger),
    Column("het_job_id", BigInteger),
    Column("het_job_offset", BigInteger),
)
Index("runs_of_job", runs.c.cluster, runs.c.job_id, runs.c.number, unique=True)
of_any = runs.c.order_ns >= literal_column("0")
"""Holds for every run. A list without filters asks for it, and no other may go by that list's index: a planner that
knows how many jobs a user has, but not when they were, would look for them among everybody's."""
Index("runs_listed", runs.c.section, runs.c.order_ns, runs.c.rid, sqlite_where=of_any, postgresql_where=of_any)
for _name in ("user", "account", "partition", "state", "state_group"):
    Index(f"runs_listed_by_{_name}", runs.c[_name], runs.c.section, runs.c.order_ns, runs.c.rid)
_is_task = runs.c.array_job_id.is_not(None)
Index("runs_of_array", runs.c.array_job_id, runs.c.array_task_id, sqlite_where=_is_task, postgresql_where=_is_task)
_is_component = runs.c.het_job_id.is_not(None)
Index(
    "runs_of_het_job",
    runs.c.het_job_id,
    runs.c.het_job_offset,
    sqlite_where=_is_component,
    postgresql_where=_is_component,
)
_has_failed = runs.c.state_group == "failed"
Index("runs_failed", runs.c.end_ns, sqlite_where=_has_failed, postgresql_where=_has_failed)
Index("runs_ended_by_state", runs.c.state, runs.c.end_ns)

run_nodes = Table(
    "run_nodes",
    metadata,
    Column("node", Text, primary_key=True),
    Column("section", SmallInteger, primary_key=True),
    Column("order_ns", BigInteger, primary_key=True),
    Column("run", BigInteger, primary_key=True),
    sqlite_with_rowid=False,
)
"""Lists of a node's jobs, in their order; `section` and `order_ns` are the run's."""

nodes = Table(
    "nodes",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("heard_ns", BigInteger, nullable=False),
    Column("beat_ns", BigInteger),
    Column("beat_heard_ns", BigInteger),
    Column("boot_id", Text),
    Column("boottime_ns", BigInteger),
    Column("version", Text),
    Column("interval_s", Float(53)),
    Column("skew_s", Float(53)),
    Column("running", LargeBinary),
)

drops = Table(
    "drops",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("since_ns", BigInteger, primary_key=True),
    Column("lines", BigInteger, primary_key=True),
    Column("told_ns", BigInteger, nullable=False),
)

refusals = Table(
    "refusals",
    metadata,
    Column("reason", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
)

stale_jobs = Table(
    "stale_jobs",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("job_id", BigInteger, primary_key=True),
)

uncharged_jobs = Table(
    "uncharged_jobs",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("job_id", BigInteger, primary_key=True),
    Column("marked_ns", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Jobs whose runs, or whose record of the scheduler's, changed since usage took them; marked in that transaction."""

_nodes_encoder = msgspec.json.Encoder()
_nodes_decoder = msgspec.json.Decoder(tuple[str, ...])


def encode_nodes(nodes: tuple[str, ...]) -> bytes:
    """Names of nodes as `runs.nodes` holds them."""
    return _nodes_encoder.encode(nodes)


def decode_nodes(nodes: bytes) -> tuple[str, ...]:
    """Names of nodes out of `runs.nodes`."""
    return _nodes_decoder.decode(nodes)
