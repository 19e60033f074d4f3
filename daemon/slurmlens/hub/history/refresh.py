"""Works off the marks in `stale_jobs`: jobs whose runs could not be made anew when their facts were stored.

Owns what the storing transaction leaves: jobs of many nodes, which are concluded at most so often, and what a crash
left over. Called by the hub's pipeline every few tenths of a second, and at its start.
"""

from __future__ import annotations

from sqlalchemy import select

from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.record.concluding import Concluded, Concluder, JobKey


class Refresher:
    """Concludes marked jobs."""

    def __init__(self, store: Store, concluder: Concluder) -> None:
        self._store = store
        self._concluder = concluder

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
