"""Delivers events, or log lines, to a topic of Kafka: one record an event, taken when every replica in sync has it.

Owns what a try that failed leaves for the next: which records of a delivery the broker has yet to take. Invariants: as
long as one producer lives, what it repeats is in the log once, so one that waits for its broker is kept, and the next
try waits on; a job's records are in the log in order, for all that is delivered at once goes into one batch a
partition. A batch that is too large for the broker is sent again in halves; a single record that is too large is
refused for ever.
Driven by `delivery`; speaks through `kafka_producer`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.kafka import KafkaSinkConfig
from slurmlens.delivery.sinks.kafka_producer import Outcome, ProducerThread, is_too_large, is_wrong_time
from slurmlens.delivery.sinks.kafka_trouble import reason_of
from slurmlens.errors import DecodeError, DeliveryError
from slurmlens.runtime.endpoint import Address, Endpoint
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire.kafka_records import KafkaRecord, record, records

RECORD_REFUSED = InternalEvent(
    "kafka_refused_lines", logging.ERROR, "Kafka will never take an event, it is lost: {problem}", ("reason",)
)
_MAX_TEXT = 300


class Brokers(msgspec.Struct, frozen=True):
    """Whom to ask first: those that discovery finds, or, where `found` only knows the settings, all in the settings."""

    found: Endpoint
    settings: tuple[Address, ...]

    def addresses(self) -> tuple[Address, ...]:
        """See `endpoint.Endpoint`."""
        found = self.found.addresses()
        return self.settings if found == self.settings[:1] else found


class _Handover(msgspec.Struct):
    """A delivery under way: what is yet to be taken, in groups that are sent one after the other."""

    payload: bytes
    groups: deque[list[KafkaRecord]]
    refused: int = 0


class _Flight(msgspec.Struct):
    """The first group, handed to the producer."""

    outcomes: asyncio.Future[list[Outcome]]
    since_ns: int


class KafkaSink:
    """Sends lines of NDJSON as records."""

    def __init__(
        self,
        config: KafkaSinkConfig,
        endpoint: Endpoint,
        reporter: Reporter,
        clock: Clock,
        *,
        name: str = "kafka",
        make: Callable[[bytes], KafkaRecord] = record,
    ) -> None:
        self.name = name
        self._make = make
        self._config = config
        self._endpoint = endpoint
        self._reporter = reporter
        self._clock = clock
        self._producer: ProducerThread | None = None
        self._flight: _Flight | None = None
        self._handover: _Handover | None = None

    async def deliver(self, payload: bytes, count: int) -> int:
        """See `delivery.Sink`. The same payload again goes on where the last try ended."""
        handover = self._handover
        if handover is None or handover.payload != payload:
            if self._flight is not None:
                await self._close_producer()
            handover = self._handover = self._begun(payload)
        while handover.groups:
            await self._send_first(handover)
        self._handover = None
        return count - handover.refused

    async def aclose(self) -> None:
        """See `delivery.Sink`."""
        await self._close_producer()

    def _begun(self, payload: bytes) -> _Handover:
        group: list[KafkaRecord] = []
        handover = _Handover(payload, deque([group]))
        for number, made in records(payload, self._make):
            if isinstance(made, DecodeError):
                self._refuse(handover, "malformed", f"line {number}: {made}")
            else:
                group.append(made)
        return handover

    async def _send_first(self, handover: _Handover) -> None:
        """Have the first group taken; what of it was not comes first again."""
        group = handover.groups[0]
        if group:
            producer = await self._connected()
            if self._flight is None:
                self._flight = _Flight(producer.send(group), self._clock.monotonic_ns())
            outcomes = await self._outcomes(producer, self._flight)
            self._flight = None
            failed = [(record, outcome) for record, outcome in zip(group, outcomes, strict=True) if outcome is not None]
        handover.groups.popleft()
        if group and failed:
            # A batch that was refused leaves a hole in this producer's numbering: its next one would be refused too.
            await self._close_producer()
            self._resume(handover, [record for record, _ in failed], [outcome for _, outcome in failed])

    async def _connected(self) -> ProducerThread:
        addresses = self._endpoint.addresses()
        if self._producer is not None and self._producer.addresses.isdisjoint(addresses):
            await self._close_producer()
        if self._producer is None:
            self._producer = ProducerThread(self._config, addresses)
            try:
                await self._producer.start()
            except DeliveryError:
                await self._close_producer()
                raise
        return self._producer

    async def _outcomes(self, producer: ProducerThread, flight: _Flight) -> list[Outcome]:
        """How each record of the flight fared; DeliveryError where that is not known yet, or never will be."""
        done, _ = await asyncio.wait({flight.outcomes}, timeout=self._config.timeout_s)
        if not done:
            waited_s = (self._clock.monotonic_ns() - flight.since_ns) / NS_PER_S
            text = f"kafka acknowledged nothing for {waited_s:.0f} s: {producer.last_words() or 'it says nothing'}"
            if waited_s >= self._config.unacknowledged_max_s:
                await self._close_producer()
            raise DeliveryError(text[:_MAX_TEXT], reason="timeout")
        error = asyncio.CancelledError() if flight.outcomes.cancelled() else flight.outcomes.exception()
        if error is not None:
            await self._close_producer()
            raise DeliveryError(f"kafka: {error!r}"[:_MAX_TEXT], reason=reason_of(error)) from error
        return flight.outcomes.result()

    def _resume(self, handover: _Handover, group: list[KafkaRecord], outcomes: Sequence[BaseException]) -> None:
        """Arrange for what was not taken to be sent again; DeliveryError where that is not worth trying at once."""
        other = next((outcome for outcome in outcomes if not is_too_large(outcome)), None)
        if other is not None:
            handover.groups.appendleft(group)
            raise _trouble(other)
        if len(group) == 1:
            self._refuse(handover, "too_large", f"{len(group[0].value)} bytes are too large for the topic")
            return
        middle = len(group) // 2
        handover.groups.extendleft((group[middle:], group[:middle]))

    def _refuse(self, handover: _Handover, reason: str, message: str) -> None:
        handover.refused += 1
        self._reporter.report(RECORD_REFUSED, reason=reason, problem=message)

    async def _close_producer(self) -> None:
        producer, self._producer, self._flight = self._producer, None, None
        if producer is not None:
            await producer.aclose()


def _trouble(outcome: BaseException) -> DeliveryError:
    if is_wrong_time(outcome):
        return DeliveryError(
            "kafka refuses the time of an event: set this node's clock, or message.timestamp.after.max.ms of the topic",
            reason="timestamp",
        )
    return DeliveryError(f"kafka: {outcome!r}"[:_MAX_TEXT], reason=reason_of(outcome))
