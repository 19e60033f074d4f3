"""The part of `hub_scene` in which nodes tell of themselves: how they fare, what is installed on them."""

from __future__ import annotations

from typing import Any

from bench.hub_load.job_mix import node_name
from sqlalchemy import BigInteger, Boolean, Column, Float, LargeBinary

from slurmlens.events import (
    GpuHolding,
    GpuState,
    MachineState,
    NodeReading,
    NodeSoftware,
    Package,
)
from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.inventory import tables as inventory_tables
from slurmlens.hub.inventory.read.software import SoftwareQueries
from slurmlens.hub.node_states import tables as state_tables
from slurmlens.hub.node_states.read import NodeStateQueries
from testkit.hub_history import History
from testkit.told_events import BEGIN_S, Told, at_ns

NODES = 60
OTHERS = 6_000
OWN_JOB = 2_000_000_000
"""Job ids from here on are the scene's own."""
ALICE = Viewer("user7", frozenset({Role.USER, Role.COORDINATOR}), accounts=frozenset({"account3", "account9"}))
"""Somebody who sees own jobs and those of two accounts."""


async def nodes_tell_how_they_fare(history: History) -> None:
    told = Told(OWN_JOB + 40, "n9")
    start = told.start(1)
    where = {"boot_id": start.boot_id, "cluster": start.cluster, "node": start.node, "interval_s": 60.0}
    await history.store.write(_states_of_others)
    for number in (1, 2):
        time_ns = at_ns(1 + number / 10)
        holding = GpuHolding(
            uuid="GPU-1",
            sighting=start.sighting,
            job_id=start.job.job_id,
            by="cgroup",
            since_ns=start.time_ns,
            told_ns=time_ns,
            seen_s=10.0,
        )
        state = MachineState(
            id=f"s{number}",
            time_ns=time_ns,
            boottime_ns=start.boottime_ns + number,
            holdings=(holding,),
            gpus=(GpuState(uuid="GPU-1", strangers=(1001,) * (number % 2)),),
            readings=(
                NodeReading("filesystem.size_bytes", "/scratch", 1e12),
                NodeReading("filesystem.used_ratio", "/scratch", number / 4),
                NodeReading("disk.busy_ratio", "sda", number / 4),
            ),
            **where,
        )
        await history.hear(*([start] if number == 1 else []), state)
    queries = NodeStateQueries(history.store, "demo")
    for viewer in (EVERYBODY, ALICE):
        await queries.of_node(viewer, start.node)
        await queries.of_job(viewer, start.job.job_id, 1)
        await queries.course(viewer, [start.node], BEGIN_S, BEGIN_S + 600)
        await queries.same_hours(viewer, [start.node], ("cpu",), BEGIN_S + 600)
        await queries.resources(viewer)
        await queries.file_systems(viewer, BEGIN_S - 86_400, BEGIN_S + 86_400)
        await queries.resource_hours(viewer, BEGIN_S - 86_400, BEGIN_S + 86_400)
        for node in (None, start.node):
            await queries.outsiders(viewer, at_ns(0), node)


async def nodes_tell_their_software(history: History) -> None:
    """Many nodes with few sets, again and again; one has its own."""
    start = Told(OWN_JOB + 41, "n9").start(1)
    where = {"boot_id": start.boot_id, "cluster": start.cluster, "boottime_ns": start.boottime_ns}
    for turn in range(3):
        told = [
            NodeSoftware(
                id=f"w{turn}-{number}",
                time_ns=at_ns(turn),
                node=node_name(number),
                source="dpkg",
                packages=(Package("libc6", f"2.{turn + (number == 5)}"),),
                count=1,
                **where,
            )
            for number in range(NODES)
        ]
        await history.apply(told)
    await history.store.write(_inventory_of_others)
    queries = SoftwareQueries(history.store, "demo")
    for viewer in (EVERYBODY, ALICE):
        await queries.of_node(viewer, node_name(5), at_ns(2))
        await queries.library(viewer, "libc6", at_ns(2))
        await queries.drift(viewer, at_ns(2))


def _inventory_of_others(transaction: Transaction) -> None:
    """What was before: ended an hour ago, so many rows that a walk over them would show."""
    ended = {"cluster": "demo", "source": "scontrol", "valid_to_ns": at_ns(-3_600), "last_told_ns": at_ns(-3_600)}
    fact = {"kind": "node", "attribute": "state", "value": '"IDLE"'}
    relation = {"kind": "partition", "relation": "contains", "other_kind": "node"}
    for table, said in ((inventory_tables.facts, fact), (inventory_tables.relations, relation)):
        columns = tuple(column.name for column in table.columns)
        rows = []
        for number in range(OTHERS):
            named = {"name": f"n{number % NODES}", "other_name": f"n{number % NODES}"}
            row = {**ended, **said, **named, "valid_from_ns": at_ns(-10_000 - number)}
            rows.append(tuple(row[name] for name in columns))
        transaction.insert_new(table, columns, rows)


def _states_of_others(transaction: Transaction) -> None:
    """So many rows that a walk over them would show."""
    old_ns = at_ns(-400 * 86_400)
    for table, key in (
        (state_tables.node_states, ("cluster", "node")),
        (state_tables.node_figures, ("cluster", "node")),
        (state_tables.node_courses, ("cluster", "node", "bin_s")),
        (state_tables.node_outsiders, ("cluster", "node")),
        (state_tables.file_system_days, ("cluster", "day_s", "mount")),
        (state_tables.resource_hours, ("begin_ns", "cluster", "resource")),
        (state_tables.gpu_holdings, ("cluster", "node", "sighting", "uuid")),
    ):
        rows = [
            {column.name: _value_of_others(column, number, old_ns) for column in table.columns}
            for number in range(OTHERS)
        ]
        transaction.put(table, key, rows)


def _value_of_others(column: Column[Any], number: int, old_ns: int) -> object:
    if column.name == "job_id":
        return number
    match column.type:
        case LargeBinary():
            return b"{}"
        case BigInteger():
            return old_ns + number
        case Float():
            return 0.5
        case Boolean():
            return False
    return f"other{number}"
