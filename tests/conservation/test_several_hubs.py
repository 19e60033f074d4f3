"""Two hubs of one consumer group on one database: one is killed, one cut off, and nothing is lost or doubled."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from deploy.errors import MachineLacks

from conservation.conftest import SEED
from conservation.ordeal import CLUSTER, TREE, Ordeal, Plan, running
from conservation.programs import lacking
from conservation.several_hubs import SeveralHubs
from slurmlens.hub.history.record.storing import Request
from slurmlens.hub.intake.lines import read_lines
from slurmlens.hub.workers.session import LEADER_KEY
from testkit.hub_history import History
from testkit.kafka_log import read_all
from testkit.manual_clock import ManualClock
from testkit.moving_tree import MovingTree
from testkit.waiting import until

EVENTS = 600
SIGHTINGS = (
    "SELECT node, sighting, job_id, boot_id, start_ns, end_ns, start_witness, end_witness, run"
    " FROM sightings ORDER BY 1, 2"
)
RUNS = "SELECT job_id, number, state, name, start_ns, end_ns FROM runs ORDER BY 1, 2"


async def test_two_hubs_of_which_one_dies_and_one_is_cut_off_leave_what_one_alone_would(
    ordeal_folder: Path, tree_cache: Path
) -> None:
    if missing := lacking():
        pytest.skip(missing)
    plan = Plan(SEED, events=EVENTS, faults=0, receivers=("hubs",), settle_s=45.0)
    (folder := ordeal_folder / "o").mkdir()
    try:
        ordeal = Ordeal(plan, folder, MovingTree(TREE, folder, tree_cache))
    except MachineLacks as error:
        pytest.skip(str(error))
    async with running(ordeal):
        hubs = cast("SeveralHubs", ordeal.receivers[0])
        await suffer(ordeal, hubs)
        await ordeal.settle()
        [balance] = await ordeal.verdict()
        assert not balance.findings, balance
        assert balance.accepted == balance.delivered == EVENTS
        assert balance.twice == 0
        await until(partial(one_leads, hubs), "one of them leads")
        told = [record.value for record in await read_all(hubs._broker.bootstrap, hubs.topic)]
        assert await of_one_hub(folder, told) == [await hubs.rows(query) for query in (SIGHTINGS, RUNS)]


async def one_leads(hubs: SeveralHubs) -> bool:
    """By the server's own word."""
    low = LEADER_KEY & 0xFFFF_FFFF
    held = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {low}"  # a number
    [(count,)] = await hubs.rows(held)
    return count == 1


async def suffer(ordeal: Ordeal, hubs: SeveralHubs) -> None:
    """First one dies and comes back, then the other is cut off from the database: the first must do its work."""
    first, second = ordeal.chance.sample(hubs.hubs, 2)
    await ordeal.in_flow()
    await ordeal.progress(EVENTS // 4)
    await first.program.end()
    await ordeal.progress(EVENTS // 4)
    await hubs.start_hub(first)
    await ordeal.progress(EVENTS // 8)
    second.proxy.stall()
    await ordeal.progress(EVENTS // 4)
    wanted = set(ordeal.ledger.events)

    async def has_all() -> bool:
        return wanted <= await hubs.ids()

    await until(has_all, "what was accepted is stored with one of them cut off", 90)
    second.proxy.flow()


async def of_one_hub(folder: Path, told: list[bytes]) -> list[list[tuple[object, ...]]]:
    """What one hub without faults makes of the same records."""
    history = await History.open(f"sqlite:///{folder}/alone.sqlite3", ManualClock())
    try:
        body = b"\n".join(told)
        now_ns = time.time_ns()
        lines = read_lines(body, lambda _: True, CLUSTER, now_ns).lines
        await history.applier.apply(Request(body, "", lines, now_ns))
        await history.refresh()
        return [
            await history.store.read(
                lambda connection, query=query: [tuple(row) for row in connection.exec_driver_sql(query)]
            )
            for query in (SIGHTINGS, RUNS)
        ]
    finally:
        await history.close()
