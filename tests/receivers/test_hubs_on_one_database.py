"""Several hubs on one real PostgreSQL keep one history, and one of them leads."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from deploy.components.postgresql import PostgreSql
from sqlalchemy import select

from slurmlens.errors import ConfigError
from slurmlens.events import AnyEvent
from slurmlens.hub.history import tables as schema
from slurmlens.hub.news import News, RunsChanged
from slurmlens.hub.workers import session
from slurmlens.hub.workers.known import WorkerTold
from slurmlens.hub.workers.membership import WorkerMembership
from slurmlens.hub.workers.session import SessionLost, WorkerSession
from slurmlens.slurm.records import JobState
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import Told
from testkit.waiting import until

JOBS = 12

_numbers = itertools.count(1)


@pytest.fixture
def database_url(postgresql: PostgreSql) -> str:
    return postgresql.make_database(f"shared{next(_numbers)}")


@asynccontextmanager
async def histories(url: str, count: int) -> AsyncIterator[list[History]]:
    opened = [await History.open(url, ManualClock(), shared=count > 1) for _ in range(count)]
    try:
        yield opened
    finally:
        for history in opened:
            await history.close()


def requests(chance: random.Random) -> list[list[AnyEvent]]:
    """What the nodes of some jobs send, all of it twice, in any order."""
    told = [Told(job_id, node) for job_id in range(1, JOBS + 1) for node in ("n1", "n2")]
    sent: list[list[AnyEvent]] = [
        request
        for one in told
        for request in ([one.start(1)], [one.points(2, 1.0, 2.0)], [one.points(12, 3.0)], [one.summary(1, 30)])
    ]
    sent *= 2
    chance.shuffle(sent)
    return sent


async def tell(history: History, sent: Sequence[Sequence[AnyEvent]]) -> None:
    for number, request in enumerate(sent):
        await history.apply(request)
        if number % 10 == 0:
            await history.learn(*(record(JobState.COMPLETED, job_id=job_id, end=40) for job_id in range(1, JOBS + 1)))


async def concluded(history: History) -> list[object]:
    await history.refresh()
    kept: list[object] = []
    for job_id in range(1, JOBS + 1):
        facts = await history.facts(job_id)
        parts = [(part.node, part.samples, part.profile and part.profile.mean) for part in facts.nodes]
        kept.append((facts.job_id, facts.run, facts.outcome, facts.start_ns, facts.end_ns, parts))
    return kept


async def test_hubs_that_take_what_is_sent_in_any_order_and_twice_leave_what_one_would(
    database_url: str, postgresql: PostgreSql
) -> None:
    sent = requests(random.Random("one history"))
    async with histories(database_url, 3) as hubs:
        shares = [sent[number :: len(hubs)] for number in range(len(hubs))]
        await asyncio.gather(*(tell(history, share) for history, share in zip(hubs, shares, strict=True)))
        shared = [await concluded(history) for history in hubs]
        rows = await hubs[0].store.read(lambda connection: connection.execute(select(schema.events.c.id)).all())
    async with histories(postgresql.make_database(f"shared{next(_numbers)}"), 1) as [alone]:
        await tell(alone, sent)
        expected = await concluded(alone)
    assert shared == [expected] * 3
    assert len(rows) == len(set(rows)) == JOBS * 2 * 4


async def test_two_that_pack_at_once_pack_once(database_url: str) -> None:
    async with histories(database_url, 2) as hubs:
        for round_number in range(8):
            for job_id in range(1, 6):
                told = Told(job_id)
                await hubs[0].apply([told.points(10 + 10 * round_number, 1.0, 2.0)])
            await asyncio.gather(*(history.packer.pack() for history in hubs))
        for history in hubs:
            await history.refresh()
        profiles = [(await hubs[1].facts(job_id)).nodes[0].profile for job_id in range(1, 6)]
    async with histories(database_url, 1) as [alone]:
        assert [(await alone.facts(job_id)).nodes[0].profile for job_id in range(1, 6)] == profiles


async def test_a_node_that_one_hub_hears_the_others_know(database_url: str) -> None:
    async with histories(database_url, 2) as [one, other]:
        told = Told(7, "n1")
        await one.hear(told.start(1), told.beat(5))
        await one.beats.write(one.store)
        await other.hear(told.beat(3))  # came late, by another road
        await other.beats.write(other.store)
        for history in (one, other):
            await history.beats.read_others(history.store)
            [beat] = history.beats.known.values()
            assert beat.beat_ns == told.beat(5).time_ns


async def test_a_hub_that_shares_and_one_that_does_not_refuse_each_other(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slurmlens.hub.database.lock.SHARE_WAIT_S", 1)
    async with histories(database_url, 2):
        with pytest.raises(ConfigError, match="another hub has it open"):
            await History.open(database_url, ManualClock())
    async with histories(database_url, 1):
        with pytest.raises(ConfigError, match="set `shared`"):
            await History.open(database_url, ManualClock(), shared=True)


class Worker:
    """One of several, with its news."""

    def __init__(self, url: str, name: str) -> None:
        clock = ManualClock()
        self.name, self.news = name, News()
        self.heard_of_leader: list[WorkerTold] = []
        self.membership = WorkerMembership(
            url,
            self.news,
            Reporter(Counters(), clock),
            started_ns=1,
            name=lambda: name,
            tell=lambda: WorkerTold(host=name, pid=1, version="1", scheduler={"release": f"of {name}"}),
            hear_leader=self.heard_of_leader.append,
        )
        self._running: asyncio.Future[None] = asyncio.ensure_future(self.membership.run())

    @property
    def leads(self) -> bool:
        return self.membership.leadership.leads

    async def end(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)


async def test_one_leads_the_others_hear_of_it_and_one_takes_over_when_it_ends(
    postgresql: PostgreSql, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slurmlens.hub.workers.membership.TELL_EVERY_S", 0.05)
    await (await History.open(database_url, ManualClock())).close()  # makes the tables
    workers = [Worker(database_url, name) for name in ("a", "b", "c")]
    try:
        await until(lambda: sum(worker.leads for worker in workers) == 1, "one leads")
        await until(lambda: all(len(worker.membership.known) == 3 for worker in workers), "all know all")
        [leader] = [worker for worker in workers if worker.leads]
        others = [worker for worker in workers if worker is not leader]
        await until(lambda: all(worker.heard_of_leader for worker in others), "they hear of the scheduler")
        assert others[0].heard_of_leader[-1].scheduler == {"release": f"of {leader.name}"}
        assert not leader.heard_of_leader

        heard = [worker.news.subscribe(RunsChanged) for worker in others]
        leader.news.publish(RunsChanged(7))
        for subscription in heard:
            async with asyncio.timeout(20):
                assert await anext(aiter(subscription)) == RunsChanged(7)

        await leader.end()
        assert not leader.leads
        await until(lambda: sum(worker.leads for worker in others) == 1, "another leads")
        await until(lambda: all(len(worker.membership.known) == 2 for worker in others), "who ended is gone")
    finally:
        for worker in workers:
            await worker.end()


async def test_one_that_is_silent_leads_no_more_whatever_became_of_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LEASE_S", 0.3)
    silent, next_one = await WorkerSession.open(database_url), await WorkerSession.open(database_url)
    try:
        assert await silent.try_to_lead()

        async def leads() -> bool:
            return await next_one.try_to_lead()

        assert not await leads()
        await until(leads, "the server has ended the silent one's session")
        with pytest.raises(SessionLost):
            await silent.try_to_lead()
    finally:
        await silent.close()
        await next_one.close()
