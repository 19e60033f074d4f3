"""Settings of the hub, `slurmlens-hub`; the only place where their defaults stand.

Made by `load.load_hub` from `/etc/slurmlens/hub.toml` and `hub.conf.d/*.toml`; handed to `hub.main`, which gives each
part only its own table. Durations are seconds and sizes bytes, always numbers, with the unit in the key's name.
"""

from collections.abc import Iterator
from pathlib import Path

from slurmlens.config.access import AccessConfig
from slurmlens.config.auth import AuthConfig
from slurmlens.config.consul import HubConsulConfig
from slurmlens.config.database_url import problem_of, sqlite_path
from slurmlens.config.findings import FindingsConfig
from slurmlens.config.graph import GraphConfig
from slurmlens.config.inventory import InventoryConfig
from slurmlens.config.kafka import HubKafkaConfig
from slurmlens.config.log_store import LogSeriesConfig, SearchServerConfig
from slurmlens.config.management import ManagementConfig
from slurmlens.config.notices import NoticesConfig
from slurmlens.config.retention import RetentionConfig
from slurmlens.config.series_2015 import HubSeries2015Config
from slurmlens.config.setting import Settings, optional_section, section, setting
from slurmlens.config.shared import NAME_PATTERN, NAME_TEXT, LogConfig
from slurmlens.config.silence import SilenceConfig
from slurmlens.config.tls import ListenSettings
from slurmlens.config.workflows import WorkflowsConfig

SOCKET_NAME = "hub.socket"
"""In the hub's runtime folder."""


