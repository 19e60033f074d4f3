"""A day of a cluster on which one node fails nine of ten of its jobs, in a hub's database: for common cause at size.

Owns the world of P33 as the hub's own rooms write it: jobs with their records and what nodes told of them
(`histories`), switches, and each node's packages. Every package has two versions; two nodes have each set of packages,
for a hub compares up to 500 sets of a source. Everything but the faulty node fails by chance.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from bench.hub_load.histories import CLUSTER, HistoryShape, fill
from bench.hub_load.job_mix import CORES_A_NODE, DAY_S, MEMORY_A_NODE, JobMix, MadeJob, MadeRun, node_name
from slurmlens.clock import NS_PER_S
from slurmlens.events import NodeSoftware, Package
from slurmlens.hub.database.store import Store
from slurmlens.hub.inventory.entities import CONTAINS, EXISTS, Entity, EntityKind, Telling, ToldFact, ToldRelation
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.inventory.software_keeping import keep
from slurmlens.slurm.records import JobRecord, JobState, RecordSource

FAILED, SUCCEEDED, NODES, PACKAGES = 1_000, 10_000, 1_000, 500
FAULTY = 7
SETS = 500
NODES_A_SWITCH = 32
BLOCK = 100


async def make(url: str, now_s: int) -> None:
    """Fills the empty database at this URL; the day ends at `now_s`."""
    store = await Store.open(url)
    chance = random.Random("one cause")
    begin_ns = (now_s - 2 * DAY_S) * NS_PER_S
    try:
        await InventoryRecorder(store, CLUSTER).take(_topology(begin_ns))
        sets = [_packages(chance) for _ in range(SETS)]
        for first in range(0, NODES, BLOCK):
            told = [_software(node, sets[node % SETS], begin_ns) for node in range(first, first + BLOCK)]
            await store.write(lambda transaction, told=told: keep(transaction, told))  # type: ignore[misc]
        mix = JobMix(FAILED + SUCCEEDED, now_s=now_s, nodes=NODES)
        await fill(store, HistoryShape(mix, 0.0, 0.0), _jobs(chance, now_s))
    finally:
        await store.close()


def _topology(at_ns: int) -> Telling:
    nodes = [Entity.of(EntityKind.NODE, node_name(number)) for number in range(NODES)]
    switches = [Entity.of(EntityKind.SWITCH, f"s{number}") for number in range(-(-NODES // NODES_A_SWITCH))]
    below = [
        ToldRelation(entity=switches[number // NODES_A_SWITCH], relation=CONTAINS, other=node)
        for number, node in enumerate(nodes)
    ]
    there = [ToldFact(entity=one, attribute=EXISTS, value=True) for one in (*nodes, *switches)]
    return Telling(source="topology", at_ns=at_ns, facts=tuple(there), relations=tuple(below))


def _packages(chance: random.Random) -> tuple[Package, ...]:
    return tuple(Package(f"package{one}", f"1.{chance.random() < 0.1:d}") for one in range(PACKAGES))


def _software(node: int, packages: tuple[Package, ...], at_ns: int) -> NodeSoftware:
    name = node_name(node)
    return NodeSoftware(
        id=f"software-of-{name}",
        time_ns=at_ns,
        boot_id=f"boot-of-{name}",
        boottime_ns=at_ns // 2,
        cluster=CLUSTER,
        node=name,
        source="dpkg",
        packages=packages,
        count=len(packages),
    )


def _jobs(chance: random.Random, now_s: int) -> Iterator[MadeJob]:
    """One in eleven failed, spread over the day; nine of ten of the faulty node's."""
    states = [JobState.FAILED] * FAILED + [JobState.COMPLETED] * SUCCEEDED
    faulty = {*range(FAILED // 10), *range(FAILED, FAILED + 10)}
    order = list(range(len(states)))
    chance.shuffle(order)
    for job_id, index in enumerate(order, 1):
        nodes = chance.sample(range(NODES), chance.choice((1, 1, 2, 4, 8)))
        if index in faulty:
            nodes = [*{FAULTY, *nodes[1:]}]
        end_s = now_s - DAY_S * 3 // 4 + job_id * DAY_S // 2 // len(order)
        yield _job(job_id, states[index], tuple(sorted(nodes)), chance.randrange(100), end_s)


def _job(job_id: int, state: JobState, nodes: tuple[int, ...], user: int, end_s: int) -> MadeJob:
    start_s = end_s - 600
    record = JobRecord(
        job_id=job_id,
        state=state,
        source=RecordSource.ACCOUNTING,
        name=f"job{job_id % 50}",
        user=f"user{user}",
        user_id=3000 + user,
        account=f"a{user % 20}",
        partition=f"p{job_id % 3}",
        qos="normal",
        submit_s=start_s - 60,
        eligible_s=start_s - 60,
        start_s=start_s,
        end_s=end_s,
        nodes=tuple(map(node_name, nodes)),
        node_count=len(nodes),
        cpu_count=len(nodes) * CORES_A_NODE,
        memory_bytes=len(nodes) * MEMORY_A_NODE,
        restart_count=0,
        exit_code=int(state is JobState.FAILED),
        exit_signal=0,
    )
    return MadeJob(job_id, (MadeRun(record, nodes),))
