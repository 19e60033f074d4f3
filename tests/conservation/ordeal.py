"""One ordeal: the real node daemon between a producer of hook events and real receivers, under seeded random faults.

Owns everything that runs in it, from start to verdict. All that is random comes from the seed; how far a fault goes is
told by what the producer has got accepted meanwhile, not by time. At the end every fault is undone, and whoever is
still missing something when nothing has arrived anywhere for `SETTLE_S` has lost it.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from conservation import faults
from conservation.ledger import Ledger
from conservation.producer import NODE
from conservation.programs import PATIENCE_S, FakeClock, Program, SmallDisk
from conservation.receivers import RECEIVERS, Place, Promise, Receiver
from conservation.verdict import Balance, Finding, Rule, judge
from testkit.checkout import ROOT
from testkit.fault_proxy import FaultProxy, fault_proxy
from testkit.moving_tree import MovingTree
from testkit.waiting import until

CLUSTER = "demo"
TREE = "v2-22.05"
DISK_BYTES = 24 * 1024 * 1024
DISK_BYTES_PER_EVENT = 5 * 1024
"""The file sink's events, and what the daemon makes of them, are on the small disk too; only a fault fills it."""

SETTLE_S = 12.0
IDLE_S = 0.25
AGAIN_EVENTS = {Promise.ACKNOWLEDGED: 600, Promise.WINDOW: 4000}
"""So many events can be on their way to a receiver at once; after a fault they may come again. Where nothing is
acknowledged they are what a sink keeps by default, 4 MiB (`resend_limit_bytes`), in lines of a thousand bytes.
"""

POLL_S = 0.02


class Step(NamedTuple):
    """One fault of a script, and how many events are accepted after it."""

    kind: str
    target: str
    events: int


@dataclass(frozen=True)
class Plan:
    """What is to be done. `emitter` is the real one, for a part of the events; `source` the tree that is judged."""

    seed: str
    events: int
    faults: int
    receivers: tuple[str, ...] = ("hub", "file")
    window: int = 400
    kinds: tuple[str, ...] = ()
    emitter: Path | None = None
    source: Path = ROOT
    settle_s: float = SETTLE_S
    one_by_one: bool = False
    """Each fault alone, and the next when every receiver has caught up: what a resend window promises to survive."""

    script: tuple[Step, ...] = ()
    """These faults and no others, none undone before the last."""

    def emitted_by(self, emitter: Path) -> Plan:
        """The same, with the real emitter."""
        return replace(self, emitter=emitter)


@dataclass
class Outcome:
    """What became of it."""

    plan: Plan
    balances: list[Balance] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def accepted(self) -> int:
        return max((balance.accepted for balance in self.balances), default=0)

    def __str__(self) -> str:
        lines = [f"seed {self.plan.seed}: {sum(self.struck.values())} faults in {self.seconds:.0f} s"]
        lines += [
            f"  {one.receiver:<12} accepted {one.accepted} delivered {one.delivered} again {one.twice} "
            f"own {one.own} unreadable {one.unreadable}"
            for one in self.balances
        ]
        lines += [f"  RED {finding}" for finding in self.findings]
        return "\n".join(lines)


