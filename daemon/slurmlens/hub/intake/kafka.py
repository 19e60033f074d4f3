"""Takes events from a topic of Kafka, as one of a consumer group: each record is stored before its offset is committed.

Owns the consumer, and what of the topic this hub has. Invariants: an offset is committed when the database has
committed what is before it, so a hub that is killed leaves its records to the next, and what is stored twice is known
by the events' ids; a record that is no event is refused for ever, counted and passed over; records of another cluster
are passed over. A hub whose database does not answer leaves the group, so that others take its share. Nobody proves
that he is a node here: whoever may write into the topic is believed. Feeds history as `ingest` does; the only module of
the hub that knows aiokafka.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka import errors as kafka_errors

from slurmlens.clock import Clock
from slurmlens.config.kafka import HubKafkaConfig
from slurmlens.delivery.sinks.kafka_security import security_options
from slurmlens.delivery.sinks.kafka_trouble import LAST_WORDS, reason_of
from slurmlens.errors import DeliveryError
from slurmlens.hub.history.record.applying import Applied
from slurmlens.hub.history.record.storing import Request
from slurmlens.hub.intake.ingest import Apply
from slurmlens.hub.intake.lines import LinesTaken, read_lines
from slurmlens.hub.intake.refusals import Refusals
from slurmlens.hub.workers.known import KafkaShare
from slurmlens.telemetry.internal import InternalEvent, Reporter

RECORD_REFUSED = InternalEvent(
    "kafka_records_refused",
    logging.WARNING,
    "record {offset} of {topic}/{partition} is passed over: {problem}",
    ("reason",),
)
TAKEN = InternalEvent("kafka_records", logging.DEBUG, "took {count} events of {topic}", ("state",))
LEFT = InternalEvent("kafka_group_left", logging.WARNING, "left the group that reads {topic}: {error}", ("reason",))

MOST_RECORDS = 2_000
POLL_MS = 500
SESSION_TIMEOUT_MS = 6_000
CONNECT_TIMEOUT_S = 20.0
STORE_PATIENCE_S = 10.0
"""So long what was read is tried to be stored; then the group's others shall have it."""
RETRY_S = 0.5
_MAX_TEXT = 300

Records = Mapping[TopicPartition, Sequence[ConsumerRecord]]


class KafkaIntake:
    """One hub's share of a topic. `check` raises where the database does not answer."""

    def __init__(
        self,
        config: HubKafkaConfig,
        cluster: str,
        *,
        apply: Apply,
        check: Callable[[], Awaitable[object]],
        refusals: Refusals,
        reporter: Reporter,
        clock: Clock,
    ) -> None:
        self._config = config
        self._cluster = cluster
        self._own_key = f"{cluster}/".encode()
        self._apply = apply
        self._check = check
        self._refusals = refusals
        self._reporter = reporter
        self._clock = clock
        self.share = KafkaShare(topic=config.topic, group=config.group)

    async def run(self) -> None:
        """A stage: takes records while Kafka and the database answer; DeliveryError when one of them does not."""
        try:
            async with asyncio.timeout(STORE_PATIENCE_S):
                await self._check()
            consumer = await self._joined()
            try:
                while True:
                    await self._take_some(consumer)
            finally:
                self.share.waiting = {}
                with contextlib.suppress(kafka_errors.KafkaError, TimeoutError):
                    async with asyncio.timeout(CONNECT_TIMEOUT_S):
                        await consumer.stop()
        except (kafka_errors.KafkaError, OSError, DeliveryError) as error:  # TimeoutError among them
            trouble = error if isinstance(error, DeliveryError) else self._translated(error)
            self.share.last_error = str(trouble)
            self._reporter.report(LEFT, reason=trouble.reason, topic=self._config.topic, error=trouble)
            raise trouble from error

    async def _joined(self) -> AIOKafkaConsumer:
        """A consumer that is one of the group; its partitions come with the first records."""
        config = self._config
        LAST_WORDS.clear()
        options: dict[str, Any] = security_options(config, "kafka")
        consumer = AIOKafkaConsumer(
            config.topic,
            bootstrap_servers=list(config.bootstrap),
            client_id="slurmlens-hub",
            group_id=config.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=SESSION_TIMEOUT_MS // 5,
            **options,
        )
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        return consumer

    async def _take_some(self, consumer: AIOKafkaConsumer) -> None:
        records: Records = await consumer.getmany(timeout_ms=POLL_MS, max_records=MOST_RECORDS)
        if records:
            await self._store([record for own in records.values() for record in own])
            await self._commit(consumer, records)
        self.share.last_error = None
        self.share.waiting = {
            place.partition: max(0, (consumer.highwater(place) or 0) - await consumer.position(place))
            for place in consumer.assignment()
        }

    async def _store(self, records: Sequence[ConsumerRecord]) -> None:
        """Stores what is taken of these records, as one request; DeliveryError where that cannot be."""
        own = [record for record in records if record.value and self._is_of_this_cluster(record)]
        body = b"\n".join(_one_line(record.value) for record in own)
        now_ns = self._clock.wall_ns()
        taken = await asyncio.to_thread(read_lines, body, lambda _: True, self._cluster, now_ns)
        self._tell_refused(own, taken)
        if not taken.lines:
            return
        async with asyncio.timeout(STORE_PATIENCE_S) as patience:
            applied = await self._applied(Request(body, "", taken.lines, now_ns), patience)
        self.share.stored += len(applied.new)
        self._reporter.report(TAKEN, count=len(applied.new), state="new", topic=self._config.topic)
        self._reporter.report(TAKEN, count=applied.known, state="known", topic=self._config.topic)

    async def _applied(self, request: Request, patience: asyncio.Timeout) -> Applied:
        loop = asyncio.get_running_loop()
        while True:
            try:
                return await self._apply(request)
            except DeliveryError as error:
                self.share.last_error = str(error)
                if loop.time() + RETRY_S > (patience.when() or 0.0):
                    raise
                await asyncio.sleep(RETRY_S)

    def _is_of_this_cluster(self, record: ConsumerRecord) -> bool:
        """By its key, where it has one of ours; else the line says it."""
        return record.key is None or b"/" not in record.key or record.key.startswith(self._own_key)

    def _tell_refused(self, records: Sequence[ConsumerRecord], taken: LinesTaken) -> None:
        for one in taken.refused:
            record = records[one.line - 1]
            self.share.refused += 1
            self._refusals.add(one.reason)
            self._reporter.report(
                RECORD_REFUSED,
                reason=one.reason,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                problem=one.message,
            )

    async def _commit(self, consumer: AIOKafkaConsumer, records: Records) -> None:
        """What is stored is not read again; where the partitions went to another hub meanwhile, that one knows it."""
        offsets = {place: own[-1].offset + 1 for place, own in records.items()}
        with contextlib.suppress(kafka_errors.CommitFailedError, kafka_errors.IllegalStateError):
            await consumer.commit(offsets)

    def _translated(self, error: BaseException) -> DeliveryError:
        cause = LAST_WORDS.error or error
        text = LAST_WORDS.text or str(error) or "no answer"
        return DeliveryError(
            f"kafka at {', '.join(self._config.bootstrap)}: {text}"[:_MAX_TEXT], reason=reason_of(cause)
        )


def _one_line(value: bytes) -> bytes:
    """The same JSON in one line: outside of its texts, where a newline may be, a blank says the same."""
    return value.replace(b"\n", b" ")
