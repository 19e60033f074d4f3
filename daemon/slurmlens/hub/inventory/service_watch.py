"""The stage that asks Consul for its services now and then, and writes what it says into the inventory.

Owns its loop. A Consul that is away ends nothing: what was known stays, with when it was told last. At most
`MOST_SERVICES` are asked for in a turn; where there are more, the telling is not whole and says so. Runs where
`[consul]` is in the settings. Fed by `discovery`; feeds `recording`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from slurmlens.clock import Clock
from slurmlens.config.consul import ConsulConfig
from slurmlens.discovery.answers import ServiceInstance
from slurmlens.discovery.client import ConsulClient
from slurmlens.errors import DiscoveryError
from slurmlens.hub.inventory.collectors.services import tell_services
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.telemetry.internal import Reporter, lasting

EVERY_S = 60.0
MOST_SERVICES = 500

UNASKED = lasting("inventory_services_unasked", logging.WARNING, "services of Consul are not known: {problem}")
LEFT_OUT = lasting(
    "inventory_services_left_out", logging.WARNING, "Consul has {count} services, of which {most} are looked at"
)


class ServiceWatch:
    """Services of one Consul; `run` it until cancelled."""

    def __init__(
        self,
        config: ConsulConfig,
        recorder: InventoryRecorder,
        clock: Clock,
        reporter: Reporter,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._config = config
        self._recorder = recorder
        self._clock = clock
        self._reporter = reporter
        self._sleep = sleep

    async def run(self) -> None:
        """A stage: asks every `EVERY_S`."""
        client = ConsulClient(self._config)
        try:
            while True:
                await self._turn(client)
                await self._sleep(EVERY_S)
        finally:
            await client.aclose()

    async def _turn(self, client: ConsulClient) -> None:
        try:
            names = await client.services()
            instances: list[ServiceInstance] = []
            for name in names[:MOST_SERVICES]:
                instances += await client.placed(name)
        except DiscoveryError as error:
            self._reporter.report(UNASKED, problem=str(error))
            return
        self._reporter.over(UNASKED)
        is_whole = len(names) <= MOST_SERVICES
        if not is_whole:
            self._reporter.report(LEFT_OUT, count=len(names), most=MOST_SERVICES)
        await self._recorder.take(tell_services(instances, self._clock.wall_ns(), is_whole=is_whole))
