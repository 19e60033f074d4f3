"""Makes the sinks that the settings switch on, each with the stream it reads and how it is driven.

Owns the table of kinds: a new sink is a file in `sinks/`, a table in `config.sinks` and a row here. A maker imports its
sink itself: what is not configured costs no memory. Called by `pipeline` once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from slurmlens.clock import Clock
from slurmlens.config.kafka import KafkaSinkConfig
from slurmlens.config.node import BatchConfig
from slurmlens.config.shared import BackingOff
from slurmlens.config.sinks import (
    BeatsSinkConfig,
    CarbonSinkConfig,
    FileSinkConfig,
    HubSinkConfig,
    LogstashSinkConfig,
    SinksConfig,
)
from slurmlens.delivery.batches import Stream
from slurmlens.delivery.sinks.delivery import Sink
from slurmlens.runtime.backoff import Backoff
from slurmlens.runtime.endpoint import Endpoint, FixedEndpoint
from slurmlens.telemetry.internal import Reporter

if TYPE_CHECKING:
    from slurmlens.delivery.sinks.hub import HubSink
    from slurmlens.runtime.http import HttpClient
    from slurmlens.runtime.tls import ClientTls

FILE_BACKOFF_MIN_S = 0.5
FILE_BACKOFF_MAX_S = 30.0


class Receiver(msgspec.Struct, frozen=True):
    """A sink that is switched on; `max_bytes` is the most that is delivered at once."""

    sink: Sink
    stream: Stream
    max_bytes: int
    backoff: Backoff


class SinkDependencies(msgspec.Struct, frozen=True):
    """What makers need beside the sink's own settings."""

    node: str
    batch: BatchConfig
    reporter: Reporter
    clock: Clock
    on_profile_interval: Callable[[float], None]
    """Called with how often the hub wants profiles."""
    on_profile_intervals: Callable[[Mapping[str, float]], None] | None = None
    """A relay receives it for each of its nodes."""
    with_log_lines: bool = False
    """Whether this program has log lines: what delivers them is made only then."""
    find: Callable[[str, str, int], Endpoint] | None = None
    """Says where the receiver of a sink is, given where the settings have it; None where only they know."""

    def endpoint(self, sink: str, host: str, port: int) -> Endpoint:
        """Where the receiver of `sink` is."""
        return FixedEndpoint(host, port) if self.find is None else self.find(sink, host, port)


def receivers(config: SinksConfig, dependencies: SinkDependencies) -> list[Receiver]:
    """One for each table that is there. CredentialError where what proves this node cannot be read."""
    makers = _MAKERS + (_LOG_MAKERS if dependencies.with_log_lines else ())
    made = [make(settings, dependencies) for name, make in makers if (settings := getattr(config, name)) is not None]
    return [one for one in made if one is not None]


def _hub(config: HubSinkConfig, dependencies: SinkDependencies) -> Receiver:
    return Receiver(_hub_sink(config, dependencies), Stream.EVENTS, config.max_body_bytes, _backoff(config))


def _hub_logs(config: HubSinkConfig, dependencies: SinkDependencies) -> Receiver:
    sink = _hub_sink(config, dependencies, is_for_logs=True)
    return Receiver(sink, Stream.LOGS, config.max_body_bytes, _backoff(config))


def _backoff(config: BackingOff) -> Backoff:
    return Backoff(config.backoff_min_s, config.backoff_max_s)


def hub_client(config: HubSinkConfig, dependencies: SinkDependencies) -> HttpClient:
    """A connection of its own to the hub, as its sink has one."""
    from slurmlens.runtime.http import HttpClient

    tls = _tls(config, "sinks.hub", config.expected_name)
    return HttpClient(dependencies.endpoint("hub", *config.address), timeout_s=config.timeout_s, tls=tls)


def _hub_sink(config: HubSinkConfig, dependencies: SinkDependencies, *, is_for_logs: bool = False) -> HubSink:
    from slurmlens.delivery.sinks.hub import LOGS_TARGET, TARGET, HubSink
    from slurmlens.delivery.sinks.proof import proof_of

    proof = proof_of(config, dependencies.node)
    endpoint = dependencies.endpoint("hub", *config.address)
    name, target = ("hub_logs", LOGS_TARGET) if is_for_logs else ("hub", TARGET)
    told = dependencies.on_profile_interval, dependencies.on_profile_intervals
    tls = _tls(config, "sinks.hub", config.expected_name)
    return HubSink(
        config, endpoint, dependencies.node, proof, dependencies.reporter, *told, tls=tls, name=name, target=target
    )


