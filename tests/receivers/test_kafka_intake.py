"""A hub reads a topic of a real broker: stored, then committed; each event once; what is no event passed over."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from deploy.components.kafka import Kafka
from sqlalchemy import select

from slurmlens.config.kafka import HubKafkaConfig
from slurmlens.errors import DeliveryError
from slurmlens.hub.database.store import StoreError
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.record.applying import Applied
from slurmlens.hub.history.record.storing import Request
from slurmlens.hub.intake.kafka import KafkaIntake
from slurmlens.hub.intake.refusals import Refusals
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from slurmlens.wire.kafka_records import record
from testkit.hub_history import History
from testkit.kafka_log import make_topic
from testkit.manual_clock import ManualClock
from testkit.told_events import Told
from testkit.waiting import until

_numbers = itertools.count(1)


@pytest.fixture
async def topic(kafka: Kafka) -> str:
    name = f"intake{next(_numbers)}"
    await make_topic(kafka.bootstrap, name, partitions=4)
    return name


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    opened = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", ManualClock())
    yield opened
    await opened.close()


class Hub:
    """One hub's intake on a history; `trouble` is what storing raises now."""

    def __init__(self, kafka: Kafka, topic: str, history: History) -> None:
        self.history = history
        self.trouble: Exception | None = None
        self.refused: Counter[str] = Counter()
        self.applied: list[Applied] = []
        config = HubKafkaConfig(bootstrap=(kafka.bootstrap,), topic=topic, group=f"of-{topic}")
        clock = history.clock
        self.refusals = Refusals(self._keep, clock)
        self.intake = KafkaIntake(
            config,
            "demo",
            apply=self._apply,
            check=history.records.open_executions,
            refusals=self.refusals,
            reporter=Reporter(Counters(), clock),
            clock=clock,
        )

    async def _keep(self, refused: object, now_ns: int) -> None:
        self.refused.update(refused)  # type: ignore[arg-type]

    async def _apply(self, request: Request) -> Applied:
        if self.trouble is not None:
            raise self.trouble
        self.applied.append(await self.history.applier.apply(request))
        return self.applied[-1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.intake.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def put(kafka: Kafka, topic: str, lines: Sequence[bytes], *more: tuple[bytes | None, bytes | None]) -> None:
    """Lines as the sink of a node puts them, and then any keys and values."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
    await producer.start()
    try:
        made = [record(line) for line in lines]
        for key, value in [*((one.key, one.value) for one in made), *more]:
            await producer.send_and_wait(topic, value=value, key=key)
    finally:
        await producer.stop()


async def stored(history: History) -> list[str]:
    query = select(schema.events.c.id)
    return await history.store.read(lambda connection: sorted(connection.execute(query).scalars()))


def told_of(job_ids: Collection[int]) -> list[bytes]:
    return [ecs.encode(event) for one in map(Told, job_ids) for event in (one.start(1), one.summary(1, 5))]


async def test_what_is_in_the_topic_is_stored_and_what_is_no_event_is_counted_and_passed_over(
    kafka: Kafka, topic: str, history: History
) -> None:
    hub = Hub(kafka, topic, history)
    foreign = (b"other/7", ecs.encode(Told(7).start(1)))
    pretty = ecs.encode(Told(9).start(1)).replace(b'{"', b'{\n "', 1)
    others = [(None, b"no json"), (b"demo/1", None), foreign, (b"demo/9", pretty), (None, b'{"slurm": {}}')]
    await put(kafka, topic, told_of(range(1, 5)), *others)
    async with hub.running():

        async def all_of_it() -> bool:
            await hub.refusals.write()
            return len(await stored(history)) == 9 and hub.refused.total() == 2

        await until(all_of_it, "the events are stored and the others counted")
        await until(lambda: set(hub.intake.share.waiting.values()) == {0}, "nothing waits")
        assert len(hub.intake.share.waiting) == 4
    assert (await history.facts(3)).run == 1


async def test_a_hub_that_is_started_again_goes_on_where_the_last_one_had_stored(
    kafka: Kafka, topic: str, history: History
) -> None:
    await put(kafka, topic, told_of(range(1, 5)))
    first = Hub(kafka, topic, history)
    async with first.running():
        await until(lambda: first.intake.share.stored == 8, "it has all")
        await until(lambda: set(first.intake.share.waiting.values()) == {0}, "and committed it")
    await put(kafka, topic, told_of(range(5, 7)))
    second = Hub(kafka, topic, history)
    async with second.running():
        await until(lambda: second.intake.share.stored == 4, "the new ones")
    assert sum(applied.known for applied in second.applied) == 0
    assert len(await stored(history)) == 12


async def test_what_cannot_be_stored_now_stays_in_the_topic_and_is_left_to_others_after_a_while(
    kafka: Kafka, topic: str, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slurmlens.hub.intake.kafka.RETRY_S", 0.05)
    monkeypatch.setattr("slurmlens.hub.intake.kafka.STORE_PATIENCE_S", 3.0)
    sick, well = Hub(kafka, topic, history), Hub(kafka, topic, history)
    sick.trouble = StoreError("the disk is full", reason="database")
    await put(kafka, topic, told_of(range(1, 9)))
    async with sick.running() as task:
        with pytest.raises(DeliveryError, match="the disk is full"):
            await task
        assert sick.intake.share.last_error == "the disk is full"
    async with well.running():
        await until(lambda: well.intake.share.stored == 16, "the other one stores all of it")
    assert len(await stored(history)) == 16


async def test_two_hubs_share_the_partitions(kafka: Kafka, topic: str, history: History) -> None:
    one, other = Hub(kafka, topic, history), Hub(kafka, topic, history)
    async with one.running(), other.running():

        def shared() -> bool:
            own, theirs = set(one.intake.share.waiting), set(other.intake.share.waiting)
            return own | theirs == {0, 1, 2, 3} and len(own) == len(theirs) == 2

        await until(shared, "two partitions each")
        await put(kafka, topic, told_of(range(1, 40)))
        await until(lambda: one.intake.share.stored + other.intake.share.stored == 78, "all of it, once")
        assert one.intake.share.stored
        assert other.intake.share.stored
