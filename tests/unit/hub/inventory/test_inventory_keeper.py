"""The inventory's stage: what it writes of which answer, and what spoils only itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from slurmlens.config.inventory import InventoryConfig
from slurmlens.hub.inventory.entities import FOREVER, Telling
from slurmlens.hub.inventory.keeper import InventoryKeeper
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.news import AccountPeopleReceived, ClusterReceived, QueueReceived
from slurmlens.slurm.associations import AccountPerson
from slurmlens.slurm.records import ClusterAnswer, Decoded, JobState, NodeRecord, PartitionRecord, SwitchRecord
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.hub_history import History, record
from testkit.inventories import entity, fact_rows, relation, relation_rows, telling
from testkit.manual_clock import ManualClock
from testkit.waiting import until

NODES = Decoded((NodeRecord(name="n1", state="IDLE", partitions=("all",)), NodeRecord(name="n2", state="IDLE")))
PARTITIONS = Decoded((PartitionRecord(name="all", state="UP"),))
SWITCHES = Decoded((SwitchRecord(name="s1", nodes=("n1", "gone")),))


class Kept:
    """A keeper on a real database."""

    def __init__(self, history: History, clock: ManualClock, settings: InventoryConfig) -> None:
        self.asked: list[Sequence[str]] = []
        self.counters = Counters()
        self.keeper = InventoryKeeper(
            InventoryRecorder(history.store, "demo"),
            "demo",
            settings,
            history.news,
            clock,
            Reporter(self.counters, clock),
            groups_of=self._groups_of,
        )

    def _groups_of(self, users: Sequence[str], at_ns: int) -> list[Telling]:
        self.asked.append(users)
        groups = relation("user alice", "member_of", "group staff")
        return [telling(at_ns, groups, source="user database", subject=entity("user alice"))]

    async def take(self, told: ClusterAnswer) -> None:
        await self.keeper.take_cluster(told)


@pytest.fixture
def kept(history: History, clock: ManualClock) -> Kept:
    return Kept(history, clock, InventoryConfig())


async def open_facts(history: History) -> dict[tuple[str, str], str]:
    return {row[:2]: row[2] for row in await fact_rows(history.store) if row[4] == FOREVER}


async def test_an_answer_of_the_controller_becomes_nodes_partitions_and_switches(history: History, kept: Kept) -> None:
    await kept.take(ClusterAnswer(NODES, PARTITIONS, SWITCHES))
    facts = await open_facts(history)
    assert facts["n1", "state"] == '"IDLE"'
    assert facts["all", "state"] == '"UP"'
    related = {(row[0], row[2]) for row in await relation_rows(history.store)}
    assert related == {("all", "n1"), ("demo", "all"), ("s1", "n1")}
    assert kept.counters.snapshot()['inventory_problems_total{source="slurm topology"}'] == 1


async def test_partitions_and_switches_that_were_not_asked_for_stay(
    history: History, kept: Kept, clock: ManualClock
) -> None:
    await kept.take(ClusterAnswer(NODES, PARTITIONS, SWITCHES))
    before = await open_facts(history)
    clock.advance(60)
    await kept.take(ClusterAnswer(NODES))
    assert await open_facts(history) == before


async def test_a_node_that_is_gone_ends_with_its_relations(history: History, kept: Kept, clock: ManualClock) -> None:
    await kept.take(ClusterAnswer(NODES, PARTITIONS))
    clock.advance(60)
    await kept.take(ClusterAnswer(Decoded(NODES.records[1:]), PARTITIONS))
    assert ("n1", "exists") not in await open_facts(history)
    assert {row[:3] for row in await relation_rows(history.store) if row[4] == FOREVER} == {("demo", "contains", "all")}


async def test_owners_of_jobs_are_told_once_and_their_groups_are_asked_for_once_an_hour(
    history: History, kept: Kept, clock: ManualClock
) -> None:
    await kept.keeper.take_jobs([record(JobState.RUNNING, account="acct1")])
    await kept.keeper.take_jobs([record(JobState.RUNNING, account="acct1")])
    assert kept.asked == [["alice"]]
    clock.advance(3601)
    await kept.keeper.take_jobs([])
    assert len(kept.asked) == 2
    related = {row[:3] for row in await relation_rows(history.store)}
    assert related == {("alice", "charges", "acct1"), ("alice", "member_of", "staff")}


async def test_a_topology_file_takes_the_schedulers_place_and_a_broken_one_spoils_nothing(
    history: History, clock: ManualClock, tmp_path: Path
) -> None:
    path = tmp_path / "topology.conf"
    path.write_text("SwitchName=s7 Nodes=n[1-2]\n")
    kept = Kept(history, clock, InventoryConfig(topology_file=path))
    await kept.take(ClusterAnswer(NODES, PARTITIONS, SWITCHES))
    related = {(row[0], row[2]) for row in await relation_rows(history.store)}
    assert {("s7", "n1"), ("s7", "n2")} <= related
    assert "s1" not in {name for name, _ in related}
    path.write_text("nonsense\n")
    clock.advance(600)
    await kept.take(ClusterAnswer(Decoded(NODES.records[:1]), PARTITIONS))
    assert kept.counters.snapshot()['inventory_problems_total{source="slurm topology"}'] == 1
    assert ("s7", "exists") in await open_facts(history)
    assert ("n2", "exists") not in await open_facts(history)


async def test_the_stage_hears_the_poller_and_the_queue(history: History, kept: Kept) -> None:
    running = asyncio.create_task(kept.keeper.run())
    history.news.publish(ClusterReceived(ClusterAnswer(NODES, PARTITIONS)))
    history.news.publish(AccountPeopleReceived((AccountPerson("carol", "bio", True),)))
    history.news.publish(QueueReceived((record(JobState.RUNNING, account="acct1"),)))
    await until(lambda: kept.keeper._heard.is_idle, "the keeper has written everything")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    facts = await open_facts(history)
    assert {("n1", "exists"), ("all", "exists"), ("alice", "user_id"), ("acct1", "exists")} <= facts.keys()
    assert ("carol", "coordinates", "bio") in {row[:3] for row in await relation_rows(history.store)}
