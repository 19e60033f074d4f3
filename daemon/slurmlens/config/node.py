"""Settings of the node daemon, `slurmlens-node`; the only place where their defaults stand.

Made by `load.load_node` from `/etc/slurmlens/node.toml` and `node.conf.d/*.toml`; handed to `node.main`, which gives
each stage only its own table. Durations are seconds and sizes bytes, always numbers, with the unit in the key's name.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slurmlens.config.setting import derived, optional_section, section, setting
from slurmlens.config.shared import NAME_PATTERN, NAME_TEXT, LogConfig

MIB = 1024 * 1024


def host_node_name() -> str:
    """The host's name up to the first dot, which is how slurmd finds its NodeName."""
    return socket.gethostname().partition(".")[0]


@dataclass(frozen=True, slots=True)
class SamplingConfig:
    """How often counters are read."""

    interval_s: float = setting(10.0, "time between two fast ticks", minimum=0.1, maximum=3600)
    slow_every: int = setting(6, "every so many fast ticks the costly files are read too (memory.stat)", minimum=1)
    budget_share: float = setting(
        0.02,
        "share of one core that sampling may cost; where it costs more, ticks are left out",
        minimum=0.0001,
        maximum=1,
    )


@dataclass(frozen=True, slots=True)
class ProfileConfig:
    """The flight recorder: a bounded course of every running job."""

    max_points: int = setting(360, "bins per metric and job; at the limit two become one", minimum=16, maximum=10_000)
    memory_limit_bytes: int = setting(8 * MIB, "for the profiles of all jobs of the node together", minimum=MIB)
    send_interval_s: float = setting(300.0, "how often news is sent while nobody looks", minimum=1)


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """When a batch is closed: at its size, or when it has waited long enough."""

    event_linger_s: float = setting(0.1, "longest wait of an event for company", minimum=0, maximum=60)
    event_max_bytes: int = setting(
        256 * 1024, "a batch of events is closed at this size", minimum=4096, maximum=4 * MIB
    )
    metric_linger_s: float = setting(1.0, "longest wait of a metric for company", minimum=0, maximum=60)
    metric_max_bytes: int = setting(
        64 * 1024, "a batch of metrics is closed at this size", minimum=4096, maximum=4 * MIB
    )


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """What may wait for receivers that are away; metrics go first, oldest first, and every drop is counted."""

    total_limit_bytes: int = setting(16 * MIB, "for everything that waits", minimum=MIB)
    metrics_limit_bytes: int = setting(4 * MIB, "for metrics alone", minimum=64 * 1024)
    metrics_max_age_s: float = setting(3600.0, "older metrics are dropped", minimum=1)
    events_max_age_s: float = setting(7 * 86_400.0, "older events are dropped", minimum=60)


