"""Settings of Consul: which agent is asked, as what a program registers, whom it looks for.

Part of the settings of every program that runs as a service (`node`, `hub`); the table `[consul]` switches it on. Read
by `discovery`. `RUNTIME_KEYS` says which settings Consul's KV may override while a program runs; everything else takes
a restart, for it decides what is built.
"""

from collections.abc import Iterator
from pathlib import Path

from slurmlens.config.setting import Settings, section, setting
from slurmlens.config.shared import backoff_problems

SERVICE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
SERVICE_TEXT = "letters, digits, '_' and '-', at most 63"
FIND_PATTERN = rf"({SERVICE_PATTERN}\.)?{SERVICE_PATTERN}"
FIND_TEXT = "NAME or TAG.NAME of a service"

WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  # to tell them apart, not to bind

NODE_RUNTIME_KEYS = frozenset(
    {
        ("heartbeat_interval_s",),
        ("log", "level"),
        ("profile", "send_interval_s"),
        ("sampling", "budget_share"),
        ("sampling", "interval_s"),
    }
)

RELAY_RUNTIME_KEYS = frozenset({("log", "level")})


class ConsulConfig(Settings):
    """The agent on this machine, and how this program shows itself to others."""

    url: str = setting(
        "http://127.0.0.1:8500",
        "where this machine's Consul agent answers",
        pattern=r"http://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):\d{1,5}/?",
        pattern_text="http://HOST:PORT (TLS is not spoken to the agent)",
    )
    token_file: Path | None = setting(
        None, "holds the ACL token; read anew each time", example='"/etc/slurmlens/consul-token"'
    )
    datacenter: str | None = setting(
        None,
        "the datacenter that is asked; the agent's own where not set",
        example='"dc1"',
        pattern=SERVICE_PATTERN,
        pattern_text=SERVICE_TEXT,
    )
    timeout_s: float = setting(10.0, "for one request, beside the wait of a blocking query", minimum=0.1, maximum=600)
    wait_s: float = setting(
        300.0, "longest wait of a blocking query; jitter makes it up to a tenth shorter", minimum=1, maximum=600
    )
    backoff_min_s: float = setting(1.0, "first wait after a failure; doubles, with jitter", minimum=0.01)
    backoff_max_s: float = setting(60.0, "longest wait between two tries", minimum=0.01)
    register: bool = setting(True, "show this program as a service, with a check that says how it fares")
    service: str = setting("slurmlens", "the service's name", pattern=SERVICE_PATTERN, pattern_text=SERVICE_TEXT)
    ttl_s: float = setting(
        30.0, "the check turns critical when nothing was heard of the program for so long", minimum=1, maximum=3600
    )
    forget_after_s: float = setting(
        3 * 86_400.0, "a service that was critical for so long is removed by the agent", minimum=60
    )

    def told_address(self, bound: str, told: str | None) -> str | None:
        """What others are told of a program that is bound to `bound`; None lets Consul tell the agent's address."""
        return told or (None if bound in WILDCARDS else bound)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `url`."""
        host, _, port = self.url.removeprefix("http://").removesuffix("/").rpartition(":")
        return host.strip("[]"), int(port)

    def problems(self) -> Iterator[tuple[str, str]]:
        if not 0 < self.address[1] < 65_536:
            yield "url", f"{self.address[1]} is no port: 1 to 65535"
        yield from backoff_problems(self)


def _found(what: str, example: str) -> str | None:
    return setting(None, what, example=example, pattern=FIND_PATTERN, pattern_text=FIND_TEXT)


class FindConfig(Settings):
    """Receivers that are looked for; what is not named stays where its sink's own settings say."""

    hub: str | None = _found("the service that [sinks.hub] goes to", '"slurmlens-hub"')
    carbon: str | None = _found("the service that [sinks.carbon] goes to", '"entry.carbon"')
    logstash: str | None = _found("the service that [sinks.logstash] goes to", '"logstash"')
    beats: str | None = _found("the service that [sinks.beats] goes to", '"logstash-beats"')
    kafka: str | None = _found("the service that [sinks.kafka] begins with", '"kafka"')


class NodeConsulConfig(ConsulConfig):
    """What a program that delivers has beside that: receivers to find, settings to take."""

    service: str = setting("slurmlens-node", "the service's name", pattern=SERVICE_PATTERN, pattern_text=SERVICE_TEXT)
    settings: bool = setting(
        True, "keys below slurmlens/CLUSTER/node/ and slurmlens/CLUSTER/nodes/NODE/ override settings of this file"
    )
    find: FindConfig = section(FindConfig, "receivers that are looked for by the name of their service")


def _address_told() -> str | None:
    return setting(
        None,
        "address that is registered for others; where not set, the one that is bound, or the agent's for a wildcard",
        example='"10.0.0.1"',
        pattern=r"[A-Za-z0-9_.:-]+",
        pattern_text="a host name or an address",
    )


class RelayConsulConfig(NodeConsulConfig):
    """What the relay has beside that: where nodes reach it."""

    service: str = setting("slurmlens-relay", "the service's name", pattern=SERVICE_PATTERN, pattern_text=SERVICE_TEXT)
    settings: bool = setting(
        True, "keys below slurmlens/CLUSTER/relay/ and slurmlens/CLUSTER/relays/NAME/ override settings of this file"
    )
    address_told: str | None = _address_told()


class HubFindConfig(Settings):
    """Receivers that the hub looks for."""

    carbon: str | None = _found("the service that [series_2015] goes to", '"entry.carbon"')


class HubConsulConfig(ConsulConfig):
    """What the hub has beside that: where others reach it, its carbon, and the keys of 2015."""

    service: str = setting("slurmlens-hub", "the service's name", pattern=SERVICE_PATTERN, pattern_text=SERVICE_TEXT)
    find: HubFindConfig = section(HubFindConfig, "receivers that are looked for by the name of their service")
    address_told: str | None = _address_told()
    job_keys: bool = setting(False, "keep slurm/job/… and slurm/partition/… in the KV, as in 2015")
    job_keys_kept: int = setting(1000, "so many jobs that have ended keep their keys", minimum=0, maximum=100_000)
