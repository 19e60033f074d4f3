"""Consul as programs that deliver use it: receivers found, settings taken from the KV, the program shown as a service.

Puts the parts of `discovery` together and remembers over a restart what they said. Imported only where `[consul]` is in
the settings. Made by the pipelines of node and relay, which run the stages: watches for as long as anything is
delivered, the registration only until the program is asked to stop.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from slurmlens import __version__
from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.consul import NODE_RUNTIME_KEYS, RELAY_RUNTIME_KEYS, NodeConsulConfig
from slurmlens.config.node import NodeConfig
from slurmlens.config.setting import KeyPath
from slurmlens.delivery.status import ConsulStatus, FoundStatus
from slurmlens.discovery.answers import Instance
from slurmlens.discovery.client import ConsulClient, Reply
from slurmlens.discovery.finder import Finder
from slurmlens.discovery.health import Health
from slurmlens.discovery.memory import MemoryFile
from slurmlens.discovery.overrides import Overrides
from slurmlens.discovery.registration import Registration, Service
from slurmlens.discovery.watch import ConsulWatch
from slurmlens.runtime.endpoint import Endpoint, text_of
from slurmlens.telemetry.internal import InternalEvent, Reporter

if TYPE_CHECKING:
    from slurmlens.config.relay import RelayConfig

KEY_REFUSED = InternalEvent(
    "consul_settings_refused", logging.ERROR, "{problem}; what held before holds on", ("reason",)
)
KEYS_CHANGED = InternalEvent("consul_settings_changed", logging.INFO, "settings from Consul now: {settings}")

Stage = tuple[str, Callable[[], Awaitable[None]]]
C = TypeVar("C")


class ConsulMember(msgspec.Struct, frozen=True, kw_only=True):
    """Who a program is: one of many of its `role` in the cluster. `runtime_keys` may be changed while it runs."""

    cluster: str
    role: str
    name: str
    function: str
    runtime_keys: frozenset[KeyPath]
    address: str | None = None
    port: Callable[[], int | None] = lambda: None
    """Asked when the program registers: it is bound then."""


def consul_of_node(
    config: NodeConfig,
    health: Callable[[], Health],
    changed: Callable[[NodeConfig], None],
    reporter: Reporter,
    clock: Clock,
) -> Consul[NodeConfig] | None:
    """The node daemon's, where its settings have one."""
    if config.consul is None:
        return None
    function = f"samples the jobs of node {config.node} and delivers what it learns"
    member = ConsulMember(
        cluster=config.cluster, role="node", name=config.node, function=function, runtime_keys=NODE_RUNTIME_KEYS
    )
    return Consul(config, config.consul, member, config.runtime_path, health, changed, reporter, clock)


def consul_of_relay(
    config: RelayConfig,
    port: Callable[[], int | None],
    health: Callable[[], Health],
    changed: Callable[[RelayConfig], None],
    reporter: Reporter,
    clock: Clock,
) -> Consul[RelayConfig] | None:
    """The relay's, where its settings have one; `port` is the one for events, once it is bound."""
    consul = config.consul
    if consul is None:
        return None
    member = ConsulMember(
        cluster=config.cluster,
        role="relay",
        name=config.name,
        function=f"takes what {config.nodes or 'any node'} brings and delivers it",
        runtime_keys=RELAY_RUNTIME_KEYS,
        address=consul.told_address(config.listen.host, consul.address_told),
        port=port,
    )
    return Consul(config, consul, member, config.runtime_path, health, changed, reporter, clock)


