"""The stage that counts what the nodes did in each hour that is over, and again where that turns out to be otherwise.

Owns the writing of `usage_node_hours` and the removal of marks in `usage_due_hours`. An hour is closed `GRACE_S` after
its end. Invariants: an hour's rows and its mark change in one transaction; a mark that was put again while its hour was
counted stays. The counting is done in a reader's thread, an hour at a time, the newest first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from sqlalchemy import Connection, func, select

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store
from slurmlens.hub.inventory import tables as inventory
from slurmlens.hub.usage import tables as schema
from slurmlens.hub.usage.charges import HOUR_S
from slurmlens.hub.usage.keeping import GRACE_S, mark_hours
from slurmlens.hub.usage.node_time import NodeSums, UnitState
from slurmlens.hub.usage.spans import node_times

LOOK_EVERY_S = 60.0
REST_S = 0.05
MOST_NEW_HOURS = 24 * 366 * 20


class NodeTimeKeeper:
    """The stage of what nodes did, for one cluster."""

    def __init__(self, store: Store, cluster: str, clock: Clock) -> None:
        self._store = store
        self._cluster = cluster
        self._clock = clock

    async def run(self) -> None:
        """A stage: closes hours and counts marked ones, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)  # first: a hub that comes back hears of the nodes before it counts
            await self.close_hours()
            has_more = await self.step()
            while has_more:
                await asyncio.sleep(REST_S)
                has_more = await self.step()

    async def close_hours(self) -> None:
        """Marks the hours that ended since the last one that was counted."""
        now_ns = self._clock.wall_ns()
        end_s = (now_ns // NS_PER_S - GRACE_S) // HOUR_S * HOUR_S
        begin_s = await self._store.read(lambda connection: _first_open(connection, self._cluster))
        if begin_s is not None and begin_s < end_s:
            hours = range(max(begin_s, end_s - MOST_NEW_HOURS * HOUR_S), end_s, HOUR_S)
            await self._store.write(lambda transaction: mark_hours(transaction, self._cluster, hours, now_ns))

    async def step(self) -> bool:
        """Counts the newest marked hour; False where none is marked."""
        found = await self._store.read(lambda connection: _count_one(connection, self._cluster))
        if found is None:
            return False
        mark, sums = found
        await self._store.write(lambda transaction: _write(transaction, self._cluster, mark, sums))
        return True


def _first_open(connection: Connection, cluster: str) -> int | None:
    """The hour after the last one that was counted, or the first of which the inventory knows a node."""
    hours, facts = schema.usage_node_hours, inventory.facts
    last = connection.execute(select(func.max(hours.c.hour_s)).where(hours.c.cluster == cluster)).scalar()
    if last is not None:
        return int(last) + HOUR_S
    query = select(func.min(facts.c.valid_from_ns)).where(
        facts.c.cluster == cluster, facts.c.kind == "node", facts.c.attribute == "cpu_count"
    )
    first_ns = connection.execute(query).scalar()
    return None if first_ns is None else int(first_ns) // NS_PER_S // HOUR_S * HOUR_S


Mark = tuple[int, int]


def _count_one(connection: Connection, cluster: str) -> tuple[Mark, dict[tuple[str, UnitState], NodeSums]] | None:
    due = schema.usage_due_hours
    query = select(due.c.hour_s, due.c.marked_ns).where(due.c.cluster == cluster).order_by(due.c.hour_s.desc()).limit(1)
    mark = connection.execute(query).first()
    if mark is None:
        return None
    return (mark[0], mark[1]), node_times(connection, cluster, mark[0], mark[0] + HOUR_S)


def _write(transaction: Transaction, cluster: str, mark: Mark, sums: Mapping[tuple[str, UnitState], NodeSums]) -> None:
    place = {"cluster": cluster, "hour_s": mark[0]}
    rows = [
        {**place, "partition": partition, "state": state.value, **one._asdict()}
        for (partition, state), one in sorted(sums.items(), key=lambda item: (item[0][0], item[0][1].value))
    ]
    transaction.take_away(schema.usage_node_hours, ("cluster", "hour_s"), [(cluster, mark[0])])
    transaction.put(schema.usage_node_hours, schema.NODE_HOUR_KEY, rows)
    transaction.take_away(schema.usage_due_hours, ("cluster", "hour_s", "marked_ns"), [(cluster, *mark)])