@dataclass(frozen=True, slots=True)
class HubSinkConfig:
    """Events go to slurmlens-hub over HTTP."""

    url: str = setting(
        "http://127.0.0.1:6830",
        "where the hub listens",
        pattern=r"http://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):\d{1,5}/?",
        pattern_text="http://HOST:PORT (TLS is not spoken yet)",
    )
    auth: str = setting("munge", "how this node proves itself", choices=("munge", "token"))
    munge_socket: Path | None = setting(
        None, "munged's socket; the library's own where not set", example='"/run/munge/munge.socket.2"'
    )
    token_file: Path | None = setting(None, 'holds the token for auth = "token"', example='"/etc/slurmlens/token"')
    timeout_s: float = setting(10.0, "for one request, connection included", minimum=0.1, maximum=600)
    max_body_bytes: int = setting(
        2 * MIB, "of NDJSON in one request, before compression", minimum=4096, maximum=8 * MIB
    )
    backoff_min_s: float = setting(0.5, "first wait after a failure; doubles, with jitter", minimum=0.01)
    backoff_max_s: float = setting(60.0, "longest wait between two tries", minimum=0.01)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `url`."""
        host, _, port = self.url.removeprefix("http://").removesuffix("/").rpartition(":")
        return host.strip("[]"), int(port)

    def problems(self) -> Iterator[tuple[str, str]]:
        if not 0 < self.address[1] < 65_536:
            yield "url", f"{self.address[1]} is no port: 1 to 65535"
        if self.auth == "token" and self.token_file is None:
            yield "token_file", 'auth = "token" needs it: name the file that holds the token'
        if self.backoff_max_s < self.backoff_min_s:
            yield "backoff_max_s", f"must be at least backoff_min_s ({self.backoff_min_s:g})"


@dataclass(frozen=True, slots=True)
class CarbonSinkConfig:
    """Metrics go to carbon, a relay or anything else that reads carbon's plaintext."""

    host: str = setting("127.0.0.1", "where carbon listens")
    port: int = setting(2003, "carbon's plaintext port", minimum=1, maximum=65_535)
    resend_window_s: float = setting(
        15.0,
        "after a reconnect what was sent in the last so many seconds is sent again: carbon acknowledges nothing",
        minimum=0,
    )
    resend_limit_bytes: int = setting(MIB, "at most so much is kept to be sent again", minimum=4096)
    timeout_s: float = setting(10.0, "for connecting, and for carbon to take anything at all", minimum=0.1, maximum=600)
    backoff_min_s: float = setting(0.5, "first wait after a failure; doubles, with jitter", minimum=0.01)
    backoff_max_s: float = setting(60.0, "longest wait between two tries", minimum=0.01)

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.backoff_max_s < self.backoff_min_s:
            yield "backoff_max_s", f"must be at least backoff_min_s ({self.backoff_min_s:g})"


@dataclass(frozen=True, slots=True)
class FileSinkConfig:
    """Events go to a file, one JSON document a line."""

    path: Path = setting(Path("/var/log/slurmlens/events.ndjson"), "the file; its folder must exist")
    rotate_bytes: int = setting(64 * MIB, "at this size it becomes .1, .1 becomes .2", minimum=4096)
    keep: int = setting(3, "so many old files are kept", minimum=0, maximum=1000)


@dataclass(frozen=True, slots=True)
class SinksConfig:
    """Receivers; each table that is there switches one on."""

    hub: HubSinkConfig | None = optional_section("events to the hub")
    carbon: CarbonSinkConfig | None = optional_section("metrics to carbon")
    file: FileSinkConfig | None = optional_section("events to a file")


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Everything `slurmlens-node` can be told."""

    cluster: str = setting("cluster", "Slurm's ClusterName", pattern=NAME_PATTERN, pattern_text=NAME_TEXT)
    node: str = derived(
        host_node_name,
        "Slurm's NodeName; the host's name up to the first dot where not set",
        example='"n0"',
        pattern=NAME_PATTERN,
        pattern_text=NAME_TEXT,
    )
    dropbox_path: Path = setting(Path("/run/slurmlens/events"), "where the hooks leave their events")
    proc_root: Path = setting(Path("/proc"), "where procfs is mounted; the cgroup file systems are found from it")
    runtime_path: Path = setting(Path("/run/slurmlens-node"), "folder of the status socket")
    slots: int = setting(
        16,
        "series sets in carbon that running jobs take turns in; one more holds the sum of the rest",
        minimum=1,
        maximum=64,
    )
    heartbeat_interval_s: float = setting(
        60.0, "how often the hub is told that this node lives", minimum=1, maximum=3600
    )
    sampling: SamplingConfig = section(SamplingConfig, "how often counters are read")
    profile: ProfileConfig = section(ProfileConfig, "the flight recorder")
    batch: BatchConfig = section(BatchConfig, "when a batch is closed")
    queue: QueueConfig = section(QueueConfig, "what may wait for receivers that are away")
    sinks: SinksConfig = section(SinksConfig, "receivers; each table that is there switches one on")
    log: LogConfig = section(LogConfig, "the daemon's own log")

    @property
    def status_socket_path(self) -> Path:
        """Where `slurmlens status` asks."""
        return self.runtime_path / "status.sock"