class Consul(Generic[C]):
    """`settings` are the file's with the KV's over them; `changed` is called when they are others."""

    def __init__(
        self,
        config: C,
        consul: NodeConsulConfig,
        me: ConsulMember,
        runtime_path: Path,
        health: Callable[[], Health],
        changed: Callable[[C], None],
        reporter: Reporter,
        clock: Clock,
    ) -> None:
        self._consul = consul
        self._me = me
        self._changed = changed
        self._reporter = reporter
        self._clock = clock
        self._memory = MemoryFile(runtime_path / "consul.json", reporter)
        self._finder = Finder(consul, consul.find, f"{me.cluster}/{me.name}", self._memory, reporter, clock)
        self._settings_watches: list[ConsulWatch[dict[str, bytes]]] = []
        below = f"slurmlens/{me.cluster}/{me.role}"
        prefixes = (f"{below}/", f"{below}s/{me.name}/")
        self._overrides = Overrides(config, me.runtime_keys, prefixes)
        if consul.settings:
            for prefix in prefixes:
                self._follow_settings(prefix)
        self.settings = self._overrides.effective
        self._registration = Registration(consul, self._service, health, reporter) if consul.register else None

    def endpoint(self, sink: str, host: str, port: int) -> Endpoint:
        """Where the receiver of `sink` is: found by its service where one is named, else where the settings say."""
        return self._finder.endpoint(sink, host, port)

    @property
    def watches(self) -> list[Stage]:
        """Stages that follow what Consul says; call it when all endpoints have been asked for."""
        return [(f"consul {watch.name}", watch.run) for watch in self._watches]

    @property
    def _watches(self) -> list[ConsulWatch[tuple[Instance, ...]] | ConsulWatch[dict[str, bytes]]]:
        return [*self._settings_watches, *self._finder.watches]

    @property
    def registration(self) -> list[Stage]:
        """The stage that shows this daemon to others, where that is wanted."""
        return [("consul registration", self._registration.run)] if self._registration is not None else []

    def status(self) -> ConsulStatus:
        """How it fares, for `slurmlens status`."""
        now_ns = self._clock.monotonic_ns()
        heard = [watch.state.heard_ns for watch in self._watches if watch.state.heard_ns is not None]
        errors = [watch.state.last_error for watch in self._watches if watch.state.last_error is not None]
        registration = self._registration.state if self._registration is not None else None
        if registration is not None and registration.last_error is not None:
            errors.append(registration.last_error)
        return ConsulStatus(
            url=self._consul.url,
            registered=registration is not None and registration.is_registered,
            health=registration.status if registration is not None else None,
            heard_ago_s=(now_ns - max(heard)) / NS_PER_S if heard else None,
            last_error=errors[-1] if errors else None,
            found=tuple(
                FoundStatus(sink=sink, addresses=tuple(map(text_of, where.addresses())), is_fresh=where.is_fresh)
                for sink, where in self._finder.found.items()
            ),
            settings=self._overrides.accepted,
            refused=tuple(self._overrides.refused),
        )

    def _follow_settings(self, prefix: str) -> None:
        remembered = self._memory.known.settings.items()
        pairs = {key.removeprefix(prefix): text.encode() for key, text in remembered if key.startswith(prefix)}
        self._overrides.take(prefix, pairs)

        async def ask(client: ConsulClient, index: int, wait_s: float) -> Reply[dict[str, bytes]]:
            return await client.tree(prefix, index=index, wait_s=wait_s)

        def heard(pairs: dict[str, bytes]) -> None:
            self._take_settings(prefix, pairs)

        watch = ConsulWatch(f"settings {prefix}", self._consul, ask, heard, self._reporter, self._clock)
        self._settings_watches.append(watch)

    def _take_settings(self, prefix: str, pairs: dict[str, bytes]) -> None:
        for error in self._overrides.take(prefix, pairs):
            self._reporter.report(KEY_REFUSED, reason=error.reason, problem=str(error))
        accepted = self._overrides.accepted
        if accepted != self._memory.known.settings:
            self._memory.known.settings = accepted
            self._memory.save()
        effective = self._overrides.effective
        if effective != self.settings:
            self.settings = effective
            told = ", ".join(f"{key} = {text}" for key, text in accepted.items())
            self._reporter.report(KEYS_CHANGED, settings=told or "none")
            self._changed(effective)

    def _service(self) -> Service:
        me = self._me
        sinks = ", ".join(sorted(self._finder.found))
        return Service(
            id=f"{self._consul.service}-{me.name}",
            name=self._consul.service,
            function=f"{me.function}; finds {sinks}" if sinks else me.function,
            tags=(me.cluster,),
            meta={"cluster": me.cluster, me.role: me.name, "version": __version__},
            address=me.address,
            port=me.port(),
        )