class Ordeal:
    """The running parts; faults work on them."""

    def __init__(self, plan: Plan, folder: Path, tree: MovingTree) -> None:
        self.plan = plan
        self.chance = random.Random(plan.seed)
        self.folder = folder
        self.disk = SmallDisk(folder / "disk", DISK_BYTES + plan.events * DISK_BYTES_PER_EVENT)
        self.clock = FakeClock(folder / "offset")
        self.place = Place(folder, self.disk, plan.source, CLUSTER, NODE)
        self.receivers: list[Receiver] = [RECEIVERS[name](self.place) for name in plan.receivers]
        self.proxies: dict[str, FaultProxy] = {}
        self.ledger = Ledger(folder / "accepted.ndjson")
        self.findings: list[Finding] = []
        self.torn_allowed = 0
        self.repeats = 0
        """Faults after which what was on its way may come again."""
        self._tree = tree
        self.node: Program
        self.producer: Program

    @property
    def has_spool(self) -> bool:
        """Whether the daemon keeps what waits on the disk; one that does not leaves it in the dropbox."""
        return "SpoolConfig" in (self.plan.source / "daemon/slurmlens/config/node.py").read_text()

    async def begin(self) -> None:
        """Receivers first, then the daemon, then the producer."""
        for path in ("events", "staging/events", "staging/lost"):
            (self.folder / path).mkdir(parents=True)
        (self.folder / "node.toml").write_text(self._settings())
        self.node = Program(
            "node",
            self.disk.entering(self.place.product("slurmlens.node.start", "--config", f"{self.folder}/node.toml")),
            self.folder / "node.log",
            env=self.place.product_env | self.clock.env,
        )
        emitter = [str(self.plan.emitter)] if self.plan.emitter else []
        plan = self.plan
        arguments = [str(self.folder), plan.seed, str(plan.events), str(plan.window), *emitter]
        self.producer = Program(
            "producer",
            self.place.product("conservation.producer", *arguments),
            self.folder / "producer.log",
            env={"PYTHONPATH": str(ROOT / "tests")},
        )
        await self.node.start()
        await self.producer.start()

    async def progress(self, events: int) -> None:
        """Until so many more were accepted, or nobody gets on any more (the dropbox is full of what waits)."""
        wanted = self.ledger.read_on() + events
        seen, since = -1, time.monotonic()
        while (now := self.ledger.read_on()) < wanted and self.producer.is_running:
            if now != seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > IDLE_S:
                return
            await asyncio.sleep(POLL_S)

    async def restart_node(self, how: signal.Signals) -> None:
        """End the daemon by a signal and start it again."""
        await self._still_runs()
        await self.node.end(how)
        if how is signal.SIGKILL:
            self.torn_allowed += 1
        await self.node.start()

    async def settle(self) -> None:
        """Until every receiver has everything, or nothing has come for long; a daemon that is gone delivers no more."""
        await until(lambda: not (self.producer.is_running and self.node.is_running), "the producer ends", 600)
        if self.producer.is_running:
            await self.producer.end(signal.SIGTERM)
        assert self.producer.status == 0, self.producer.tail()
        await self.caught_up()
        await self._still_runs()

    async def verdict(self) -> list[Balance]:
        """One balance for each receiver."""
        return [
            judge(
                one.name,
                self.ledger.events,
                await one.store(),
                torn_allowed=self.torn_allowed,
                again_allowed=AGAIN_EVENTS[one.promise] * (1 + self.repeats) if self.has_spool else None,
            )
            for one in self.receivers
        ]

    async def in_flow(self) -> None:
        """Until every receiver has got something."""

        async def every_one_has_some() -> bool:
            return all([await one.ids() for one in self.receivers])

        await until(every_one_has_some, "every receiver gets something", PATIENCE_S)

    async def caught_up(self) -> None:
        """Until every receiver has what was accepted by now, or nothing more comes."""
        self.ledger.read_on()
        await self._until_missing_nothing(set(self.ledger.events))

    async def _until_missing_nothing(self, wanted: set[str]) -> None:
        missing, since = -1, time.monotonic()
        while (now := sum([len(wanted - await one.ids()) for one in self.receivers])) and (
            time.monotonic() - since < self.plan.settle_s
        ):
            if now != missing:
                missing, since = now, time.monotonic()
            await asyncio.sleep(0.1)

    async def _still_runs(self) -> None:
        """The daemon never ends by itself."""
        if not self.node.is_running:
            said = self.node.tail(600).replace("\n", " | ")
            self.findings.append(Finding(Rule.CRASHED, "node", 1, (f"status {self.node.status}: {said}",)))
            await self.node.start()

    def _settings(self) -> str:
        head = f"""
cluster = "{CLUSTER}"
node = "{NODE}"
dropbox_path = "{self.folder}/events"
proc_root = "{self._tree.root}/proc"
runtime_path = "{self.folder}/run"
heartbeat_interval_s = 1
[log]
level = "info"
format = "json"
"""
        return head + self._spool_settings() + "\n".join(one.settings() for one in self.receivers)

    def _spool_settings(self) -> str:
        """On the small disk, where this release has a spool."""
        return f'[spool]\npath = "{self.disk.path}/spool"\n' if self.has_spool else ""


