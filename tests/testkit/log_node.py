"""The log inputs of a node with a real spool behind them, and what would go to the hub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from slurmlens.config.log_inputs import LogInputsConfig
from slurmlens.config.spool import SpoolConfig
from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool import Spool, SpoolLimits
from slurmlens.log_lines import LogLine
from slurmlens.node.log_inputs.attribution import JobsHere, LocalJob, Member
from slurmlens.node.log_inputs.stages import LogInputs, LogInputsDependencies
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire.log_documents import line_of
from testkit.manual_clock import ManualClock
from testkit.spools import SpoolSetup
from testkit.waiting import until

SINK = "hub_logs"
LIMITS = SpoolLimits.of(SpoolConfig())


@dataclass
class Jobs:
    """What the node knows of its jobs; tests fill it."""

    by_cgroup: dict[str, Member] = field(default_factory=dict)
    running: dict[int, LocalJob] = field(default_factory=dict)
    sluids: dict[str, LocalJob] = field(default_factory=dict)
    proc: Path = Path("/proc")

    def here(self) -> JobsHere:
        return JobsHere(self.by_cgroup.get, self.running.get, self.sluids.get, self.proc)


class LogNode:
    """One life of the inputs."""

    def __init__(self, folder: Path, config: LogInputsConfig, jobs: Jobs, clock: ManualClock) -> None:
        self.setup = SpoolSetup(folder / "spool", clock=clock)
        self.jobs = jobs
        self.clock = clock
        self.counters = Counters()
        self.lines: list[LogLine] = []
        self.spool: Spool = self.setup.spool({SINK: Stream.LOGS, "hub": Stream.EVENTS}, LIMITS)
        (folder / "run").mkdir(parents=True, exist_ok=True)
        given = LogInputsDependencies(
            node="n1",
            boot_id="boot-1",
            jobs=jobs.here(),
            append=self.spool.append,
            give_up=self.spool.give_up,
            folder=folder,
            runtime_path=folder / "run",
            clock=clock,
            reporter=Reporter(self.counters, clock),
        )
        self.inputs = LogInputs(config, given)

    @property
    def texts(self) -> list[str]:
        return [line.message for line in self.lines]

    @property
    def dropped(self) -> dict[str, int]:
        """Lines that the spool counts as dropped, by reason."""
        return {why: total.lines for (stream, why), total in self.spool.state.dropped.items() if stream is Stream.LOGS}

    @property
    def told(self) -> int:
        """Lines that a hub has, with those that were folded into them."""
        return sum(1 + line.repeats for line in self.lines)

    async def until(self, is_so: Callable[[], bool], what: str) -> None:
        await until(is_so, f"{what}; there is {self.texts[-5:]} and {self.dropped}")

    async def receive(self) -> None:
        """A hub that takes everything."""
        while True:
            entries = await self.spool.read(SINK, 1 << 20)
            for entry in entries:
                for document in entry.batch.payload.splitlines():
                    self.lines.append(line_of(msgspec.json.decode(document), self.clock.wall_ns()))
            await self.spool.acknowledge(SINK, entries[-1].position)


@asynccontextmanager
async def log_node(
    folder: Path, config: LogInputsConfig, jobs: Jobs | None = None, clock: ManualClock | None = None
) -> AsyncIterator[LogNode]:
    """Runs while the block lasts; ends as a daemon does."""
    node = LogNode(folder, config, jobs or Jobs(), clock or ManualClock())
    await node.spool.open()
    receiving = asyncio.create_task(node.receive())
    stages = [asyncio.create_task(stage()) for stage in node.inputs.stages.values()]
    try:
        yield node
    finally:
        for stage in stages:
            stage.cancel()
        await asyncio.gather(*stages, return_exceptions=True)
        await node.inputs.flush()
        while node.spool.backlog(SINK).batches and not receiving.done():
            await asyncio.sleep(0.01)
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
        await node.spool.close()
        node.inputs.close()
