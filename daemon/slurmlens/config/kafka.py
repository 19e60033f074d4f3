"""Settings of Kafka: brokers, topic, how the connection is secured; for the sink that puts events into a topic, and for
the hub that takes them out.

Part of `config.sinks` and `config.hub`; read by `delivery.sinks.kafka` and `hub.intake.kafka`. What else must be
installed for a setting is checked here, so that `slurmlens validate` tells it before a daemon stumbles over it.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from slurmlens.config.setting import setting
from slurmlens.config.shared import MIB, backoff_problems
from slurmlens.config.tls import TlsSettings

NEEDS_CRAMJAM = frozenset({"lz4", "zstd"})


class KafkaSettings(TlsSettings):
    """The part of a table that is about brokers: where they are, the topic, how a client shows who it is."""

    bootstrap: tuple[str, ...] = setting(
        ("127.0.0.1:9092",), "HOST:PORT of some brokers, which are asked for all the others"
    )
    topic: str = setting(
        "slurmlens.events",
        "the topic; it must be there unless the brokers make topics by themselves",
        pattern=r"[A-Za-z0-9._-]{1,249}",
        pattern_text="letters, digits, '.', '_' and '-', at most 249",
    )
    sasl_mechanism: str = setting(
        "none", "how this client logs in", choices=("none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    )
    sasl_user: str | None = setting(None, "as whom", example='"slurmlens"')
    sasl_password_file: Path | None = setting(
        None, "holds the password on one line; must not be open to everybody", example='"/etc/…/kafka-password"'
    )

    @property
    def brokers(self) -> tuple[tuple[str, int], ...]:
        """Host and port of each of `bootstrap`."""
        return tuple(_address(broker) or ("", 0) for broker in self.bootstrap)

    @property
    def server_name(self) -> None:
        """Of use to other sinks: here each broker is checked by the name that it advertises."""

    @property
    def needs_openssl(self) -> bool:
        """Whether the program must load OpenSSL: for TLS, and for the hashes of SCRAM."""
        return self.tls or self.sasl_mechanism.startswith("SCRAM")

    def problems(self) -> Iterator[tuple[str, str]]:
        if find_spec("aiokafka") is None:
            yield "topic", "Kafka needs the package aiokafka, which is not here: pip install 'slurmlens[kafka]'"
        if not self.bootstrap:
            yield "bootstrap", "name at least one broker as HOST:PORT"
        for broker in self.bootstrap:
            if _address(broker) is None:
                yield "bootstrap", f"{broker!r} is no HOST:PORT"
        yield from self.tls_problems()
        yield from self._login_problems()

    def _login_problems(self) -> Iterator[tuple[str, str]]:
        if self.sasl_mechanism == "none":
            for name in ("sasl_user", "sasl_password_file"):
                if getattr(self, name) is not None:
                    yield name, "is for logging in: set sasl_mechanism, or remove it"
            return
        for name in ("sasl_user", "sasl_password_file"):
            if getattr(self, name) is None:
                yield name, f'sasl_mechanism = "{self.sasl_mechanism}" needs it'


class KafkaSinkConfig(KafkaSettings):
    """Events go to a topic of Kafka, one record an event, the events of a job in one partition."""

    log_topic: str | None = setting(
        None,
        "the topic for log lines; without it they do not go there",
        example='"slurmlens.logs"',
        pattern=r"[A-Za-z0-9._-]{1,249}",
        pattern_text="letters, digits, '.', '_' and '-', at most 249",
    )
    compression: str = setting(
        "gzip", "of batches; lz4 and zstd need the package cramjam", choices=("none", "gzip", "lz4", "zstd")
    )
    max_batch_bytes: int = setting(
        512 * 1024,
        "of events sent at once, before compression; keep it below the brokers' message.max.bytes",
        minimum=4096,
        maximum=8 * MIB,
    )
    timeout_s: float = setting(10.0, "for connecting, and for one try to be acknowledged", minimum=0.1, maximum=600)
    unacknowledged_max_s: float = setting(
        120.0,
        "so long what was not acknowledged is repeated in a way that lets the broker know it again; then the connection"
        " is made anew and a record may be in the log twice",
        minimum=1,
        maximum=86_400,
    )
    backoff_min_s: float = setting(0.5, "first wait after a failure; doubles, with jitter", minimum=0.01)
    backoff_max_s: float = setting(60.0, "longest wait between two tries", minimum=0.01)

    def problems(self) -> Iterator[tuple[str, str]]:
        yield from super().problems()
        if self.compression in NEEDS_CRAMJAM and find_spec("cramjam") is None:
            yield (
                "compression",
                f"{self.compression} needs the package cramjam, which is not here:"
                " pip install 'slurmlens[kafka-codecs]', or take gzip",
            )
        yield from backoff_problems(self)


class HubKafkaConfig(KafkaSettings):
    """Events come from a topic of Kafka as well, into which nodes and relays put them by their Kafka sink."""

    group: str = setting(
        "slurmlens-hub",
        "the consumer group: hubs of one database share the topic under one name, another database has another",
        pattern=r"[A-Za-z0-9._-]{1,249}",
        pattern_text="letters, digits, '.', '_' and '-', at most 249",
    )


def _address(broker: str) -> tuple[str, int] | None:
    host, colon, port = broker.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not bare or bare.strip() != bare or not (port.isascii() and port.isdecimal()):
        return None
    return (bare, int(port)) if 0 < int(port) < 65_536 else None