@asynccontextmanager
async def running(ordeal: Ordeal) -> AsyncIterator[None]:
    """Everything of it, until the block is left."""
    async with AsyncExitStack() as stack:
        await ordeal.disk.mount()
        stack.push_async_callback(ordeal.disk.unmount)
        stack.callback(ordeal.clock.clear_up)
        stack.callback(ordeal.place.close)
        for receiver in ordeal.receivers:
            if receiver.port is not None:
                proxy = ordeal.proxies[receiver.name] = await stack.enter_async_context(fault_proxy(receiver.port))
                receiver.proxy_port = proxy.port
            stack.push_async_callback(receiver.stop)
            await receiver.start()
        await ordeal.begin()
        stack.push_async_callback(ordeal.producer.end)
        stack.push_async_callback(ordeal.node.end)
        yield


async def suffer(plan: Plan, folder: Path, cache: Path) -> Outcome:
    """Run one ordeal in the empty folder `folder`; `cache` keeps what may be used again."""
    began = time.monotonic()
    ordeal = Ordeal(plan, folder, MovingTree(TREE, folder, cache))
    outcome = Outcome(plan)
    async with running(ordeal):
        await (_act_out if plan.script else _strike)(ordeal, outcome)
        await ordeal.settle()
        outcome.balances = await ordeal.verdict()
    outcome.findings = ordeal.findings + [finding for one in outcome.balances for finding in one.findings]
    outcome.seconds = time.monotonic() - began
    return outcome


async def _strike(ordeal: Ordeal, outcome: Outcome) -> None:
    """Fault after fault, some at the same time, spread over the events."""
    chance, plan = ordeal.chance, ordeal.plan
    waiting: list[faults.Fault] = []
    possible = [one for one in faults.possible(ordeal) if not plan.kinds or one.kind in plan.kinds]
    gap = max(1, plan.events // (2 * max(1, plan.faults)))
    try:
        for _ in range(plan.faults):
            await ordeal.progress(chance.randint(1, gap))
            while waiting and chance.random() < 0.7:
                await waiting.pop(0).undo()
            free = sorted({one.target for one in possible} - {one.target for one in waiting})
            if not free:
                continue
            # Half of them by target, so that none is spared; half by kind, for connections can break in many ways.
            targets = free if chance.random() < 0.5 else [chance.choice(free)]
            fault = chance.choice([one for one in possible if one.target in targets])
            outcome.struck[f"{fault.kind} {fault.target}"] += 1
            ordeal.repeats += 1
            if await fault.strike():
                waiting.append(fault)
            # Most are short; some last until time limits and windows come into it.
            await ordeal.progress(chance.randint(1, gap) * chance.choice((1, 1, 1, 1, 6)))
            if plan.one_by_one:
                for over in waiting:
                    await over.undo()
                waiting.clear()
                await ordeal.caught_up()
    finally:
        for fault in waiting:
            await fault.undo()


async def _act_out(ordeal: Ordeal, outcome: Outcome) -> None:
    """The faults of the script, in its order."""
    by_name = {(one.kind, one.target): one for one in faults.possible(ordeal)}
    waiting: list[faults.Fault] = []
    await ordeal.in_flow()
    try:
        for kind, target, events in ordeal.plan.script:
            fault = by_name[kind, target]
            outcome.struck[f"{kind} {target}"] += 1
            ordeal.repeats += 1
            if await fault.strike():
                waiting.append(fault)
            await ordeal.progress(events)
    finally:
        for fault in waiting:
            await fault.undo()
