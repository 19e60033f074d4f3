"""What is measured of a node itself: the figures of its collectors, beside the jobs' in `metrics`.

Owns one table, `NODE_METRICS`. A figure's full name is `<collector>.<name>`: at once the end of its carbon path, its
name in a `node-state` event and the row in `docs/metrics.md`. Fed by nobody; read by `node.collectors` (which makes
points of what its files say), by the hub's page of a node and by `docs/metrics.md`.

A RATE is growth per second times `scale`; its counter may wrap or start anew. A GAUGE is the value times `scale`.
`of` says of what there is one figure each; with none there is one a node. `in_state` figures go to the hub. Of an
`is_personal` figure `of` is a user: it goes to the hub alone, as an outsider, and never into carbon.
"""

import msgspec

from slurmlens.metrics import Kind


class NodeMetric(msgspec.Struct, frozen=True):
    """One figure of a collector; `name` ends in unit or kind."""

    collector: str
    name: str
    kind: Kind
    scale: float
    unit: str
    of: str
    in_state: bool
    text: str
    is_personal: bool = False

    @property
    def full_name(self) -> str:
        """Its name among those of all collectors."""
        return f"{self.collector}.{self.name}"


_G, _R = Kind.GAUGE, Kind.RATE
_US, _MS, _KIB = 1e-6, 1e-3, 1024

