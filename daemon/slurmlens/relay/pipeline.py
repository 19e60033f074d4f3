"""Wires the relay's stages; the only file that knows them all.

    nodes ─► events_port ─► intake, log_intake ─┐
    nodes ─► carbon_listener ───────────────────┴─► delivery (outlet ─► spool ─► sinks)

Owns the order of starting and stopping. Invariants: what was answered with 200 is committed; stopping takes a bounded
time; every stage fails alone. Made and run by `main`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from slurmlens import __version__
from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.node import BatchConfig
from slurmlens.config.relay import RelayConfig
from slurmlens.config.tls import ListenSettings
from slurmlens.delivery.batches import Stream
from slurmlens.delivery.pipeline import DeliveryPipeline, DeliverySettings
from slurmlens.delivery.receivers import SinkDependencies, hub_client, receivers
from slurmlens.delivery.status_socket import LookClosely, StatusServer
from slurmlens.events import Place
from slurmlens.relay.carbon_listener import CarbonListener
from slurmlens.relay.events_port import EventsPort
from slurmlens.relay.intake import Intake
from slurmlens.relay.lines_of_nodes import EventLines, LogDocumentLines
from slurmlens.relay.origins import RelayOrigins
from slurmlens.relay.room import Room
from slurmlens.relay.silence import SilenceAsker
from slurmlens.relay.status import RelayStatus
from slurmlens.runtime import process
from slurmlens.runtime.authentication import Authenticator
from slurmlens.runtime.http_server import HttpLimits, HttpServer
from slurmlens.runtime.supervisor import StageState, Supervisor
from slurmlens.telemetry import log
from slurmlens.telemetry.internal import Reporter

if TYPE_CHECKING:
    from slurmlens.delivery.consul import Consul
    from slurmlens.discovery.health import Health
    from slurmlens.runtime.tls import ServerTls

VITAL_STAGES = frozenset({"events"})
"""Without it nothing comes in."""


class RelayPipeline:
    """The relay without its process. Make it in a running loop, `open` it, `run` it, cancel `run` to stop."""

    def __init__(self, config: RelayConfig, boot_id: str, clock: Clock, reporter: Reporter) -> None:
        self._config = config
        self._clock = clock
        self._reporter = reporter
        self._started_ns = clock.monotonic_ns()
        self._wanted_s: dict[str, float] = {}
        self._consul = self._make_consul(config)
        if self._consul is not None:
            log.set_level(self._consul.settings.log.level)
        settings = DeliverySettings(config.spool, config.replay, self._batches(), config.runtime_path)
        place = Place(config.cluster, config.name, boot_id)
        self._delivery = DeliveryPipeline(
            settings, receivers(config.sinks, self._sink_dependencies()), place, clock, reporter
        )
        self._room = Room(self._delivery.spool, tuple(self._delivery.streams.items()), self._room_bytes)
        self._tls = _make_tls(config.listen)
        hub = config.sinks.hub
        self._silence = SilenceAsker(None if hub is None else hub_client(hub, self._sink_dependencies()), clock)
        self._server = self._make_server()
        points = self._delivery.outlet.points
        self._carbon = CarbonListener(config.carbon, points, self._room, reporter) if config.carbon else None
        self._sources = Supervisor(reporter, clock)
        self._name_stages()

    async def open(self) -> None:
        """Take up what an earlier relay left, and the ports. ConfigError where either is another's."""
        await self._delivery.open()
        try:
            await self._server.bind()
            if self._carbon is not None:
                await self._carbon.bind()
        except BaseException:
            await self._delivery.close()
            raise

    async def run(self) -> None:
        """Work until cancelled, then stop in order."""
        self._delivery.start()
        try:
            await self._sources.run()
        finally:
            # A second cancel must not cut this short: it is bounded by itself.
            await asyncio.shield(self._delivery.stop())
            await self._silence.aclose()

    async def status(self) -> RelayStatus:
        """How everything fares, now."""
        config = self._config
        return RelayStatus(
            version=__version__,
            cluster=config.cluster,
            name=config.name,
            time_ns=self._clock.wall_ns(),
            uptime_s=(self._clock.monotonic_ns() - self._started_ns) / NS_PER_S,
            cpu_s=process.cpu_s(),
            resident_bytes=process.resident_bytes(),
            events_port=self.events_port,
            metrics_port=self.metrics_port,
            takes_events=self._room.has_for(Stream.EVENTS),
            takes_metrics=self._carbon is not None and self._room.has_for(Stream.METRICS),
            spool=self._delivery.spool_status(),
            sinks=self._delivery.sink_statuses(),
            stages={name: state.text for name, state in self._stages().items()},
            counters=self._reporter.counters.snapshot(),
            consul=None if self._consul is None else self._consul.status(),
        )

    @property
    def events_port(self) -> int | None:
        """The port that is bound, once `open` has returned."""
        return self._server.port

    @property
    def metrics_port(self) -> int | None:
        """The port that is bound; None where no metrics are taken."""
        return self._carbon.port if self._carbon else None

    # --- building

    def _sink_dependencies(self) -> SinkDependencies:
        """The hub says how often it wants profiles of whom; the nodes are told at their next request."""
        dependencies = SinkDependencies(self._config.name, BatchConfig(), self._reporter, self._clock, lambda _: None)
        find = None if self._consul is None else self._consul.endpoint
        return msgspec.structs.replace(
            dependencies, on_profile_intervals=self._want_profiles, find=find, with_log_lines=True
        )

    def _make_consul(self, config: RelayConfig) -> Consul[RelayConfig] | None:
        if config.consul is None:
            return None
        from slurmlens.delivery.consul import consul_of_relay  # late: costs memory

        return consul_of_relay(
            config, lambda: self.events_port, self._health, self._settings_changed, self._reporter, self._clock
        )

    def _batches(self) -> BatchConfig:
        """Events are batches already, as nodes made them."""
        carbon = self._config.carbon
        if carbon is None:
            return BatchConfig()
        return BatchConfig(metric_linger_s=carbon.linger_s, metric_max_bytes=carbon.max_bytes)

    def _make_server(self) -> HttpServer:
        listen = self._config.listen
        make = partial(
            Intake,
            max_body_bytes=listen.max_body_bytes,
            pending_bytes=listen.pending_bytes,
            commit_timeout_s=listen.commit_timeout_s,
            prove=Authenticator(self._config.auth, RelayOrigins(self._config.nodes, self._clock)),
            queue=self._delivery.spool,
            room=self._room,
            reporter=self._reporter,
            clock=self._clock,
        )
        events = make(EventLines(self._config.cluster), told_beside=self._wanted_of)
        log_lines = make(LogDocumentLines())
        limits = HttpLimits(
            max_body_bytes=listen.max_body_bytes,
            pending_bytes=listen.pending_bytes,
            connections=listen.connections,
            idle_timeout_s=listen.idle_timeout_s,
        )
        port = EventsPort(events.take, log_lines.take, self._silence.ask)
        return HttpServer(listen.host, listen.port, port, limits, self._reporter, self._tls)

    def _wanted_of(self, node: str) -> Mapping[str, object]:
        """How often the hub wants this node's profiles."""
        interval_s = self._wanted_s.get(node)
        return {} if interval_s is None else {"profile_interval_s": interval_s}

    def _name_stages(self) -> None:
        self._sources.add("events", self._server.run)
        if self._tls is not None:
            self._sources.add("certificate", partial(self._tls.keep_fresh, self._reporter))
        if self._carbon is not None:
            self._sources.add("metrics", self._carbon.run)
        server = StatusServer(self._config.status_socket_path, self.status, _samples_nothing, self._reporter)
        self._sources.add("status", server.run)
        if self._consul is not None:
            for name, stage in self._consul.registration:
                self._sources.add(name, stage)
            for name, stage in self._consul.watches:
                self._delivery.add(name, stage)

    # --- running

    def _settings_changed(self, config: RelayConfig) -> None:
        """Consul's KV says otherwise than the file or than before; only `RELAY_RUNTIME_KEYS` differ."""
        log.set_level(config.log.level)

    def _health(self) -> Health:
        """What Consul is told of this relay: one that is full warns, and nodes prefer another."""
        from slurmlens.discovery.health import judge  # late: as above

        troubles = [f"{name} takes nothing" for name in self._delivery.away]
        troubles += [] if self._room.has_for(Stream.EVENTS) else ["no room for more events"]
        return judge(self._stages(), troubles, vital=VITAL_STAGES)

    def _want_profiles(self, intervals_s: Mapping[str, float]) -> None:
        self._wanted_s.update(intervals_s)

    def _room_bytes(self) -> int:
        """What may wait: a share of what the spool holds here and now; nothing while its disk takes nothing."""
        state = self._delivery.spool.state
        if state.mode == "failing":
            return 0
        holds = self._delivery.limits.memory_bytes if state.mode == "memory" else state.max_bytes
        return round(holds * self._config.spool.full_share)

    def _stages(self) -> dict[str, StageState]:
        return {**self._sources.states, **self._delivery.states}


def _make_tls(listen: ListenSettings) -> ServerTls | None:
    if not listen.is_tls:
        return None
    from slurmlens.runtime.tls import ServerTls  # late: costs memory

    return ServerTls(listen)


async def _samples_nothing(_: LookClosely) -> bool:
    return False
