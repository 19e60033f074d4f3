"""Receivers looked for in Consul: an endpoint for each, and the watches that keep them fresh.

Asked for endpoints by the programs that deliver (`node.consul`, `hub.consul`), which run the watches as stages. A
receiver that no service is named for stays where the settings say. What is found is remembered by the service's name
and the datacenter, so that a restart while Consul is away goes on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from slurmlens.clock import Clock
from slurmlens.config.consul import ConsulConfig, FindConfig, HubFindConfig
from slurmlens.discovery.answers import Instance
from slurmlens.discovery.client import ConsulClient, Reply
from slurmlens.discovery.found_endpoint import FoundEndpoint
from slurmlens.discovery.memory import MemoryFile
from slurmlens.discovery.watch import ConsulWatch
from slurmlens.runtime.endpoint import Endpoint, FixedEndpoint, text_of
from slurmlens.telemetry.internal import InternalEvent, Reporter

MOVED = InternalEvent("consul_service_moved", logging.INFO, "{sink} is at {addresses} now", ("sink",))
NOWHERE = InternalEvent(
    "consul_service_without_instances",
    logging.WARNING,
    "Consul knows no usable instance of {service}; {sink} stays at {addresses}",
    ("sink",),
)


class Finder:
    """`asked_by` names the program: it decides which of several equal instances it prefers."""

    def __init__(
        self,
        consul: ConsulConfig,
        find: FindConfig | HubFindConfig,
        asked_by: str,
        memory: MemoryFile,
        reporter: Reporter,
        clock: Clock,
    ) -> None:
        self._consul = consul
        self._find = find
        self._asked_by = asked_by
        self._memory = memory
        self._reporter = reporter
        self._clock = clock
        self._found: dict[str, FoundEndpoint] = {}
        self.watches: list[ConsulWatch[tuple[Instance, ...]]] = []
        """One for each receiver that is looked for; whoever made the finder runs them."""

    @property
    def found(self) -> Mapping[str, FoundEndpoint]:
        """Where those are that are looked for, by the receiver's name."""
        return self._found

    def endpoint(self, sink: str, host: str, port: int) -> Endpoint:
        """Where the receiver `sink` is: found by its service where one is named, else where the settings say.

        Asked again for the same receiver (one sink for events and one for log lines), it is the same endpoint.
        """
        wanted: str | None = getattr(self._find, sink, None)
        if wanted is None:
            return FixedEndpoint(host, port)
        if sink in self._found:
            return self._found[sink]
        known = self._memory.known.services.get(self._label(wanted), ())
        where = FoundEndpoint((host, port), self._asked_by, known)
        self._found[sink] = where
        tag, _, name = wanted.rpartition(".")

        async def ask(client: ConsulClient, index: int, wait_s: float) -> Reply[tuple[Instance, ...]]:
            return await client.instances(name, tag or None, index=index, wait_s=wait_s)

        def heard(instances: tuple[Instance, ...]) -> None:
            self._heard(sink, wanted, where, instances)

        name_of_watch = f"service {wanted}"
        if any(watch.name == name_of_watch for watch in self.watches):  # two receivers are behind one service
            name_of_watch += f" for {sink}"
        self.watches.append(ConsulWatch(name_of_watch, self._consul, ask, heard, self._reporter, self._clock))
        return where

    def _heard(self, sink: str, wanted: str, where: FoundEndpoint, instances: tuple[Instance, ...]) -> None:
        before = where.addresses()
        changed = where.told(instances)
        addresses = ", ".join(map(text_of, where.addresses()))
        if not instances:
            self._reporter.report(NOWHERE, sink=sink, service=wanted, addresses=addresses)
        if changed:
            self._memory.known.services[self._label(wanted)] = where.known
            self._memory.save()
        if where.addresses() != before:
            self._reporter.report(MOVED, sink=sink, addresses=addresses)

    def _label(self, wanted: str) -> str:
        """What addresses are remembered by: another datacenter has other ones."""
        return f"{self._consul.datacenter or ''}/{wanted}"
