"""What is measured: the fields of one reading and the metrics made from them.

Owns two tables and nothing else. `FIELDS` is the order of counters in the C reader's record (`cext/slurmlens_cgroup.h`
mirrors it; a test compares the two). `METRICS` says how fields become the points that go to carbon and into a
job's profile. Fed by nobody; read by cgroup, sampler, recorder, wire.carbon, hub and `docs/metrics.md`.

A field that a node cannot read is *unavailable* (absent from a reading), never 0.
"""

from __future__ import annotations

import enum

import msgspec


class Tier(enum.Enum):
    """How often a field is read: FAST every tick (10 s), SLOW every sixth (60 s), for it costs half a sample."""

    FAST = "fast"
    SLOW = "slow"


class Kind(enum.Enum):
    """How a field becomes a point: RATE is growth per second times `scale`, GAUGE the value times `scale`."""

    RATE = "rate"
    GAUGE = "gauge"


class Source(enum.Enum):
    """Where a figure was taken from; shown beside it wherever it is shown."""

    CGROUP = "cgroup"
    PROCESSES = "processes"
    NODE = "node"


class Field(msgspec.Struct, frozen=True):
    """One counter or gauge of a cgroup reading: raw, in the kernel's unit normalised to ns, us or bytes."""

    name: str
    tier: Tier


FIELDS: tuple[Field, ...] = (
    Field("cpu_usage_ns", Tier.FAST),
    Field("cpu_user_ns", Tier.FAST),
    Field("cpu_system_ns", Tier.FAST),
    Field("cpu_throttled_ns", Tier.FAST),
    Field("cpu_periods", Tier.FAST),
    Field("cpu_throttled_periods", Tier.FAST),
    Field("memory_current_bytes", Tier.FAST),
    Field("memory_peak_bytes", Tier.FAST),
    Field("memory_limit_bytes", Tier.SLOW),
    Field("memory_rss_bytes", Tier.SLOW),
    Field("memory_cache_bytes", Tier.SLOW),
    Field("memory_swap_bytes", Tier.SLOW),
    Field("memory_high_events", Tier.FAST),
    Field("memory_max_events", Tier.FAST),
    Field("oom_events", Tier.FAST),
    Field("oom_kill_events", Tier.FAST),
    Field("pids_current", Tier.FAST),
    Field("pids_peak", Tier.SLOW),
    Field("io_read_bytes", Tier.FAST),
    Field("io_written_bytes", Tier.FAST),
    Field("io_reads", Tier.FAST),
    Field("io_writes", Tier.FAST),
    Field("pressure_cpu_some_us", Tier.FAST),
    Field("pressure_cpu_full_us", Tier.FAST),
    Field("pressure_memory_some_us", Tier.FAST),
    Field("pressure_memory_full_us", Tier.FAST),
    Field("pressure_io_some_us", Tier.FAST),
    Field("pressure_io_full_us", Tier.FAST),
)

FIELD_INDEX: dict[str, int] = {field.name: index for index, field in enumerate(FIELDS)}


class Metric(msgspec.Struct, frozen=True):
    """One series of a job on a node.

    `name` is at once the carbon leaf, the key in a profile and the heading in `docs/metrics.md`; it ends in unit or kind.
    `in_profile` metrics are kept by the flight recorder as min, mean and max per point.
    """

    name: str
    field: str
    kind: Kind
    scale: float
    unit: str
    source: Source
    in_profile: bool
    text: str


_NS = 1e-9
_US = 1e-6

# fmt: off
METRICS: tuple[Metric, ...] = (
    Metric("cpu_cores", "cpu_usage_ns", Kind.RATE, _NS, "cores", Source.CGROUP, True, "cores kept busy"),
    Metric("cpu_user_cores", "cpu_user_ns", Kind.RATE, _NS, "cores", Source.CGROUP, False, "cores busy in user mode"),
    Metric("cpu_system_cores", "cpu_system_ns", Kind.RATE, _NS, "cores", Source.CGROUP, False, "cores busy in the kernel"),
    Metric("cpu_throttled_cores", "cpu_throttled_ns", Kind.RATE, _NS, "cores", Source.CGROUP, False, "time withheld by a CPU quota"),
    Metric("memory_bytes", "memory_current_bytes", Kind.GAUGE, 1, "bytes", Source.CGROUP, True, "memory charged now, page cache included"),
    Metric("memory_peak_bytes", "memory_peak_bytes", Kind.GAUGE, 1, "bytes", Source.CGROUP, False, "highest memory charged so far"),
    Metric("memory_limit_bytes", "memory_limit_bytes", Kind.GAUGE, 1, "bytes", Source.CGROUP, False, "memory limit; no series where there is none"),
    Metric("memory_rss_bytes", "memory_rss_bytes", Kind.GAUGE, 1, "bytes", Source.CGROUP, True, "anonymous memory"),
    Metric("memory_cache_bytes", "memory_cache_bytes", Kind.GAUGE, 1, "bytes", Source.CGROUP, False, "page cache"),
    Metric("memory_swap_bytes", "memory_swap_bytes", Kind.GAUGE, 1, "bytes", Source.CGROUP, False, "swap in use"),
    Metric("oom_kills_count", "oom_kill_events", Kind.GAUGE, 1, "count", Source.CGROUP, False, "processes killed for memory so far"),
    Metric("pids_count", "pids_current", Kind.GAUGE, 1, "count", Source.CGROUP, True, "processes and threads"),
    Metric("io_read_bytes_per_second", "io_read_bytes", Kind.RATE, 1, "bytes/s", Source.CGROUP, True, "block reads"),
    Metric("io_written_bytes_per_second", "io_written_bytes", Kind.RATE, 1, "bytes/s", Source.CGROUP, True, "block writes"),
    Metric("pressure_cpu_some_ratio", "pressure_cpu_some_us", Kind.RATE, _US, "ratio", Source.CGROUP, True, "share of time some task waited for a CPU"),
    Metric("pressure_memory_some_ratio", "pressure_memory_some_us", Kind.RATE, _US, "ratio", Source.CGROUP, True, "share of time some task waited for memory"),
    Metric("pressure_memory_full_ratio", "pressure_memory_full_us", Kind.RATE, _US, "ratio", Source.CGROUP, False, "share of time every task waited for memory"),
    Metric("pressure_io_some_ratio", "pressure_io_some_us", Kind.RATE, _US, "ratio", Source.CGROUP, True, "share of time some task waited for I/O"),
    Metric("pressure_io_full_ratio", "pressure_io_full_us", Kind.RATE, _US, "ratio", Source.CGROUP, False, "share of time every task waited for I/O"),
    Metric("process_io_read_bytes_per_second", "io_read_bytes", Kind.RATE, 1, "bytes/s", Source.PROCESSES, True, "block reads, summed over living processes"),
    Metric("process_io_written_bytes_per_second", "io_written_bytes", Kind.RATE, 1, "bytes/s", Source.PROCESSES, True, "block writes, summed over living processes"),
    Metric("node_pressure_cpu_some_ratio", "pressure_cpu_some_us", Kind.RATE, _US, "ratio", Source.NODE, True, "the whole node's, not the job's"),
    Metric("node_pressure_memory_some_ratio", "pressure_memory_some_us", Kind.RATE, _US, "ratio", Source.NODE, True, "the whole node's, not the job's"),
    Metric("node_pressure_io_some_ratio", "pressure_io_some_us", Kind.RATE, _US, "ratio", Source.NODE, True, "the whole node's, not the job's"),
)
# fmt: on

METRIC_BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}