# fmt: off
NODE_METRICS: tuple[NodeMetric, ...] = (
    NodeMetric("cpu", "user_cores", _R, 1, "cores", "", True, "cores busy in user mode"),
    NodeMetric("cpu", "nice_cores", _R, 1, "cores", "", False, "cores busy in user mode at low priority"),
    NodeMetric("cpu", "system_cores", _R, 1, "cores", "", True, "cores busy in the kernel"),
    NodeMetric("cpu", "idle_cores", _R, 1, "cores", "", True, "cores idle"),
    NodeMetric("cpu", "iowait_cores", _R, 1, "cores", "", True, "cores idle while something waits for a disk"),
    NodeMetric("cpu", "irq_cores", _R, 1, "cores", "", False, "cores busy with interrupts"),
    NodeMetric("cpu", "softirq_cores", _R, 1, "cores", "", False, "cores busy with deferred interrupts"),
    NodeMetric("cpu", "steal_cores", _R, 1, "cores", "", True, "cores that the hypervisor gave to others"),
    NodeMetric("cpu", "cores_count", _G, 1, "count", "", True, "cores that are online"),
    NodeMetric("cpu", "busiest_core_ratio", _G, 1, "ratio", "", True, "how busy the busiest core was"),
    NodeMetric("cpu", "context_switches_per_second", _R, 1, "1/s", "", False, "context switches"),
    NodeMetric("cpu", "interrupts_per_second", _R, 1, "1/s", "", False, "interrupts"),
    NodeMetric("cpu", "forks_per_second", _R, 1, "1/s", "", False, "processes and threads that began"),
    NodeMetric("cpu", "blocked_count", _G, 1, "count", "", True, "tasks that wait for a disk and cannot be interrupted"),
    NodeMetric("load", "load_1min_count", _G, 1, "count", "", True, "tasks that run or wait, mean of a minute"),
    NodeMetric("load", "load_5min_count", _G, 1, "count", "", False, "the same, of five minutes"),
    NodeMetric("load", "load_15min_count", _G, 1, "count", "", False, "the same, of a quarter of an hour"),
    NodeMetric("load", "run_queue_count", _G, 1, "count", "", True, "tasks that run or could run now"),
    NodeMetric("load", "tasks_count", _G, 1, "count", "", False, "tasks there are"),
    NodeMetric("memory", "total_bytes", _G, _KIB, "bytes", "", True, "memory"),
    NodeMetric("memory", "available_bytes", _G, _KIB, "bytes", "", True, "memory that could be had without swapping"),
    NodeMetric("memory", "free_bytes", _G, _KIB, "bytes", "", False, "memory that nothing uses"),
    NodeMetric("memory", "cached_bytes", _G, _KIB, "bytes", "", False, "page cache"),
    NodeMetric("memory", "anonymous_bytes", _G, _KIB, "bytes", "", True, "memory of processes that no file backs"),
    NodeMetric("memory", "shared_bytes", _G, _KIB, "bytes", "", False, "shared memory and tmpfs"),
    NodeMetric("memory", "slab_unreclaimable_bytes", _G, _KIB, "bytes", "", True, "the kernel's own, for good"),
    NodeMetric("memory", "dirty_bytes", _G, _KIB, "bytes", "", True, "written, and not on a disk yet"),
    NodeMetric("memory", "writeback_bytes", _G, _KIB, "bytes", "", False, "being written now"),
    NodeMetric("memory", "committed_bytes", _G, _KIB, "bytes", "", False, "promised to processes"),
    NodeMetric("memory", "huge_pages_count", _G, 1, "count", "", False, "huge pages set aside"),
    NodeMetric("memory", "huge_pages_free_count", _G, 1, "count", "", False, "of them nobody has"),
    NodeMetric("memory", "swap_total_bytes", _G, _KIB, "bytes", "", True, "swap space"),
    NodeMetric("memory", "swap_used_bytes", _G, _KIB, "bytes", "", True, "swap in use"),
    NodeMetric("numa", "total_bytes", _G, _KIB, "bytes", "NUMA node", False, "its memory"),
    NodeMetric("numa", "free_bytes", _G, _KIB, "bytes", "NUMA node", True, "its memory that nothing uses"),
    NodeMetric("numa", "misses_per_second", _R, 1, "1/s", "NUMA node", True, "pages that another node's process had to be given here"),
    NodeMetric("numa", "foreign_per_second", _R, 1, "1/s", "NUMA node", False, "pages wanted here and given elsewhere"),
    NodeMetric("vmstat", "major_faults_per_second", _R, 1, "1/s", "", True, "page faults that had to read"),
    NodeMetric("vmstat", "swapped_in_pages_per_second", _R, 1, "1/s", "", True, "pages read from swap"),
    NodeMetric("vmstat", "swapped_out_pages_per_second", _R, 1, "1/s", "", True, "pages written to swap"),
    NodeMetric("vmstat", "direct_reclaim_pages_per_second", _R, 1, "1/s", "", True, "pages that a process had to free itself"),
    NodeMetric("vmstat", "allocation_stalls_per_second", _R, 1, "1/s", "", True, "waits for memory to be freed"),
    NodeMetric("vmstat", "compaction_stalls_per_second", _R, 1, "1/s", "", False, "waits for memory to be made contiguous"),
    NodeMetric("vmstat", "oom_kills_count", _G, 1, "count", "", True, "processes killed for memory since boot"),
    NodeMetric("pressure", "cpu_some_ratio", _R, _US, "ratio", "", True, "share of time some task waited for a CPU"),
    NodeMetric("pressure", "memory_some_ratio", _R, _US, "ratio", "", True, "share of time some task waited for memory"),
    NodeMetric("pressure", "memory_full_ratio", _R, _US, "ratio", "", True, "share of time every task waited for memory"),
    NodeMetric("pressure", "io_some_ratio", _R, _US, "ratio", "", True, "share of time some task waited for I/O"),
    NodeMetric("pressure", "io_full_ratio", _R, _US, "ratio", "", True, "share of time every task waited for I/O"),
    NodeMetric("pressure", "irq_full_ratio", _R, _US, "ratio", "", False, "share of time interrupts kept tasks from running"),
    NodeMetric("disk", "read_bytes_per_second", _R, 512, "bytes/s", "device", True, "read"),
    NodeMetric("disk", "written_bytes_per_second", _R, 512, "bytes/s", "device", True, "written"),
    NodeMetric("disk", "reads_per_second", _R, 1, "1/s", "device", False, "reads that ended"),
    NodeMetric("disk", "writes_per_second", _R, 1, "1/s", "device", False, "writes that ended"),
    NodeMetric("disk", "read_latency_seconds", _G, 1, "s", "device", True, "mean time of a read, queue included"),
    NodeMetric("disk", "write_latency_seconds", _G, 1, "s", "device", True, "mean time of a write, queue included"),
    NodeMetric("disk", "busy_ratio", _R, _MS, "ratio", "device", True, "share of time it had anything to do"),
    NodeMetric("disk", "queue_count", _R, _MS, "count", "device", True, "requests under way, mean"),
    NodeMetric("filesystem", "size_bytes", _G, 1, "bytes", "mount point", False, "its size"),
    NodeMetric("filesystem", "available_bytes", _G, 1, "bytes", "mount point", True, "what users may still write"),
    NodeMetric("filesystem", "used_ratio", _G, 1, "ratio", "mount point", True, "share in use of what users may have"),
    NodeMetric("filesystem", "files_used_ratio", _G, 1, "ratio", "mount point", True, "share of its inodes in use"),
    NodeMetric("filesystem", "read_only_count", _G, 1, "count", "mount point", True, "1 where nothing may be written"),
    NodeMetric("filesystem", "hangs_count", _G, 1, "count", "mount point", True, "1 where it did not answer in time"),
    NodeMetric("network", "received_bytes_per_second", _R, 1, "bytes/s", "interface", True, "received"),
    NodeMetric("network", "sent_bytes_per_second", _R, 1, "bytes/s", "interface", True, "sent"),
    NodeMetric("network", "received_packets_per_second", _R, 1, "1/s", "interface", False, "packets received"),
    NodeMetric("network", "sent_packets_per_second", _R, 1, "1/s", "interface", False, "packets sent"),
    NodeMetric("network", "receive_errors_per_second", _R, 1, "1/s", "interface", True, "packets that came broken"),
    NodeMetric("network", "send_errors_per_second", _R, 1, "1/s", "interface", True, "packets that could not be sent"),
    NodeMetric("network", "receive_drops_per_second", _R, 1, "1/s", "interface", True, "packets there was no room for"),
    NodeMetric("network", "send_drops_per_second", _R, 1, "1/s", "interface", True, "packets given up before sending"),
    NodeMetric("network", "link_bits_per_second", _G, 1e6, "bit/s", "interface", True, "speed of its link"),
    NodeMetric("network", "carrier_changes_count", _G, 1, "count", "interface", True, "times its link came or went since boot"),
    NodeMetric("tcp", "sent_segments_per_second", _R, 1, "1/s", "", False, "TCP segments sent"),
    NodeMetric("tcp", "resent_segments_per_second", _R, 1, "1/s", "", True, "TCP segments that had to be sent again"),
    NodeMetric("tcp", "listen_drops_per_second", _R, 1, "1/s", "", True, "connections that no program took"),
    NodeMetric("tcp", "backlog_drops_per_second", _R, 1, "1/s", "", False, "packets dropped because a CPU had too many"),
    NodeMetric("nfs", "calls_per_second", _R, 1, "1/s", "", False, "NFS calls of all mounts"),
    NodeMetric("nfs", "retransmissions_per_second", _R, 1, "1/s", "", True, "NFS calls sent again"),
    NodeMetric("nfs", "mount_read_bytes_per_second", _R, 1, "bytes/s", "mount point", True, "read from the server"),
    NodeMetric("nfs", "mount_written_bytes_per_second", _R, 1, "bytes/s", "mount point", True, "written to the server"),
    NodeMetric("nfs", "mount_calls_per_second", _R, 1, "1/s", "mount point", False, "calls to the server"),
    NodeMetric("nfs", "mount_latency_seconds", _G, 1, "s", "mount point", True, "mean time of a call, waiting for its turn included"),
    NodeMetric("nfs", "mount_timeouts_per_second", _R, 1, "1/s", "mount point", True, "calls that were not answered in time"),
    NodeMetric("lustre", "read_bytes_per_second", _R, 1, "bytes/s", "mount", True, "read by processes here"),
    NodeMetric("lustre", "written_bytes_per_second", _R, 1, "bytes/s", "mount", True, "written by processes here"),
    NodeMetric("lustre", "opens_per_second", _R, 1, "1/s", "mount", True, "files opened"),
    NodeMetric("lustre", "metadata_calls_per_second", _R, 1, "1/s", "mount", True, "getattr, setattr, create, unlink, mkdir and their like"),
    NodeMetric("lustre", "target_calls_per_second", _R, 1, "1/s", "target", False, "calls to one target (OST)"),
    NodeMetric("lustre", "target_latency_seconds", _G, 1, "s", "target", True, "mean time of a call to one target (OST)"),
    NodeMetric("infiniband", "received_bytes_per_second", _R, 4, "bytes/s", "port", True, "received; the counter is of four octets"),
    NodeMetric("infiniband", "sent_bytes_per_second", _R, 4, "bytes/s", "port", True, "sent"),
    NodeMetric("infiniband", "received_packets_per_second", _R, 1, "1/s", "port", False, "packets received"),
    NodeMetric("infiniband", "sent_packets_per_second", _R, 1, "1/s", "port", False, "packets sent"),
    NodeMetric("infiniband", "send_wait_per_second", _R, 1, "1/s", "port", True, "ticks in which there was data and no credit"),
    NodeMetric("infiniband", "symbol_errors_count", _G, 1, "count", "port", True, "minor link errors so far"),
    NodeMetric("infiniband", "receive_errors_count", _G, 1, "count", "port", True, "packets that came broken so far"),
    NodeMetric("infiniband", "send_discards_count", _G, 1, "count", "port", True, "packets given up so far"),
    NodeMetric("infiniband", "link_recoveries_count", _G, 1, "count", "port", True, "times the link had to recover"),
    NodeMetric("infiniband", "link_downed_count", _G, 1, "count", "port", True, "times the link went down"),
    NodeMetric("infiniband", "integrity_errors_count", _G, 1, "count", "port", True, "errors on the wire beyond the threshold"),
    NodeMetric("infiniband", "out_of_sequence_count", _G, 1, "count", "port", False, "packets out of sequence so far (RoCE)"),
    NodeMetric("infiniband", "active_count", _G, 1, "count", "port", True, "1 where the port is active"),
    NodeMetric("infiniband", "link_bits_per_second", _G, 1, "bit/s", "port", True, "speed of its link"),
    NodeMetric("infiniband", "link_lanes_count", _G, 1, "count", "port", True, "lanes in use; a 4X link with 1 has lost three"),
    NodeMetric("sessions", "users_count", _G, 1, "count", "", True, "users whose sessions here belong to no job"),
    NodeMetric("sessions", "cpu_cores", _R, _US, "cores", "", True, "cores that their processes keep busy"),
    NodeMetric("sessions", "memory_bytes", _G, 1, "bytes", "", True, "memory of their processes"),
    NodeMetric("sessions", "processes_count", _G, 1, "count", "", True, "their processes and threads"),
    NodeMetric("sessions", "user_cpu_cores", _R, _US, "cores", "user", False, "the same of one user", is_personal=True),
    NodeMetric("sessions", "user_memory_bytes", _G, 1, "bytes", "user", False, "the same of one user", is_personal=True),
    NodeMetric("sessions", "user_processes_count", _G, 1, "count", "user", False, "the same of one user", is_personal=True),
    NodeMetric("rapl", "power_watts", _R, _US, "W", "domain", True, "power of a package, its cores or its memory"),
    NodeMetric("hwmon", "temperature_celsius", _G, _MS, "°C", "sensor", True, "temperature"),
    NodeMetric("hwmon", "power_watts", _G, _US, "W", "sensor", True, "power"),
    NodeMetric("hwmon", "fan_rpm", _G, 1, "rpm", "sensor", False, "speed of a fan"),
    NodeMetric("hwmon", "alarm_count", _G, 1, "count", "sensor", True, "1 where the sensor raises its alarm"),
    NodeMetric("thermal", "core_throttles_count", _G, 1, "count", "", True, "times a core was slowed for its heat, all cores"),
    NodeMetric("thermal", "package_throttles_count", _G, 1, "count", "package", True, "times a package was slowed for its heat"),
    NodeMetric("thermal", "slowest_core_hertz", _G, 1000, "Hz", "", True, "clock of the slowest core now"),
    NodeMetric("thermal", "fastest_core_hertz", _G, 1000, "Hz", "", True, "clock of the fastest core now"),
    NodeMetric("edac", "corrected_count", _G, 1, "count", "controller", True, "memory errors that were corrected"),
    NodeMetric("edac", "uncorrected_count", _G, 1, "count", "controller", True, "memory errors that could not be corrected"),
    NodeMetric("clock", "offset_seconds", _G, 1, "s", "", True, "the clock's offset by its own synchronisation"),
    NodeMetric("clock", "error_max_seconds", _G, 1, "s", "", True, "what it may be off at most"),
    NodeMetric("clock", "synchronised_count", _G, 1, "count", "", True, "1 where it is synchronised"),
    NodeMetric("gpu", "utilisation_ratio", _G, 1, "ratio", "GPU", True, "share of time anything ran on it"),
    NodeMetric("gpu", "memory_busy_ratio", _G, 1, "ratio", "GPU", True, "share of time its memory was read or written"),
    NodeMetric("gpu", "memory_used_bytes", _G, 1, "bytes", "GPU", True, "its memory in use"),
    NodeMetric("gpu", "memory_total_bytes", _G, 1, "bytes", "GPU", True, "its memory"),
    NodeMetric("gpu", "power_watts", _G, 1, "W", "GPU", True, "power"),
    NodeMetric("gpu", "temperature_celsius", _G, 1, "°C", "GPU", True, "temperature"),
    NodeMetric("gpu", "clock_hertz", _G, 1, "Hz", "GPU", True, "clock of its processors"),
    NodeMetric("gpu", "memory_clock_hertz", _G, 1, "Hz", "GPU", True, "clock of its memory"),
    NodeMetric("gpu", "throttled_count", _G, 1, "count", "GPU", True, "1 where power or heat takes speed away"),
    NodeMetric("gpu", "ecc_corrected_count", _G, 1, "count", "GPU", True, "memory errors corrected in its life"),
    NodeMetric("gpu", "ecc_uncorrected_count", _G, 1, "count", "GPU", True, "memory errors not corrected in its life"),
    NodeMetric("gpu", "pcie_replays_count", _G, 1, "count", "GPU", True, "times its bus had to send again"),
    NodeMetric("gpu", "nvlink_errors_count", _G, 1, "count", "GPU", True, "CRC errors and replays of its NVLinks"),
    NodeMetric("gpu", "xid_errors_count", _G, 1, "count", "GPU", True, "errors (XID) since the daemon began"),
    NodeMetric("gpu", "processes_count", _G, 1, "count", "GPU", True, "processes that use it"),
)
# fmt: on

NODE_METRIC_BY_NAME: dict[str, NodeMetric] = {metric.full_name: metric for metric in NODE_METRICS}
