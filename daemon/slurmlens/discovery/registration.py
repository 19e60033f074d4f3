"""Keeps a program known to Consul: a service with a TTL check that tells how it fares.

Owns the beat. Invariants: an agent that has forgotten the service (it was restarted without its data, somebody took the
service away) is told again within one beat; the service is taken away when the program is asked to end, within
`LEAVE_TIMEOUT_S`, and left to turn critical when it dies. Run under the program's supervisor.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

import msgspec

from slurmlens.config.consul import ConsulConfig
from slurmlens.discovery.client import UNKNOWN, ConsulClient
from slurmlens.discovery.health import Health
from slurmlens.errors import DiscoveryError
from slurmlens.runtime.backoff import Backoff
from slurmlens.telemetry.internal import InternalEvent, Reporter, lasting

BEATS_A_TTL = 3
LEAVE_TIMEOUT_S = 2.0

REGISTERED = InternalEvent("consul_registered", logging.INFO, "registered as service {service} ({status})")
FORGOTTEN = InternalEvent(
    "consul_forgot_service", logging.WARNING, "the agent has forgotten {service}; registering it again"
)
UNTOLD = lasting(
    "consul_registration_failed",
    logging.WARNING,
    "Consul does not know how {service} fares: {problem}; trying again in {wait_s:.1f} s",
    ("reason",),
)
NOT_LEFT = InternalEvent(
    "consul_deregistration_failed",
    logging.WARNING,
    "{service} could not be taken away: {problem}; it will turn critical",
    ("reason",),
)


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What a program is to others. `id` is unique on its agent; `function` says what it is for, in words."""

    id: str
    name: str
    function: str
    tags: tuple[str, ...] = ()
    meta: dict[str, str] = {}
    address: str | None = None
    port: int | None = None


class RegistrationState(msgspec.Struct):
    """How the registration fares."""

    is_registered: bool = False
    status: str | None = None
    failures_in_a_row: int = 0
    last_error: str | None = None


class Registration:
    """Registers `service` and says every third of the TTL what `health` says."""

    def __init__(
        self,
        config: ConsulConfig,
        service: Callable[[], Service],
        health: Callable[[], Health],
        reporter: Reporter,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.state = RegistrationState()
        self._config = config
        self._service = service
        self._health = health
        self._reporter = reporter
        self._sleep = sleep
        self._draw = draw
        self._backoff = Backoff(config.backoff_min_s, min(config.backoff_max_s, config.ttl_s), draw)

    async def run(self) -> None:
        """Beat for ever; being cancelled takes the service away."""
        client = ConsulClient(self._config)
        service = self._service()
        try:
            while True:
                await self._sleep(await self._beat_once(client, service))
        except asyncio.CancelledError:
            # In a task of its own: before Python 3.11.3 no time limit works in one that is being cancelled (gh-102780).
            await asyncio.wait({asyncio.create_task(self._leave(client, service))})
            raise
        finally:
            await client.aclose()

    async def _beat_once(self, client: ConsulClient, service: Service) -> float:
        """One beat; returns how long to rest until the next."""
        state = self.state
        try:
            await self._tell(client, service)
        except DiscoveryError as error:
            state.failures_in_a_row += 1
            state.last_error = str(error)
            wait_s = self._backoff.next_s()
            self._reporter.report(UNTOLD, reason=error.reason, service=service.id, problem=str(error), wait_s=wait_s)
            return wait_s
        state.failures_in_a_row, state.last_error = 0, None
        self._backoff.reset()
        return self._config.ttl_s / BEATS_A_TTL * (1 - 0.1 * self._draw())

    async def _tell(self, client: ConsulClient, service: Service) -> None:
        if self.state.is_registered:
            try:
                await self._say_how_it_fares(client, service)
                return
            except DiscoveryError as error:
                if error.reason != UNKNOWN:
                    raise
                self.state.is_registered = False
                self._reporter.report(FORGOTTEN, service=service.id)
        await client.register(self._described(service, self._health()))
        self.state.is_registered = True
        await self._say_how_it_fares(client, service)
        self._reporter.report(REGISTERED, service=service.id, status=self.state.status)

    async def _say_how_it_fares(self, client: ConsulClient, service: Service) -> None:
        health = self._health()
        await client.beat(_check_id(service), health.status, health.text)
        self.state.status = health.status

    async def _leave(self, client: ConsulClient, service: Service) -> None:
        if not self.state.is_registered:
            return
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await client.deregister(service.id)
            self.state.is_registered = False
        except TimeoutError:
            message = f"no answer within {LEAVE_TIMEOUT_S:g} s"
            self._reporter.report(NOT_LEFT, reason="timeout", service=service.id, problem=message)
        except DiscoveryError as error:
            if error.reason != UNKNOWN:
                self._reporter.report(NOT_LEFT, reason=error.reason, service=service.id, problem=str(error))

    def _described(self, service: Service, health: Health) -> dict[str, object]:
        """The body of a registration: https://developer.hashicorp.com/consul/api-docs/agent/service"""
        check = {
            "CheckID": _check_id(service),
            "Name": "how it fares, by its own word",
            "Notes": service.function,
            "TTL": _duration(self._config.ttl_s),
            "Status": health.status,
            "DeregisterCriticalServiceAfter": _duration(self._config.forget_after_s),
        }
        described: dict[str, object] = {
            "ID": service.id,
            "Name": service.name,
            "Tags": service.tags,
            "Meta": service.meta,
            "Check": check,
        }
        if service.address is not None:
            described["Address"] = service.address
        if service.port is not None:
            described["Port"] = service.port
        return described


def _check_id(service: Service) -> str:
    return f"service:{service.id}"


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
