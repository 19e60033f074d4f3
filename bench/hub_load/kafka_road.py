"""The road of simulated nodes whose events go into a topic of Kafka: one producer for all of them.

Owns the topic and the producer; records are the product's (`wire.kafka_records`), taken when the broker has them.
"""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from slurmlens.errors import DecodeError
from slurmlens.wire.kafka_records import KafkaRecord, records

TOPIC = "slurmlens.events"


async def make_topic(bootstrap: str, partitions: int) -> None:
    """The topic that the hubs read."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, partitions, 1)])
    finally:
        await admin.close()


class KafkaRoad:
    """A started producer."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, acks="all")

    async def start(self) -> None:
        await self._producer.start()

    async def take(self, body: bytes) -> bool:
        """Put every event of the lines into the topic; whether the broker has them all.

        A broker that is too slow leaves some of them for another try, whose copies the hub tells by their ids.
        """
        made = [one for _, one in records(body) if not isinstance(one, DecodeError)]
        try:
            await asyncio.gather(*[await self._send(one) for one in made])
        except KafkaError:
            return False
        return True

    async def _send(self, one: KafkaRecord) -> asyncio.Future[RecordMetadata]:
        return await self._producer.send(
            TOPIC, one.value, key=one.key, timestamp_ms=one.timestamp_ms, headers=list(one.headers)
        )

    async def stop(self) -> None:
        await self._producer.stop()
