"""P31: what the operator's page of 10,000 nodes costs the hub, against the same page of 100.

In one process: an inventory and nodes' states in SQLite, read, made into the view, drawn and rendered, as the page
does, with Python's collector as the hub has it. CPU time of the whole process, medians. The first paint is not measured
here: it takes a browser.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from bench.result import Goal, Result, Row
from bench.setting import Setting
from slurmlens.clock import NS_PER_S
from slurmlens.events import MachineState, NodeReading
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.database.store import Store
from slurmlens.hub.inventory.entities import Entity, EntityKind, Telling, ToldFact, ToldRelation
from slurmlens.hub.inventory.read.queries import InventoryQueries
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.main import tame_the_collector
from slurmlens.hub.node_states.keeping import keep
from slurmlens.hub.node_states.read import NodeStateQueries
from slurmlens.hub.views.cluster.build import ATTRIBUTES, FIGURES, GROUPINGS, ClusterFacts, build_cluster_view
from slurmlens.hub.web.assets import Assets
from slurmlens.hub.web.node_map import draw_nodes
from slurmlens.hub.web.render import make_environment

NODES, FEW = 10_000, 100
BLOCK = 500
NOW_NS = 1_800_000_000 * NS_PER_S
_NAMES = ("cpu.user_cores", "memory.available_bytes", "disk.busy_ratio", "network.sent_bytes_per_second")

PAGE = Row(
    "P31",
    f"operator's page of {NODES:,} nodes: CPU of the hub, p50",
    Goal(300, "< 300"),
    Goal(100, "< 100"),
    f"the same of {FEW} nodes",
    " ms",
)
ROWS = (PAGE,)


def measure(setting: Setting) -> list[Result]:
    rounds = setting.choose(9, 3)
    tame_the_collector()
    few, _ = asyncio.run(_costs(setting.new_folder(), FEW, rounds))
    many, size = asyncio.run(_costs(setting.new_folder(), NODES, rounds))
    size_words = f"the page has {size / 1024:.0f} KiB, not compressed"
    note = f"with {FEW} nodes {few:.1f} ms: {many / few:.0f} times that; {size_words}"
    return [PAGE.measured(many, note)]


async def _costs(folder: Path, count: int, rounds: int) -> tuple[float, int]:
    store = await Store.open(f"sqlite:///{folder}/hub.sqlite3")
    try:
        await InventoryRecorder(store, "demo").take(_telling(count))
        for begin in range(0, count, BLOCK):
            states = [_state(number) for number in range(begin, min(count, begin + BLOCK))]
            await store.write(lambda transaction, states=states: keep(transaction, states))  # type: ignore[misc]
        template = make_environment(Assets()).get_template("cluster/page.html")
        took, size = [], 0
        for _ in range(rounds + 1):
            before = time.process_time()
            view = build_cluster_view("demo", await _facts(store), EntityKind.PARTITION, NOW_NS, "cpu")
            page = template.render(view=view, groups=draw_nodes(view), groupings=GROUPINGS, figures=FIGURES)
            took.append((time.process_time() - before) * 1000)
            size = len(page.encode())
        return statistics.median(took[1:]), size
    finally:
        await store.close()


async def _facts(store: Store) -> ClusterFacts:
    inventory = InventoryQueries(store, "demo")
    return ClusterFacts(
        nodes=await inventory.kind(EVERYBODY, EntityKind.NODE, ATTRIBUTES, NOW_NS),
        containing=await inventory.contained(EVERYBODY, EntityKind.PARTITION, NOW_NS),
        running=(),
        waiting=(),
        figures=await NodeStateQueries(store, "demo").resources(EVERYBODY),
    )


def _telling(count: int) -> Telling:
    return Telling(
        source="bench", at_ns=NOW_NS - NS_PER_S, facts=tuple(_node_facts(count)), relations=tuple(_members(count))
    )


def _node_facts(count: int) -> Iterator[ToldFact]:
    for number in range(count):
        node = Entity.of(EntityKind.NODE, f"n{number}")
        state = "DOWN" if number % 97 == 0 else "MIXED"
        told = {"exists": True, "state": state, "cpu_count": 64, "memory_bytes": 2**38}
        yield from (ToldFact(entity=node, attribute=name, value=value) for name, value in told.items())


def _members(count: int) -> Iterator[ToldRelation]:
    partition = Entity.of(EntityKind.PARTITION, "all")
    for number in range(count):
        yield ToldRelation(entity=partition, relation="contains", other=Entity.of(EntityKind.NODE, f"n{number}"))


def _state(number: int) -> MachineState:
    readings = [NodeReading(name, "", float(number % 50)) for name in _NAMES]
    readings += [NodeReading("cpu.cores_count", "", 64.0), NodeReading("memory.total_bytes", "", 2.0**38)]
    readings += [NodeReading("filesystem.used_ratio", mount, 0.5) for mount in ("/", "/tmp", "/scratch")]
    return MachineState(
        id=f"s{number}",
        time_ns=NOW_NS - 10 * NS_PER_S,
        boot_id="b",
        boottime_ns=1,
        cluster="demo",
        node=f"n{number}",
        interval_s=60.0,
        readings=tuple(readings),
    )
