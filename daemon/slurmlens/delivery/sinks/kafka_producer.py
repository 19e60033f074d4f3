"""One producer of aiokafka in a thread and loop of its own.

Owns that thread, the producer's options, and the translation of aiokafka's exceptions into DeliveryError.
Why a thread: gzip at aiokafka's fixed level takes 15 ms of 256 KiB, which would hold up the daemon's own loop; and a
producer whose broker is away can be ended only together with the loop that its tasks run in.
Invariants: a producer is idempotent and waits for every replica in sync (`acks=all`), so what it repeats is not
doubled; after an error that it tells it must be closed, for its numbering is no longer the broker's; closing takes a
bounded time. Imported by `kafka` alone, and that only where Kafka is configured: aiokafka costs memory.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka_errors

from slurmlens.config.kafka import KafkaSinkConfig
from slurmlens.delivery.sinks.kafka_loop import ConnectionsLoop
from slurmlens.delivery.sinks.kafka_security import security_options
from slurmlens.delivery.sinks.kafka_trouble import LAST_WORDS, reason_of
from slurmlens.errors import DeliveryError
from slurmlens.runtime.endpoint import Address, text_of
from slurmlens.wire.kafka_records import KafkaRecord

Outcome = BaseException | None
"""Of one record: None where all replicas in sync have it."""

STOP_TIMEOUT_S = 0.5
JOIN_TIMEOUT_S = 3.0
RETRY_BACKOFF_MS = 500
TOPIC_TIMEOUT_S = 3.0
_ONE_BATCH = 1 << 30
"""Larger than anything: what is sent at once is one batch a partition, which is taken or refused as a whole."""

_MAX_TEXT = 200


class ProducerThread:
    """A producer that is connected by `start`, used by `send`, and ended, whatever it does, by `aclose`."""

    def __init__(self, config: KafkaSinkConfig, addresses: Sequence[Address]) -> None:
        self.addresses = frozenset(addresses)
        self._config = config
        self._names = ", ".join(text_of(address) for address in addresses)
        self._loop = ConnectionsLoop()
        self._loop.set_exception_handler(_forget)
        self._stopping = asyncio.Event()
        self._started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._producer: AIOKafkaProducer | None = None
        self._thread = threading.Thread(target=self._run, name="kafka", daemon=True)

    async def start(self) -> None:
        """Connect, log in and find the topic; DeliveryError where that fails."""
        self._thread.start()
        await asyncio.wrap_future(self._started)

    def send(self, records: Sequence[KafkaRecord]) -> asyncio.Future[list[Outcome]]:
        """The outcome of each record, once all are known, however long that takes; cancelling ends the waiting."""
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._send(records), self._loop))

    def last_words(self) -> str:
        """What aiokafka complained of last."""
        return LAST_WORDS.text

    async def aclose(self) -> None:
        """End it; what was not acknowledged may or may not arrive."""
        with suppress(RuntimeError):  # its loop has ended by itself
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, JOIN_TIMEOUT_S)
        else:
            self._loop.close()

    # --- in the thread

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        connecting = asyncio.ensure_future(self._connect())
        await asyncio.wait({stopping, connecting}, return_when=asyncio.FIRST_COMPLETED)
        if not connecting.done():
            connecting.cancel()
            await asyncio.wait({connecting})
        _hand_over(connecting, self._started)
        if self._started.done() and not self._started.cancelled() and self._started.exception() is None:
            await stopping
        await self._end()

    async def _connect(self) -> None:
        LAST_WORDS.clear()
        try:
            self._producer = self._made()
            async with asyncio.timeout(2 * self._config.timeout_s):
                await self._producer.start()
            await self._find_topic(self._producer)
        except (kafka_errors.KafkaError, OSError) as error:  # TimeoutError among them
            raise self._translated(error) from error

    def _made(self) -> AIOKafkaProducer:
        config = self._config
        options: dict[str, Any] = security_options(config)
        try:
            return AIOKafkaProducer(
                bootstrap_servers=[text_of(address) for address in sorted(self.addresses)],
                client_id="slurmlens",
                enable_idempotence=True,
                acks="all",
                compression_type=None if config.compression == "none" else config.compression,
                max_batch_size=_ONE_BATCH,
                # Whether a record is too large is the broker's to say: it knows the topic, and sees it compressed.
                max_request_size=_ONE_BATCH,
                request_timeout_ms=round(config.timeout_s * 1000),
                retry_backoff_ms=RETRY_BACKOFF_MS,
                **options,
            )
        except (RuntimeError, ValueError) as error:
            raise DeliveryError(f"kafka: {error}"[:_MAX_TEXT], reason="settings") from error

    async def _find_topic(self, producer: AIOKafkaProducer) -> None:
        """A record for a topic that is not there would wait silently for as long as it takes to be made."""
        topic = self._config.topic
        try:
            async with asyncio.timeout(min(TOPIC_TIMEOUT_S, self._config.timeout_s)):
                await producer.partitions_for(topic)
        except (TimeoutError, kafka_errors.UnknownTopicOrPartitionError) as error:
            raise DeliveryError(
                f"kafka at {self._names} has no topic {topic} and makes none by itself: create it, or set `topic`",
                reason="unknown_topic",
            ) from error

    async def _send(self, records: Sequence[KafkaRecord]) -> list[Outcome]:
        assert self._producer is not None
        waiting: list[asyncio.Future[Any]] = [
            await self._producer.send(
                self._config.topic,
                value=record.value,
                key=record.key,
                timestamp_ms=record.timestamp_ms,
                headers=list(record.headers),
            )
            for record in records
        ]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        return [outcome if isinstance(outcome, BaseException) else None for outcome in outcomes]

    async def _end(self) -> None:
        """In order where it can be; then what is left of its connections, and its tasks with the loop."""
        if self._producer is None:
            return
        for ending in (self._producer.stop, self._producer.client.close):
            with suppress(Exception):
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await ending()
        await self._loop.end_connections()

    def _translated(self, error: Exception) -> DeliveryError:
        """aiokafka logs why a broker cannot be used, and then raises that none can."""
        cause = LAST_WORDS.error or error
        text = LAST_WORDS.text or str(error) or f"nothing was heard for {self._config.timeout_s:g} s"
        return DeliveryError(f"kafka at {self._names}: {text}"[: 2 * _MAX_TEXT], reason=reason_of(cause))


def is_too_large(outcome: Outcome) -> bool:
    """Whether the broker found the batch too large."""
    return isinstance(outcome, kafka_errors.MessageSizeTooLargeError)


def is_wrong_time(outcome: Outcome) -> bool:
    """Whether the broker found the time of a record too far from its own."""
    return isinstance(outcome, kafka_errors.InvalidTimestampError)


def _forget(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What aiokafka's tasks raise nobody waits for while they are ended."""


def _hand_over(source: asyncio.Future[None], target: concurrent.futures.Future[None]) -> None:
    """Of a finished task to whoever waits in another thread."""
    if target.cancelled():
        source.cancelled() or source.exception()
    elif source.cancelled():
        target.cancel()
    elif (error := source.exception()) is not None:
        target.set_exception(error)
    else:
        target.set_result(None)
