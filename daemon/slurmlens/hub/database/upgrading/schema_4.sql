-- The schema of version 4: bodies as sent, a small row an event, lists by their indexes. Written out, so that what
-- a release makes of an empty database does not change with the tables of the next one.

CREATE TABLE batches (
    id {number} NOT NULL,
    received_ns BIGINT NOT NULL,
    encoding TEXT NOT NULL,
    body {blob} NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE course_pieces (
    sighting {number} NOT NULL,
    batch BIGINT NOT NULL,
    line INTEGER NOT NULL,
    piece {blob} NOT NULL,
    PRIMARY KEY (sighting, batch, line)
) {without_rowid};

CREATE TABLE courses (
    sighting {number} NOT NULL,
    course {blob} NOT NULL,
    PRIMARY KEY (sighting)
);

CREATE TABLE drops (
    cluster TEXT NOT NULL,
    node TEXT NOT NULL,
    stream TEXT NOT NULL,
    reason TEXT NOT NULL,
    since_ns BIGINT NOT NULL,
    lines BIGINT NOT NULL,
    told_ns BIGINT NOT NULL,
    PRIMARY KEY (cluster, node, stream, reason, since_ns, lines)
);

CREATE TABLE events (
    sighting {number} NOT NULL,
    id TEXT NOT NULL,
    kind SMALLINT NOT NULL,
    witness SMALLINT,
    boottime_ns BIGINT NOT NULL,
    time_ns BIGINT NOT NULL,
    batch BIGINT NOT NULL,
    line INTEGER NOT NULL,
    PRIMARY KEY (sighting, id)
) {without_rowid};

CREATE TABLE executions (
    cluster TEXT NOT NULL,
    job_id BIGINT NOT NULL,
    submit_s BIGINT NOT NULL,
    heard_ns BIGINT NOT NULL,
    is_open SMALLINT NOT NULL,
    record {blob} NOT NULL,
    PRIMARY KEY (cluster, job_id, submit_s)
);

CREATE INDEX executions_open ON executions (cluster, job_id, submit_s) WHERE is_open = 1;

CREATE TABLE marks (
    name TEXT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE node_records (
    cluster TEXT NOT NULL,
    node TEXT NOT NULL,
    record {blob} NOT NULL,
    PRIMARY KEY (cluster, node)
);

CREATE TABLE nodes (
    cluster TEXT NOT NULL,
    node TEXT NOT NULL,
    heard_ns BIGINT NOT NULL,
    beat_ns BIGINT,
    beat_heard_ns BIGINT,
    boot_id TEXT,
    boottime_ns BIGINT,
    version TEXT,
    interval_s DOUBLE PRECISION,
    skew_s DOUBLE PRECISION,
    running {blob},
    PRIMARY KEY (cluster, node)
);

CREATE TABLE refusals (
    reason TEXT NOT NULL,
    count BIGINT NOT NULL,
    last_ns BIGINT NOT NULL,
    PRIMARY KEY (reason)
);

CREATE TABLE run_nodes (
    node TEXT NOT NULL,
    section SMALLINT NOT NULL,
    order_ns BIGINT NOT NULL,
    run BIGINT NOT NULL,
    PRIMARY KEY (node, section, order_ns, run)
) {without_rowid};

CREATE TABLE runs (
    rid {number} NOT NULL,
    cluster TEXT NOT NULL,
    job_id BIGINT NOT NULL,
    number INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    section SMALLINT NOT NULL,
    submit_s BIGINT,
    state TEXT NOT NULL,
    state_group TEXT NOT NULL,
    name TEXT,
    "user" TEXT,
    account TEXT,
    "partition" TEXT,
    order_ns BIGINT NOT NULL,
    start_ns BIGINT,
    end_ns BIGINT,
    start_source TEXT,
    end_source TEXT,
    cpu_s DOUBLE PRECISION,
    memory_peak_bytes DOUBLE PRECISION,
    oom_kills BIGINT,
    outcome {blob} NOT NULL,
    nodes {blob} NOT NULL,
    PRIMARY KEY (rid)
);

CREATE INDEX runs_failed ON runs (end_ns) WHERE state_group = 'failed';

CREATE INDEX runs_listed ON runs (section, order_ns, rid);

CREATE INDEX runs_listed_by_account ON runs (account, section, order_ns, rid);

CREATE INDEX runs_listed_by_partition ON runs ("partition", section, order_ns, rid);

CREATE INDEX runs_listed_by_state ON runs (state, section, order_ns, rid);

CREATE INDEX runs_listed_by_state_group ON runs (state_group, section, order_ns, rid);

CREATE INDEX runs_listed_by_user ON runs ("user", section, order_ns, rid);

CREATE UNIQUE INDEX runs_of_job ON runs (cluster, job_id, number);

CREATE TABLE sightings (
    rid {number} NOT NULL,
    cluster TEXT NOT NULL,
    node TEXT NOT NULL,
    sighting TEXT NOT NULL,
    job_id BIGINT NOT NULL,
    boot_id TEXT NOT NULL,
    first_boottime_ns BIGINT NOT NULL,
    last_boottime_ns BIGINT NOT NULL,
    heard_ns BIGINT NOT NULL,
    start_ns BIGINT NOT NULL,
    start_witness TEXT,
    end_ns BIGINT,
    end_witness TEXT,
    summary_id TEXT,
    slot INTEGER,
    tellers {blob} NOT NULL,
    totals {blob},
    prolog_restart_count BIGINT,
    unseen_s DOUBLE PRECISION,
    samples BIGINT,
    cpu_s DOUBLE PRECISION,
    memory_peak_bytes DOUBLE PRECISION,
    oom_kills BIGINT,
    closed_ns BIGINT,
    closed_reason TEXT,
    run INTEGER,
    held_reason TEXT,
    held_since_ns BIGINT,
    PRIMARY KEY (rid)
);

CREATE UNIQUE INDEX sightings_by_name ON sightings (cluster, node, sighting);

CREATE INDEX sightings_closed ON sightings (closed_ns) WHERE closed_ns IS NOT NULL AND end_ns IS NULL;

CREATE INDEX sightings_held ON sightings (held_reason) WHERE held_reason IS NOT NULL;

CREATE INDEX sightings_of_job ON sightings (cluster, job_id);

CREATE INDEX sightings_open ON sightings (rid) WHERE summary_id IS NULL AND closed_ns IS NULL;

CREATE TABLE stale_jobs (
    cluster TEXT NOT NULL,
    job_id BIGINT NOT NULL,
    PRIMARY KEY (cluster, job_id)
);