def _file(config: FileSinkConfig, dependencies: SinkDependencies) -> Receiver:
    from slurmlens.delivery.sinks.file import FileSink

    backoff = Backoff(FILE_BACKOFF_MIN_S, FILE_BACKOFF_MAX_S)
    return Receiver(FileSink(config), Stream.EVENTS, dependencies.batch.event_max_bytes, backoff)


def _carbon(config: CarbonSinkConfig, dependencies: SinkDependencies) -> Receiver:
    from slurmlens.delivery.sinks.carbon import CarbonSink

    sink = CarbonSink(
        config, dependencies.endpoint("carbon", config.host, config.port), dependencies.reporter, dependencies.clock
    )
    backoff = Backoff(config.backoff_min_s, config.backoff_max_s)
    return Receiver(sink, Stream.METRICS, dependencies.batch.metric_max_bytes, backoff)


def _logstash(config: LogstashSinkConfig, dependencies: SinkDependencies) -> Receiver:
    return _to_logstash(config, dependencies, "logstash", Stream.EVENTS)


def _logstash_logs(config: LogstashSinkConfig, dependencies: SinkDependencies) -> Receiver | None:
    return _to_logstash(config, dependencies, "logstash_logs", Stream.LOGS) if config.log_lines else None


def _to_logstash(config: LogstashSinkConfig, dependencies: SinkDependencies, name: str, stream: Stream) -> Receiver:
    from slurmlens.delivery.sinks.logstash import LogstashSink

    endpoint = dependencies.endpoint("logstash", config.host, config.port)
    tls = _tls(config, "sinks.logstash", config.server_name)
    sink = LogstashSink(config, endpoint, dependencies.reporter, dependencies.clock, tls, name)
    return Receiver(sink, stream, dependencies.batch.event_max_bytes, _backoff(config))


def _beats(config: BeatsSinkConfig, dependencies: SinkDependencies) -> Receiver:
    from slurmlens.delivery.sinks.beats import BeatsSink

    endpoint = dependencies.endpoint("beats", config.host, config.port)
    sink = BeatsSink(config, endpoint, _tls(config, "sinks.beats", config.server_name))
    backoff = Backoff(config.backoff_min_s, config.backoff_max_s)
    return Receiver(sink, Stream.EVENTS, dependencies.batch.event_max_bytes, backoff)


def _tls(
    config: HubSinkConfig | LogstashSinkConfig | BeatsSinkConfig, table: str, name: str | None
) -> ClientTls | None:
    """`name` is the one in the certificate, where that is not the host's."""
    if not config.needs_openssl:
        return None
    from slurmlens.runtime.tls import ClientTls

    return ClientTls(config, table, name)


def _kafka(config: KafkaSinkConfig, dependencies: SinkDependencies) -> Receiver:
    from slurmlens.delivery.sinks.kafka import Brokers, KafkaSink

    endpoint = Brokers(dependencies.endpoint("kafka", *config.brokers[0]), config.brokers)
    sink = KafkaSink(config, endpoint, dependencies.reporter, dependencies.clock)
    return Receiver(sink, Stream.EVENTS, config.max_batch_bytes, _backoff(config))


def _kafka_logs(config: KafkaSinkConfig, dependencies: SinkDependencies) -> Receiver | None:
    if config.log_topic is None:
        return None
    from slurmlens.delivery.sinks.kafka import Brokers, KafkaSink
    from slurmlens.wire.kafka_records import log_record

    endpoint = Brokers(dependencies.endpoint("kafka", *config.brokers[0]), config.brokers)
    own = KafkaSinkConfig(**{**vars(config), "topic": config.log_topic})
    sink = KafkaSink(own, endpoint, dependencies.reporter, dependencies.clock, name="kafka_logs", make=log_record)
    return Receiver(sink, Stream.LOGS, config.max_batch_bytes, _backoff(config))


_LOG_MAKERS: tuple[tuple[str, Callable[..., Receiver | None]], ...] = (
    ("hub", _hub_logs),
    ("logstash", _logstash_logs),
    ("kafka", _kafka_logs),
)
"""The same for log lines; a maker says None where its receiver is not to have them."""

_MAKERS: tuple[tuple[str, Callable[..., Receiver | None]], ...] = (
    ("hub", _hub),
    ("logstash", _logstash),
    ("beats", _beats),
    ("kafka", _kafka),
    ("file", _file),
    ("carbon", _carbon),
)
"""Table of `[sinks]`, and who makes its sink."""
