"""Makes usage anew from history and inventory.

Owns one function. All that was counted goes and everything is marked, in one transaction; the stages then count it
again, beside what comes in, and a kill meanwhile leaves the rest marked. It goes through whole tables, as nothing else
in the hub does.
"""

from __future__ import annotations

from sqlalchemy import delete, insert, literal, select

from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store
from slurmlens.hub.history import tables as history
from slurmlens.hub.usage import tables as schema


async def rebuild_usage(store: Store, cluster: str) -> int:
    """Forgets what was counted of a cluster; returns how many jobs are to be charged anew."""

    def work(transaction: Transaction) -> int:
        core = transaction.core
        for table in (schema.usage_runs, *schema.SUMS, schema.usage_node_hours, schema.usage_due_hours):
            core.execute(delete(table).where(table.c.cluster == cluster))
        marks, runs = history.uncharged_jobs, history.runs
        core.execute(delete(marks).where(marks.c.cluster == cluster))
        every = select(runs.c.cluster, runs.c.job_id, literal(0)).where(runs.c.cluster == cluster).distinct()
        return int(core.execute(insert(marks).from_select(("cluster", "job_id", "marked_ns"), every)).rowcount)

    return await store.write(work)
