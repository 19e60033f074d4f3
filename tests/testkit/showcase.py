"""A cluster worth looking at, in a real history: a month of thirty-two nodes, for pictures and for tests of pages.

Everything is made from one seed, so that a picture changes only when its page does. alice's job is the one that runs
with progress, fails and waits; the rest is spread over all people of `access_people`.
"""

from __future__ import annotations

import random

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.events import GpuState, MachineState, NodeReading
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.usage.keeping import UsageKeeper
from slurmlens.hub.usage.tables import NODE_HOUR_KEY, NODE_SUMS, usage_node_hours
from slurmlens.slurm.records import JobRecord, JobState
from testkit.access_people import UIDS
from testkit.hub_history import History, record
from testkit.inventories import fact, relation, telling
from testkit.told_events import BEGIN_S

DAYS = 33
DAY_S = 86_400
NODES = tuple(f"n{number}" for number in range(1, 33))
CORES = 64
GIB = 2**30
ACCOUNT = {"alice": "physics", "carl": "physics", "bob": "bio", "carol": "physics"}
NAMES = ("cfd-a", "train", "gemm", "post", "sweep_7", "relax")
ENDS = (JobState.COMPLETED,) * 12 + (JobState.FAILED, JobState.TIMEOUT, JobState.OUT_OF_MEMORY)


