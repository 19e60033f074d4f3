"""Settings of the node daemon, `slurmlens-node`; the only place where their defaults stand.

Made by `load.load_node` from `/etc/slurmlens/node.toml` and `node.conf.d/*.toml`; handed to `node.main`, which gives
each stage only its own table. Durations are seconds and sizes bytes, always numbers, with the unit in the key's name.
"""

import socket
from collections.abc import Iterator
from pathlib import Path

from slurmlens.config.app_socket import AppSocketConfig
from slurmlens.config.collectors import CollectorsConfig, GpusConfig
from slurmlens.config.consul import NodeConsulConfig
from slurmlens.config.log_inputs import LogInputsConfig
from slurmlens.config.programs import ProgramsConfig
from slurmlens.config.series_2015 import NodeSeries2015Config
from slurmlens.config.setting import Settings, derived, optional_section, section, setting
from slurmlens.config.shared import MIB, NAME_PATTERN, NAME_TEXT, LogConfig, ReplayConfig
from slurmlens.config.sinks import SinksConfig
from slurmlens.config.software import SoftwareConfig
from slurmlens.config.spool import SpoolConfig
from slurmlens.config.telemetry import TelemetryConfig


def host_node_name() -> str:
    """The host's name up to the first dot, which is how slurmd finds its NodeName."""
    return socket.gethostname().partition(".")[0]


class SamplingConfig(Settings):
    """How often counters are read."""

    interval_s: float = setting(10.0, "time between two fast ticks", minimum=0.1, maximum=3600)
    slow_every: int = setting(6, "every so many fast ticks the costly files are read too (memory.stat)", minimum=1)
    budget_share: float = setting(
        0.02,
        "share of one core that sampling may cost; where it costs more, ticks are left out",
        minimum=0.0001,
        maximum=1,
    )
    retreat_share: float = setting(
        0.25,
        "where the whole daemon takes more of a core than this over a minute, it reads counters at a job's begin and"
        " end alone for ten minutes, for longer when it happens again",
        minimum=0.01,
        maximum=1,
    )


class ProfileConfig(Settings):
    """The flight recorder: a bounded course of every running job."""

    max_points: int = setting(360, "bins per metric and job; at the limit two become one", minimum=16, maximum=10_000)
    memory_limit_bytes: int = setting(MIB, "for the profiles of all jobs of the node together", minimum=MIB)
    send_interval_s: float = setting(300.0, "how often news is sent while nobody looks", minimum=1)


class BatchConfig(Settings):
    """When a batch is closed: at its size, or when it has waited long enough."""

    event_linger_s: float = setting(0.1, "longest wait of an event for company", minimum=0, maximum=60)
    event_max_bytes: int = setting(
        256 * 1024, "a batch of events is closed at this size", minimum=4096, maximum=4 * MIB
    )
    metric_linger_s: float = setting(1.0, "longest wait of a metric for company", minimum=0, maximum=60)
    metric_max_bytes: int = setting(64 * 1024, "a batch of metrics is closed at this size", minimum=4096, maximum=MIB)


class EventsConfig(Settings):
    """How events are written."""

    fields_2015: bool = setting(
        False, "a job's start and end also carry the fields of 2015 (program, slurm_jobid, …), see docs/events.md"
    )


class NodeConfig(Settings):
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
    off_flag_path: Path = setting(
        Path("/run/slurmlens/off"),
        "while this file exists, counters are read at a job's begin and end alone; hooks and plugin are silent too",
    )
    silence_flag_path: Path = setting(
        Path("/run/slurmlens/silence/off"), "the same, by the hub's word: this daemon makes and removes it"
    )
    proc_root: Path = setting(Path("/proc"), "where procfs is mounted; the cgroup file systems are found from it")
    runtime_path: Path = setting(Path("/run/slurmlens-node"), "folder of the status socket")
    slots: int = setting(
        16,
        "series sets in carbon that running jobs take turns in; one more holds the sum of the rest",
        minimum=1,
        maximum=64,
    )
    heartbeat_interval_s: float = setting(
        60.0, "how often this node sends the hub a heartbeat", minimum=1, maximum=3600
    )
    sampling: SamplingConfig = section(SamplingConfig, "how often counters are read")
    profile: ProfileConfig = section(ProfileConfig, "the flight recorder")
    collectors: CollectorsConfig = section(CollectorsConfig, "what is read of the node itself")
    gpus: GpusConfig = section(GpusConfig, "GPUs and which job has which; told with what the collectors tell")
    programs: ProgramsConfig = section(ProgramsConfig, "which programs jobs run")
    software: SoftwareConfig = section(SoftwareConfig, "what is installed on the node")
    app_socket: AppSocketConfig = section(AppSocketConfig, "where jobs report their own progress")
    logs: LogInputsConfig = section(LogInputsConfig, "log lines of this node that go to the hub; all inputs are off")
    events: EventsConfig = section(EventsConfig, "how events are written")
    batch: BatchConfig = section(BatchConfig, "when a batch is closed")
    spool: SpoolConfig = section(
        SpoolConfig, "what waits for receivers that are away; metrics give way to log lines, these to events"
    )
    replay: ReplayConfig = section(ReplayConfig, "what has waited for a receiver, when it is back")
    sinks: SinksConfig = section(SinksConfig, "receivers; each table that is there switches one on")
    consul: NodeConsulConfig | None = optional_section("Consul: this daemon as a service, receivers found, settings")
    telemetry: TelemetryConfig = section(TelemetryConfig, "what the daemon says of itself to others")
    series_2015: NodeSeries2015Config | None = optional_section(
        "carbon series under the names of 2015: servers.HOST.…, psutil.TYPE.HOST.…"
    )
    log: LogConfig = section(LogConfig, "the daemon's own log")

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.logs.is_on and not self.sinks.takes_log_lines:
            yield "logs", "nobody would get the lines: switch on [sinks.hub], or log_lines in [sinks.logstash]"

    @property
    def status_socket_path(self) -> Path:
        """Where `slurmlens status` asks."""
        return self.runtime_path / "status.sock"

    @property
    def app_socket_path(self) -> Path:
        """Where processes of jobs speak."""
        return self.app_socket.path or self.runtime_path / "app.sock"
