"""Settings of the relay, `slurmlens-relay`; the only place where their defaults stand.

Made by `load.load_relay` from `/etc/slurmlens/relay.toml` and `relay.conf.d/*.toml`; handed to `node.relay.main`.
Durations are seconds and sizes bytes, always numbers, with the unit in the key's name.
"""

from collections.abc import Iterator
from pathlib import Path

from slurmlens.config.auth import AuthConfig
from slurmlens.config.consul import RelayConsulConfig
from slurmlens.config.node import host_node_name
from slurmlens.config.setting import Settings, derived, optional_section, section, setting
from slurmlens.config.shared import KIB, MIB, NAME_PATTERN, NAME_TEXT, LogConfig, ReplayConfig
from slurmlens.config.sinks import SinksConfig
from slurmlens.config.spool import SpoolConfig
from slurmlens.config.tls import ListenSettings

RACK_BYTES_PER_S = 16 * MIB
"""Three times what 72 nodes make at their busiest (79 kB/s each): new lines wait behind a backlog, so one that is not
worked off faster than lines come would keep them waiting for ever.
"""


class RelayListenConfig(ListenSettings):
    """Where nodes bring their events, by the hub's own protocol: they name the relay as their hub."""

    host: str = setting("127.0.0.1", "address to bind: one that the nodes reach")
    connections: int = setting(4096, "open at once; more are turned away", minimum=1, maximum=100_000)
    pending_bytes: int = setting(
        64 * MIB,
        "of requests that are being read, and as much unpacked that waits for its commit; beyond that nodes are"
        " asked to come back",
        minimum=MIB,
    )
    idle_timeout_s: float = setting(300.0, "a connection without a request for so long is closed", minimum=1)
    commit_timeout_s: float = setting(
        8.0, "for the disk to take a request; after that the node is asked to come back", minimum=0.1, maximum=600
    )


class RelayCarbonConfig(Settings):
    """Where nodes bring their metrics, as carbon's plaintext. It proves nobody: let only the nodes reach it."""

    host: str = setting("127.0.0.1", "address to bind: one that the nodes reach")
    port: int = setting(2003, "port to bind; 0 lets the kernel choose", minimum=0, maximum=65_535)
    connections: int = setting(4096, "open at once; more are turned away", minimum=1, maximum=100_000)
    linger_s: float = setting(0.2, "longest wait of a metric for company", minimum=0, maximum=60)
    max_bytes: int = setting(256 * 1024, "a batch of metrics is closed at this size", minimum=4096, maximum=4 * MIB)


class RelaySpoolConfig(SpoolConfig):
    """What waits for receivers that are away: a rack's, so more than a node's.

    No event is dropped for want of room: the relay takes no more, and the nodes keep what they have.
    """

    path: Path = setting(
        Path("/var/lib/slurmlens-relay/spool"),
        "folder on a local disk, of this relay alone; the folder above must exist. On a tmpfs it holds 16 MiB at "
        "most, on a network file system everything stays in memory",
    )
    max_bytes: int = setting(4096 * MIB, "for everything that waits, on the disk", minimum=16 * MIB)
    memory_bytes: int = setting(256 * MIB, "for what is in memory, on the disk as well or not yet", minimum=32 * MIB)
    metrics_memory_bytes: int = setting(
        64 * MIB, "of it for metrics; from half of it on they are written to the disk", minimum=2 * MIB
    )
    logs_memory_bytes: int = setting(
        16 * MIB, "of it for log lines, which are written to the disk as they come", minimum=2 * MIB
    )
    full_share: float = setting(
        0.75,
        "with so much of max_bytes waiting for one receiver, nodes are asked to come back",
        minimum=0.01,
        maximum=0.95,
    )

    @property
    def writes_logs_at_once(self) -> bool:
        """See `SpoolConfig`: a node that was told 200 keeps them no longer."""
        return True


class RelayReplayConfig(ReplayConfig):
    """The same as a node's, for a rack of them."""

    bytes_per_s: int = setting(
        RACK_BYTES_PER_S,
        "replayed at most so fast, to each receiver; should be three times what the nodes behind this relay make",
        minimum=256 * KIB,
    )


class RelayConfig(Settings):
    """Everything `slurmlens-relay` can be told."""

    cluster: str = setting("cluster", "Slurm's ClusterName", pattern=NAME_PATTERN, pattern_text=NAME_TEXT)
    name: str = derived(
        host_node_name,
        "as what it proves itself to the hub, which must list it in auth.relays; the host's name where not set",
        example='"relay1"',
        pattern=NAME_PATTERN,
        pattern_text=NAME_TEXT,
    )
    runtime_path: Path = setting(Path("/run/slurmlens-relay"), "folder of the status socket")
    nodes: str | None = setting(
        None,
        "of which nodes it takes events, as a hostlist; of any that proves itself where not set",
        example='"rack1-n[01-72]"',
    )
    listen: RelayListenConfig = section(RelayListenConfig, "where nodes bring events")
    carbon: RelayCarbonConfig | None = optional_section("where nodes bring metrics; without it none are taken")
    auth: AuthConfig = section(AuthConfig, "how nodes prove who they are")
    spool: RelaySpoolConfig = section(RelaySpoolConfig, "what waits for receivers that are away")
    replay: RelayReplayConfig = section(RelayReplayConfig, "what has waited for a receiver, when it is back")
    sinks: SinksConfig = section(SinksConfig, "receivers; each table that is there switches one on")
    consul: RelayConsulConfig | None = optional_section("Consul: this relay as a service, receivers found, settings")
    log: LogConfig = section(LogConfig, "the relay's own log")

    @property
    def status_socket_path(self) -> Path:
        """Where `slurmlens status` asks."""
        return self.runtime_path / "status.sock"

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.sinks.is_empty:
            yield "sinks", "nobody would get anything: switch on a [sinks.…] table"