async def tell_showcase(history: History) -> None:
    """All of it; afterwards it is `DAYS` after the begin."""
    await _tell_nodes(history)
    made = random.Random(2015)
    ended = [_ended(made, 1000 + number, number * DAYS * DAY_S // 300) for number in range(300)]
    await history.learn(*ended)
    history.clock.advance(BEGIN_S + DAYS * DAY_S - history.clock.wall_ns() / NS_PER_S)
    await history.learn(*(_running(made, 5000 + number) for number in range(40)))
    await history.learn(*(_waiting(made, 6000 + number) for number in range(12)))
    past = random.Random(24)
    for hours in range(24, 0, -1):
        then_ns = history.clock.wall_ns() - hours * 3_600 * NS_PER_S
        states = [_state(past, then_ns, node, number) for number, node in enumerate(NODES[:-1])]
        await history.apply([msgspec.structs.replace(one, id=f"{one.id}-{hours}") for one in states])
    for number, node in enumerate(NODES[:-1]):
        await history.apply([_state(made, history.clock.wall_ns(), node, number)])
    keeper = UsageKeeper(history.store, "demo", history.news, history.clock)
    while (await keeper.step()).jobs:
        pass
    await history.store.write(_node_hours)


async def _tell_nodes(history: History) -> None:
    facts = []
    for number, node in enumerate(NODES):
        state = "IDLE+DRAIN" if number == 11 else "DOWN" if number == 28 else "MIXED"
        facts += [fact(f"node {node}", "exists", True), fact(f"node {node}", "state", state)]
        facts += [fact(f"node {node}", "cpu_count", CORES), fact(f"node {node}", "memory_bytes", 256 * GIB)]
        facts.append(fact(f"node {node}", "features", ("rome",) if number < 12 else ("genoa",)))
        if number >= 24:
            facts.append(fact(f"node {node}", "gres", "gpu:a100:4"))
    facts += [fact("node n12", "reason", "fails jobs"), fact("node n29", "reason", "no power")]
    ties = [relation("partition all", "contains", f"node {node}") for node in NODES]
    ties += [relation("partition gpu", "contains", f"node {node}") for node in NODES[24:]]
    ties += [relation(f"switch s{1 + number // 16}", "contains", f"node {node}") for number, node in enumerate(NODES)]
    await InventoryRecorder(history.store, "demo").take(telling(BEGIN_S * NS_PER_S, *facts, *ties, source="showcase"))


def _node_hours(transaction: Transaction) -> None:
    """What the nodes did, as if it had been counted hour by hour: fuller from week to week, emptier at weekends."""
    whole = len(NODES) * CORES * 3600
    rows = []
    for hour in range(DAYS * 24):
        day = hour // 24
        allocated = round(whole * min(0.95, 0.45 + 0.008 * day - (0.15 if day % 7 > 4 else 0.0)))
        parts = {"allocated": allocated, "drained": whole // 64, "idle": whole - allocated - whole // 64}
        rows += [
            dict.fromkeys(NODE_SUMS, 0)
            | {"cluster": "demo", "hour_s": BEGIN_S // 3600 * 3600 + hour * 3600, "partition": partition}
            | {"state": state, "core_s": core_s}
            for state, core_s in parts.items()
            for partition in ("", "all")
        ]
    transaction.put(usage_node_hours, NODE_HOUR_KEY, rows)


def _whose(made: random.Random, job: JobRecord) -> JobRecord:
    user = made.choice(tuple(ACCOUNT))
    return msgspec.structs.replace(job, user=user, user_id=UIDS[user], account=ACCOUNT[user])


def _ended(made: random.Random, job_id: int, at_s: int) -> JobRecord:
    first, count = made.randrange(24), made.choice((1, 1, 2, 4))
    ran = made.randrange(600, 30_000)
    end = min(at_s + ran, DAYS * DAY_S - 60)
    job = record(
        made.choice(ENDS),
        job_id=job_id,
        submit=at_s - made.randrange(10, 7200),
        start=at_s,
        end=max(at_s + 1, end),
        nodes=NODES[first : first + count],
        name=made.choice(NAMES),
        cpu_count=count * made.choice((16, 32, 64)),
        node_count=count,
        memory_bytes=count * 64 * GIB,
    )
    return _whose(made, job)


def _running(made: random.Random, job_id: int) -> JobRecord:
    now = DAYS * DAY_S
    node = made.randrange(31)
    job = record(
        JobState.RUNNING,
        job_id=job_id,
        submit=now - 9_000,
        start=now - made.randrange(60, 8_000),
        nodes=(NODES[node],),
        name=made.choice(NAMES),
        cpu_count=made.choice((8, 16, 32)),
        node_count=1,
        memory_bytes=made.choice((16, 64)) * GIB,
    )
    return _whose(made, job)


def _waiting(made: random.Random, job_id: int) -> JobRecord:
    now = DAYS * DAY_S
    job = record(
        JobState.PENDING,
        job_id=job_id,
        submit=now - made.randrange(60, 80_000),
        start=None,
        nodes=(),
        name=made.choice(NAMES),
        reason=made.choice(("Resources", "Priority", "QOSMaxJobsPerUserLimit")),
        cpu_count=made.choice((64, 256, 1024)),
        expected_start_s=BEGIN_S + now + made.randrange(600, 40_000),
    )
    return _whose(made, job)


def _state(made: random.Random, now_ns: int, node: str, number: int) -> MachineState:
    readings = {
        ("cpu.user_cores", ""): CORES * made.uniform(0.05, 0.95),
        ("cpu.cores_count", ""): float(CORES),
        ("load.run_queue_count", ""): made.choice((4.0, 30.0, 50.0, 90.0)),
        ("memory.total_bytes", ""): 256.0 * GIB,
        ("memory.available_bytes", ""): made.uniform(20, 240) * GIB,
        ("pressure.io_some_ratio", ""): made.choice((0.0, 0.01, 0.02, 0.31)),
        ("disk.busy_ratio", "nvme0n1"): made.uniform(0, 1) ** 4,
        ("filesystem.used_ratio", "/"): made.uniform(0.2, 0.6),
        ("filesystem.used_ratio", "/scratch"): 0.83,
        ("filesystem.size_bytes", "/scratch"): 500e12,
        ("filesystem.available_bytes", "/scratch"): 85e12,
        ("network.received_bytes_per_second", "ib0"): made.uniform(0, 8e9),
        ("network.link_bits_per_second", "ib0"): 1e11,
        ("network.receive_drops_per_second", "ib0"): 12.0 if number == 5 else 0.0,
        ("network.receive_errors_per_second", "ib0"): 0.0,
    }
    gpus = tuple(
        GpuState(
            uuid=f"GPU-{node}-{slot}",
            pci=f"0000:{slot}7:00.0",
            model="NVIDIA A100-SXM4-80GB",
            utilisation_ratio=made.uniform(0, 1),
            memory_used_bytes=made.randrange(80 * GIB),
            memory_total_bytes=80 * GIB,
            power_watts=made.uniform(60, 400),
            temperature_celsius=made.uniform(30, 80),
            throttles=("heat",) if (number, slot) == (26, 2) else (),
        )
        for slot in range(4 if number >= 24 else 0)
    )
    return MachineState(
        id=f"state-{node}",
        time_ns=now_ns - 5 * NS_PER_S,
        boot_id=f"boot-{node}",
        boottime_ns=1,
        cluster="demo",
        node=node,
        interval_s=60.0,
        readings=tuple(NodeReading(name, of, value) for (name, of), value in readings.items()),
        gpus=gpus,
    )
