"""The inventory on a real PostgreSQL: the same spans, one schema, two hubs that tell at once, and software."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from deploy.components.postgresql import PostgreSql

from slurmlens.events import Package
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.database.store import Store
from slurmlens.hub.inventory.entities import FOREVER
from slurmlens.hub.inventory.read.queries import InventoryQueries
from slurmlens.hub.inventory.read.software import SoftwareQueries
from slurmlens.hub.inventory.recording import InventoryRecorder, Recorded
from testkit.hub_history import History
from testkit.inventories import entity, fact, fact_rows, relation, relation_rows, telling
from testkit.manual_clock import ManualClock
from testkit.node_software import packages, software
from testkit.told_events import at_ns

_numbers = itertools.count(1)


@pytest.fixture
def database_url(postgresql: PostgreSql) -> str:
    return postgresql.make_database(f"inventory{next(_numbers)}")


async def test_spans_begin_stay_and_end(database_url: str) -> None:
    store = await Store.open(database_url)
    try:
        recorder = InventoryRecorder(store, "demo")
        told = fact('node it\'s "n1"\n', "state", "IDLE"), relation("partition all", "contains", 'node it\'s "n1"\n')
        assert await recorder.take(telling(10, *told)) == Recorded(2, 0)
        assert await recorder.take(telling(20, *told)) == Recorded(0, 0)
        assert await recorder.take(telling(30)) == Recorded(0, 2)
        assert [row[3:] for row in await fact_rows(store)] == [(10, 30)]
        assert [row[3:] for row in await relation_rows(store)] == [(10, 30)]
    finally:
        await store.close()


async def test_two_who_tell_at_once_leave_what_one_would(database_url: str) -> None:
    stores = [await Store.open(database_url, shared=True) for _ in range(2)]
    try:
        recorders = [InventoryRecorder(store, "demo") for store in stores]
        for round_number in range(1, 15):
            state = ("IDLE", "DOWN", "MIXED")[round_number % 3]
            facts = [fact(f"node n{number}", "state", state) for number in range(50)]
            tellings = [telling(1000 * round_number + number, *facts) for number in range(2)]
            await asyncio.gather(*(one.take(told) for one, told in zip(recorders, tellings, strict=True)))
        rows = await fact_rows(stores[0])
        for _, own in itertools.groupby(rows, key=lambda row: row[0]):
            spans = sorted(row[3:] for row in own)
            assert len(spans) == 14
            assert spans[-1][1] == FOREVER
            assert all(first[1] == second[0] for first, second in itertools.pairwise(spans))
    finally:
        for store in stores:
            await store.close()


async def test_software_is_kept_once_and_asked_at_any_moment(database_url: str) -> None:
    odd = Package("lib'x\"\n-- drop", "1;2")
    history = await History.open(database_url, ManualClock())
    try:
        await history.apply([software(f"n{number}", *packages(mpi="4.1"), odd) for number in range(5)])
        await history.apply([software("n1", *packages(mpi="5.0"), odd, seconds=10)])
        await history.apply([software("n1", seconds=20, problem="it hangs")])
        queries, inventory = SoftwareQueries(history.store, "demo"), InventoryQueries(history.store, "demo")
        before = await queries.library(EVERYBODY, "mpi", at_ns(5))
        after = await queries.library(EVERYBODY, "mpi", at_ns(15))
        assert [(one.version, len(one.nodes)) for one in before.versions] == [("4.1", 5)]
        assert [(one.version, len(one.nodes)) for one in after.versions] == [("4.1", 4), ("5.0", 1)]
        (source,) = await queries.of_node(EVERYBODY, "n1", at_ns(30))
        assert (source.held.problem, odd in source.packages) == ("it hangs", True)
        assert (await queries.drift(EVERYBODY, at_ns(15))).drift.drifts == ()
        touched = await inventory.blast_radius(EVERYBODY, entity("software mpi 5.0"), at_ns(15))
        assert touched.nodes == ("n1",)
    finally:
        await history.close()
