"""Works off the marks in `stale_jobs`: jobs whose runs could not be made anew when their facts were stored.

Owns what the storing transaction leaves: jobs of many nodes, which are concluded at most so often, and what a crash
left over. A stage of the hub's: it hears in `news` that there are marks, and asks the database for nothing else.
"""

from __future__ import annotations

import asyncio

from sqlalchemy import select

from slurmlens.clock import Clock
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.record.announcing import Announcer
from slurmlens.hub.history.record.concluding import Concluded, Concluder, JobKey
from slurmlens.hub.news import News, RunsMarked

GATHER_S = 0.2
"""How late a job of very many nodes may be shown."""


class Refresher:
    """Concludes marked jobs."""

    def __init__(self, store: Store, concluder: Concluder, news: News, announcer: Announcer, clock: Clock) -> None:
        self._store = store
        self._concluder = concluder
        self._announcer = announcer
        self._clock = clock
        self._heard = news.subscribe(RunsMarked)

    async def run(self) -> None:
        """A stage: concludes what is marked, first of all what a crash left over, for ever."""
        while True:
            self._heard.take_all()
            while (refreshed := await self.refresh(self._clock.wall_ns())).done or refreshed.failed:
                self._announcer.concluded(refreshed)
            await self._heard.wait()
            await asyncio.sleep(GATHER_S)

    async def refresh(self, now_ns: int, limit: int = 50) -> Concluded:
        """Makes anew the runs of at most `limit` marked jobs; the answer is empty where nothing is left to do."""
        stale = schema.stale_jobs
        query = select(stale.c.cluster, stale.c.job_id).limit(limit)
        keys = await self._store.read(lambda connection: [JobKey(*row) for row in connection.execute(query)])
        if not keys:
            return Concluded()

        def work(transaction: Transaction) -> Concluded:
            transaction.take_away(stale, ("cluster", "job_id"), keys)
            return self._concluder.conclude(transaction, keys, now_ns)

        return await self._store.write(work)