class DatabaseConfig(Settings):
    """Where the truth is kept."""

    url: str = setting(
        "sqlite:////var/lib/slurmlens-hub/hub.sqlite3",
        "SQLAlchemy's URL of the database",
        pattern=r"[a-z0-9+]+://.*",
        pattern_text="DIALECT+DRIVER://…",
    )
    shared: bool = setting(
        False, "several hubs work on it, all with this set; one of them asks the scheduler. PostgreSQL alone"
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        if problem := problem_of(self.url):
            yield "url", problem
        elif self.shared and sqlite_path(self.url) is not None:
            yield "shared", "an SQLite file has one hub: use postgresql://USER@HOST/NAME, or remove this"


class HubListenConfig(ListenSettings):
    """Where the hub answers, and by which names it may be called."""

    names: tuple[str, ...] = setting(
        (),
        "names by which browsers may call the hub, beside the address it is bound to: a hub on loopback answers for"
        " localhost else, one on the network for any",
        example='["hub.example.org"]',
    )


class HubAuthConfig(AuthConfig):
    """Who may send events to the hub."""

    allowed_users: tuple[str, ...] = setting(
        ("root", "slurmlens", "slurmlens-relay"),
        "users (names or numbers) whose MUNGE credential speaks for a node, or for a relay",
    )
    relays: tuple[str, ...] = setting(
        (), "hosts whose slurmlens-relay may speak for nodes that it has proved itself", example='["relay1", "relay2"]'
    )


class SlurmConfig(Settings):
    """How the scheduler is asked. At most two full requests a minute."""

    poll_interval_s: float = setting(
        30.0, "time between two questions; grows by itself when slurmctld is slow", minimum=1, maximum=3600
    )
    command_timeout_s: float = setting(20.0, "a command that takes longer is ended", minimum=1, maximum=600)
    slurm_conf: Path | None = setting(
        None, "SLURM_CONF for the commands; Slurm's own where not set", example='"/etc/slurm/slurm.conf"'
    )
    squeue: str = setting("squeue", "name on PATH or full path")
    scontrol: str = setting("scontrol", "name on PATH or full path")
    sacct: str = setting("sacct", "name on PATH or full path")
    sacctmgr: str = setting("sacctmgr", "name on PATH or full path; asked where [access] needs accounts")
    sdiag: str = setting("sdiag", "name on PATH or full path; asked once a minute how slurmctld fares")
    accounting: bool = setting(True, "ask sacct; without slurmdbd set false")
    hook_dropbox: Path | None = setting(
        None,
        "where PrologSlurmctld and EpilogSlurmctld leave their events, on a hub on the host of slurmctld",
        example='"/run/slurmlens/controller/events"',
    )
    slurm_user: str = setting("slurm", "SlurmUser, as whom these hooks run: whose files there are believed")


class HubProfileConfig(Settings):
    """How often nodes are asked to send what is new of a running job."""

    live_interval_s: float = setting(10.0, "while someone looks", minimum=1)
    idle_interval_s: float = setting(300.0, "while nobody does", minimum=1)


class HubLogsConfig(Settings):
    """Where lines of all nodes' logs are kept that are sent to the hub."""

    enabled: bool = setting(True, "take log lines (POST /api/v1/logs) and show them")
    path: Path | None = setting(
        None,
        "folder with a file for each day; without it `logs` beside the database's file, and none where a server has it",
        example='"/var/lib/slurmlens-hub/logs"',
    )
    store: str = setting(
        "sqlite",
        "where lines are kept: sqlite, files on this machine; opensearch, a search server (the table below)",
        choices=("sqlite", "opensearch"),
    )
    keep_days: int = setting(14, "whole days that are kept beside today", minimum=1, maximum=3650)
    forwarders: tuple[str, ...] = setting(
        (),
        "hosts that may send lines of other hosts: a central rsyslog or Logstash, a controller",
        example='["loghost"]',
    )
    opensearch: SearchServerConfig = section(
        SearchServerConfig, 'the search server, where store = "opensearch"; whoever has Logstash in front keeps it'
    )


class HubConfig(Settings):
    """Everything `slurmlens-hub` can be told."""

    cluster: str = setting("cluster", "Slurm's ClusterName", pattern=NAME_PATTERN, pattern_text=NAME_TEXT)
    runtime_path: Path = setting(Path("/run/slurmlens-hub"), "folder for what may vanish at a restart")
    listen: HubListenConfig = section(HubListenConfig, "where the hub answers; loopback until you say otherwise")
    database: DatabaseConfig = section(DatabaseConfig, "where the truth is kept")
    retention: RetentionConfig = section(
        RetentionConfig, "how long the details of jobs are kept; runs and their figures are kept for ever"
    )
    auth: HubAuthConfig = section(HubAuthConfig, "who may send events")
    access: AccessConfig | None = optional_section(
        "who may see what; without it whoever is on this machine sees everything, and nobody else anything"
    )
    slurm: SlurmConfig = section(SlurmConfig, "how the scheduler is asked")
    inventory: InventoryConfig = section(InventoryConfig, "where the hub learns of the cluster itself")
    management: ManagementConfig = section(
        ManagementConfig, "goals of service levels, rules about habits, and when a day begins in reports"
    )
    profile: HubProfileConfig = section(HubProfileConfig, "how often nodes send what is new of a running job")
    logs: HubLogsConfig = section(HubLogsConfig, "lines of the nodes' logs")
    workflows: WorkflowsConfig | None = optional_section(
        "a Galaxy that assesses failed jobs by itself (docs/galaxy.md)"
    )
    findings: FindingsConfig = section(FindingsConfig, "what is wrong, and what is known to help")
    silence: SilenceConfig = section(
        SilenceConfig, "nodes that are to be silent; `systemctl reload slurmlens-hub` applies it"
    )
    notices: NoticesConfig | None = optional_section("what people are told by mail or webhook, where they asked for it")
    kafka: HubKafkaConfig | None = optional_section(
        "events from a topic of Kafka, beside those that come by HTTP; whoever may write into the topic is believed"
    )
    log_series: LogSeriesConfig | None = optional_section("carbon series made of log lines, by rules")
    graph: GraphConfig | None = optional_section("Neo4j: a copy of the inventory and of recent jobs as a graph")
    consul: HubConsulConfig | None = optional_section("Consul: the hub as a service, the keys of 2015")
    series_2015: HubSeries2015Config | None = optional_section(
        "carbon series under the names of 2015: slurm.stats.…, the queue by user and group"
    )
    log: LogConfig = section(LogConfig, "the hub's own log")

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.log_series is not None and self.database.shared:
            yield "log_series", "each of several hubs would count its own lines alone: name this table in none of them"

    @property
    def local_socket(self) -> Path | None:
        """Where this machine's users are known by the kernel's word; None where there are no rules."""
        if self.access is None:
            return None
        return self.access.socket_path or self.runtime_path / SOCKET_NAME
