"""The stage that keeps the inventory: hears what the scheduler's poller was told, and writes what it means.

Owns its loop, and when the machine's user database and files about the network are read. A collector that fails says
so and spoils no other. Fed by `scheduler.poller` through `news`; feeds `recording`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.inventory import InventoryConfig
from slurmlens.errors import DecodeError
from slurmlens.hub.inventory.collectors import ibnetdiscover, lldp
from slurmlens.hub.inventory.collectors.account_people import tell_account_people
from slurmlens.hub.inventory.collectors.campaigns import tell_campaign
from slurmlens.hub.inventory.collectors.ibnetdiscover import tell_fabric_file
from slurmlens.hub.inventory.collectors.job_owners import Owner, owners_of, tell_owners
from slurmlens.hub.inventory.collectors.lldp import tell_lldp_folder
from slurmlens.hub.inventory.collectors.nodes import tell_nodes
from slurmlens.hub.inventory.collectors.partitions import tell_partitions
from slurmlens.hub.inventory.collectors.topology import read_topology_file, tell_topology
from slurmlens.hub.inventory.collectors.user_database import tell_groups
from slurmlens.hub.inventory.entities import Telling
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.news import AccountPeopleReceived, CampaignReceived, ClusterReceived, News, QueueReceived
from slurmlens.slurm.records import ClusterAnswer, JobRecord, SwitchRecord
from slurmlens.telemetry.internal import InternalEvent, Reporter, lasting

CHANGED = InternalEvent("inventory_changes", logging.DEBUG, "{source}: {begun} facts began, {ended} ended", ("source",))
PROBLEM = lasting("inventory_problems", logging.WARNING, "{source}: {problem}", ("source",))

USER_DATABASE_EVERY_S = 3600.0
TOPOLOGY_FILE_EVERY_S = 300.0


class InventoryKeeper:
    """The inventory's stage for one cluster."""

    def __init__(
        self,
        recorder: InventoryRecorder,
        cluster: str,
        settings: InventoryConfig,
        news: News,
        clock: Clock,
        reporter: Reporter,
        *,
        groups_of: Callable[[Sequence[str], int], Sequence[Telling]] = lambda users, at_ns: [
            *tell_groups(users, at_ns)
        ],
    ) -> None:
        self._recorder = recorder
        self._cluster = cluster
        self._settings = settings
        self._clock = clock
        self._reporter = reporter
        self._groups_of = groups_of
        self._heard = news.subscribe(ClusterReceived, QueueReceived, AccountPeopleReceived, CampaignReceived)
        self._known_owners: set[Owner] = set()
        self._nodes: frozenset[str] | None = None
        self._groups_due_ns = 0
        self._file_due_ns = 0

    async def run(self) -> None:
        """A stage: writes what is told, while there is news; StoreError where the database does not take it."""
        async for fact in self._heard:
            if isinstance(fact, ClusterReceived):
                await self.take_cluster(fact.answer)
            elif isinstance(fact, QueueReceived):
                await self.take_jobs(fact.records)
            elif isinstance(fact, AccountPeopleReceived):
                await self._write(tell_account_people(fact.people, self._clock.wall_ns()))
            elif isinstance(fact, CampaignReceived):
                await self._write(await asyncio.to_thread(tell_campaign, fact.user, fact.view, self._clock.wall_ns()))

    async def take_jobs(self, records: Sequence[JobRecord]) -> None:
        """Whose jobs these are is written once."""
        fresh = await asyncio.to_thread(owners_of, records) - self._known_owners
        if fresh:
            await self._write(tell_owners(fresh, self._clock.wall_ns()))
            self._known_owners |= fresh
        await self._write_groups()

    async def take_cluster(self, told: ClusterAnswer) -> None:
        """What the controller told of nodes, and maybe of partitions and switches, is written."""
        now_ns = self._clock.wall_ns()
        if told.nodes.records:
            self._nodes = frozenset(record.name for record in told.nodes.records)
        await self._write(await asyncio.to_thread(tell_nodes, told.nodes, now_ns))
        if told.partitions is not None:
            await self._write(tell_partitions(told.partitions, self._cluster, now_ns))
        is_due = self._clock.monotonic_ns() >= self._file_due_ns
        if is_due:
            self._file_due_ns = self._clock.monotonic_ns() + round(TOPOLOGY_FILE_EVERY_S * NS_PER_S)
            await self._write_cabling(now_ns)
        if self._settings.topology_file is not None:
            if is_due:
                await self._write_topology_file(self._settings.topology_file, now_ns)
        elif told.switches is not None:
            await self._write_topology(told.switches.records, now_ns, is_whole=not told.switches.refused)

    async def _write_cabling(self, now_ns: int) -> None:
        """What files say of the network's cables; each fails alone."""
        fabric, folder = self._settings.ibnetdiscover_file, self._settings.lldp_folder
        if fabric is not None:
            await self._write_read(ibnetdiscover.SOURCE, lambda: tell_fabric_file(fabric, self._nodes, now_ns))
        if folder is not None:
            await self._write_read(lldp.SOURCE, lambda: tell_lldp_folder(folder, self._nodes, now_ns))

    async def _write_read(self, source: str, read: Callable[[], Telling]) -> None:
        try:
            telling = await asyncio.to_thread(read)
        except DecodeError as error:
            self._reporter.report(PROBLEM, source=source, problem=str(error))
            return
        await self._write(telling)

    async def _write_topology_file(self, path: Path, now_ns: int) -> None:
        try:
            switches = await asyncio.to_thread(read_topology_file, path)
        except DecodeError as error:
            self._reporter.report(PROBLEM, source="slurm topology", problem=str(error))
            return
        await self._write_topology(switches, now_ns, is_whole=True)

    async def _write_topology(self, switches: Sequence[SwitchRecord], now_ns: int, *, is_whole: bool) -> None:
        telling = await asyncio.to_thread(tell_topology, switches, self._nodes, now_ns, is_whole=is_whole)
        await self._write(telling)

    async def _write_groups(self) -> None:
        users = sorted({owner.user for owner in self._known_owners if owner.user})
        if not self._settings.user_database or not users or self._clock.monotonic_ns() < self._groups_due_ns:
            return
        self._groups_due_ns = self._clock.monotonic_ns() + round(USER_DATABASE_EVERY_S * NS_PER_S)
        for telling in await asyncio.to_thread(self._groups_of, users, self._clock.wall_ns()):
            await self._write(telling)

    async def _write(self, telling: Telling) -> None:
        for problem in telling.problems:
            self._reporter.report(PROBLEM, source=telling.source, problem=problem)
        recorded = await self._recorder.take(telling)
        if recorded.begun or recorded.ended:
            self._reporter.report(CHANGED, source=telling.source, begun=recorded.begun, ended=recorded.ended)
