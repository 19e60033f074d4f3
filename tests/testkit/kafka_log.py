"""A topic of a real broker as tests see it: made, and read back whole by a consumer that is not the product's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

READ_MAX_S = 20.0


async def make_topic(bootstrap: str, topic: str, partitions: int = 3, **config: str) -> None:
    """A new topic; `config` with underscores for the dots of Kafka's names."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        settings = {name.replace("_", "."): value for name, value in config.items()}
        made = await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=settings)])
        assert [error for _, error, _ in made.topic_errors] == [0], made  # it raises nothing
    finally:
        await admin.close()


async def read_all(bootstrap: str, topic: str) -> list[ConsumerRecord]:
    """Every record that is in the topic now, partition by partition, in the order of the log."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        async with asyncio.timeout(READ_MAX_S):
            return await _read(consumer, topic)
    finally:
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, topic: str) -> list[ConsumerRecord]:
    while not (numbers := consumer.partitions_for_topic(topic)):
        await consumer._client.force_metadata_update()
    places = [TopicPartition(topic, number) for number in sorted(numbers)]
    consumer.assign(places)
    await consumer.seek_to_beginning()
    ends = await consumer.end_offsets(places)
    found: list[ConsumerRecord] = []
    while len(found) < sum(ends.values()):
        for read in (await consumer.getmany(*places, timeout_ms=200)).values():
            found.extend(read)
    return sorted(found, key=lambda record: (record.partition, record.offset))


def ids(records: Sequence[ConsumerRecord]) -> list[str]:
    """The events' ids as the headers have them."""
    return [dict(record.headers)["slurm.id"].decode() for record in records]
