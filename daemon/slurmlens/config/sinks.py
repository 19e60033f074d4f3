"""Settings of the sinks: who receives events and metrics; one table for each receiver, which switches it on.

Part of the settings of every program that delivers (`node`, `relay`); read by `node.receivers`, which makes the sinks.
"""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from slurmlens.config.kafka import KafkaSinkConfig
from slurmlens.config.setting import Settings, optional_section, setting
from slurmlens.config.shared import MIB, backoff_problems
from slurmlens.config.tls import TlsSettings, pair_problems

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class HubSinkConfig(Settings):
    """Events go to slurmlens-hub, or to a relay as to a hub, over HTTP."""

    url: str = setting(
        "http://127.0.0.1:6830",
        "where the hub, or this node's relay, listens; https:// for TLS: its certificate and its name are checked",
        pattern=r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):\d{1,5}/?",
        pattern_text="http://HOST:PORT or https://HOST:PORT",
    )
    ca_file: Path | None = setting(
        None,
        "PEM: who may have signed the hub's certificate; the system's own list where not set",
        example='"/etc/slurmlens/ca.pem"',
    )
    certificate_file: Path | None = setting(
        None,
        "PEM: shows the hub who we are, where it asks; with the chain up to its CA",
        example='"/etc/slurmlens/node.pem"',
    )
    key_file: Path | None = setting(
        None, "PEM of its key, without passphrase and closed to others", example='"/etc/slurmlens/node.key"'
    )
    server_name: str | None = setting(
        None, "the name in the hub's certificate, where it is not the one in `url`", example='"hub.example.org"'
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
        host, _, port = self.url.partition("://")[2].removesuffix("/").rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def needs_openssl(self) -> bool:
        """Whether TLS is spoken, for which the program must load OpenSSL."""
        return self.url.startswith("https:")

    @property
    def expected_name(self) -> str:
        """What the hub's certificate must be for, also where the hub is found elsewhere."""
        return self.server_name or self.address[0]

    @property
    def tells_token_in_clear(self) -> bool:
        """Whether whoever listens on the network gets what proves this node."""
        return self.auth == "token" and not self.needs_openssl and self.address[0] not in LOOPBACK

    def problems(self) -> Iterator[tuple[str, str]]:
        for key in ("ca_file", "certificate_file", "key_file", "server_name"):
            if getattr(self, key) is not None and not self.needs_openssl:
                yield key, "is for TLS: write https:// in url, or remove it"
        yield from pair_problems(self.certificate_file, self.key_file)
        if not 0 < self.address[1] < 65_536:
            yield "url", f"{self.address[1]} is no port: 1 to 65535"
        if self.auth == "token" and self.token_file is None:
            yield "token_file", 'auth = "token" needs it: name the file that holds the token'
        yield from backoff_problems(self)


class CarbonSinkConfig(Settings):
    """Metrics go to carbon, a relay or anything else that reads carbon's plaintext."""

    host: str = setting("127.0.0.1", "where carbon listens")
    port: int = setting(2003, "carbon's plaintext port", minimum=1, maximum=65_535)
    resend_window_s: float = setting(
        15.0,
        "after a reconnect what was sent in the last so many seconds is sent again: carbon acknowledges nothing",
        minimum=0,
    )
    resend_limit_bytes: int = setting(4 * MIB, "at most so much is kept to be sent again", minimum=4096)
    timeout_s: float = setting(10.0, "for connecting, and for carbon to take anything at all", minimum=0.1, maximum=600)
    backoff_min_s: float = setting(0.5, "first wait after a failure; doubles, with jitter", minimum=0.01)
    backoff_max_s: float = setting(60.0, "longest wait between two tries", minimum=0.01)

    def problems(self) -> Iterator[tuple[str, str]]:
        yield from backoff_problems(self)


class LogstashSinkConfig(TlsSettings):
    """Events go to logstash's tcp input (codec json_lines), or anything else that reads JSON lines."""

    host: str = setting("127.0.0.1", "where logstash listens")
    port: int = setting(5000, "its tcp input's port", minimum=1, maximum=65_535)
    log_lines: bool = setting(False, "log lines go there too, by a connection of their own")
    resend_window_s: float = setting(
        15.0,
        "after a reconnect what was sent in the last so many seconds is sent again: nothing is acknowledged here,"
        " sinks.beats loses less",
        minimum=0,
    )
    resend_limit_bytes: int = setting(4 * MIB, "at most so much is kept to be sent again", minimum=4096)
    timeout_s: float = setting(
        10.0, "for connecting, and for logstash to take anything at all", minimum=0.1, maximum=600
    )
    backoff_min_s: float = setting(0.5, "first wait after a failure; doubles, with jitter", minimum=0.01)
    backoff_max_s: float = setting(60.0, "longest wait between two tries", minimum=0.01)
    server_name: str | None = setting(
        None, "the name in the receiver's certificate, where it is not `host`", example='"logstash.example.org"'
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        yield from self.tls_problems()
        yield from backoff_problems(self)


class BeatsSinkConfig(TlsSettings):
    """Events go to logstash's beats input, or anything else that speaks Beats v2; it acknowledges each event."""

    host: str = setting("127.0.0.1", "where the receiver listens")
    port: int = setting(5044, "its beats input's port", minimum=1, maximum=65_535)
    window_events: int = setting(
        2048, "at most so many events wait for their acknowledgement", minimum=1, maximum=10_000
    )
    compression_level: int = setting(3, "of zlib; 0 sends events as they are", minimum=0, maximum=9)
    timeout_s: float = setting(
        30.0, "for connecting, and for any sign of life while events are not acknowledged", minimum=0.1, maximum=600
    )
    backoff_min_s: float = setting(0.5, "first wait after a failure; doubles, with jitter", minimum=0.01)
    backoff_max_s: float = setting(60.0, "longest wait between two tries", minimum=0.01)
    server_name: str | None = setting(
        None, "the name in the receiver's certificate, where it is not `host`", example='"logstash.example.org"'
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        yield from self.tls_problems()
        yield from backoff_problems(self)


class FileSinkConfig(Settings):
    """Events go to a file, one JSON document a line."""

    path: Path = setting(Path("/var/log/slurmlens/events.ndjson"), "the file; its folder must exist")
    rotate_bytes: int = setting(64 * MIB, "at this size it becomes .1, .1 becomes .2", minimum=4096)
    keep: int = setting(3, "so many old files are kept", minimum=0, maximum=1000)


class SinksConfig(Settings):
    """Receivers; each table that is there switches one on."""

    hub: HubSinkConfig | None = optional_section("events to the hub")
    carbon: CarbonSinkConfig | None = optional_section("metrics to carbon")
    logstash: LogstashSinkConfig | None = optional_section("events to logstash as JSON lines")
    beats: BeatsSinkConfig | None = optional_section("events to logstash by the Beats protocol, acknowledged")
    kafka: KafkaSinkConfig | None = optional_section("events to a topic of Kafka")
    file: FileSinkConfig | None = optional_section("events to a file")

    @property
    def is_empty(self) -> bool:
        """Whether nobody would be told anything."""
        return all(getattr(self, field.name) is None for field in fields(self))

    @property
    def takes_log_lines(self) -> bool:
        """Whether anybody takes log lines."""
        to_logstash = self.logstash is not None and self.logstash.log_lines
        return self.hub is not None or to_logstash or (self.kafka is not None and self.kafka.log_topic is not None)

    @property
    def needs_openssl(self) -> bool:
        """Whether any of them must have OpenSSL loaded (ADR 9)."""
        return any(getattr(getattr(self, field.name), "needs_openssl", False) for field in fields(self))
