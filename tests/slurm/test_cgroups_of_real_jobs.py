"""Stage 0 on a real Slurm: jobs and steps are seen, read and missed from their cgroups alone, however short."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from deploy.slurm import SmallSlurm

from slurmlens.cgroup.reader import FULL_TICK, CgroupReader, OpenCgroup
from slurmlens.cgroup.reading import Reading
from slurmlens.cgroup.sighting import CgroupGone, CgroupSeen, Sighting
from slurmlens.cgroup.titles import StepTitle, title_of_step
from slurmlens.clock import SystemClock
from slurmlens.node.rediscover import Rediscover
from testkit.waiting import until

pytestmark = pytest.mark.slurm

SAMPLE_S = 0.02
PATIENCE_S = 60.0


class Witness:
    """Follows one node: what was seen and gone, and the last reading of each job (step None) and step."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, str | None]] = []
        self.last: dict[tuple[int, str | None], Reading] = {}
        self.uids: set[int | None] = set()
        self.titles: set[StepTitle | None] = set()
        self._memory: dict[tuple[int, str | None], Path] = {}
        self._reader = CgroupReader()
        self._open: dict[tuple[int, str | None], OpenCgroup] = {}

    def take(self, sighting: Sighting) -> None:
        if not isinstance(sighting, CgroupSeen | CgroupGone):
            return
        name = (sighting.job_id, sighting.step)
        self.told.append(("seen" if isinstance(sighting, CgroupSeen) else "gone", *name))
        if isinstance(sighting, CgroupSeen):
            self.uids.add(sighting.uid)
            self._memory[name] = sighting.place.memory
            opener = self._reader.open_step if sighting.step else self._reader.open_job
            self._open[name] = opener(sighting.place)
        else:
            self._open.pop(name).close()

    def sample(self) -> None:
        for name, cgroup in self._open.items():
            cgroup.complete()
            self.titles.add(title_of_step(Path("/proc"), [self._memory[name]]))
            (reading,) = self._reader.read([cgroup], FULL_TICK)
            if not reading.gone:
                self.last[name] = reading


async def _follow(rediscover: Rediscover, witness: Witness) -> None:
    async for sighting in rediscover.sightings():
        witness.take(sighting)


async def _sample(witness: Witness) -> None:
    while True:
        witness.sample()
        await asyncio.sleep(SAMPLE_S)


@asynccontextmanager
async def witnessing(node: str) -> AsyncIterator[Witness]:
    witness = Witness()
    rediscover = Rediscover(Path("/"), node, SystemClock())
    tasks = [asyncio.create_task(_follow(rediscover, witness)), asyncio.create_task(_sample(witness))]
    try:
        await until(lambda: rediscover.state.watching, "the cgroup tree is watched")
        yield witness
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run(slurm: SmallSlurm, witness: Witness, script: str, *options: str) -> int:
    """Runs a job to its end and waits until its cgroup is gone."""
    job = await asyncio.to_thread(slurm.submit, script, f"--nodelist={slurm.node_names[0]}", *options)
    await asyncio.to_thread(slurm.wait, job)
    await until(lambda: ("gone", job, None) in witness.told, "the job's cgroup is gone")
    return job


async def test_a_job_of_a_third_of_a_second_is_seen_read_and_missed(small_slurm: SmallSlurm) -> None:
    async with witnessing(small_slurm.node_names[0]) as witness:
        job = await _run(small_slurm, witness, "timeout 0.3 sh -c 'while :; do :; done'; true")
    told = [entry for entry in witness.told if entry[1] == job]
    assert told[0] == ("seen", job, None)
    assert told[-1] == ("gone", job, None)
    assert len(told) == 6
    assert set(told) == {(verb, job, step) for verb in ("seen", "gone") for step in (None, "batch", "extern")}
    assert witness.uids == {3001}
    assert witness.titles - {None} == {StepTitle(job, "batch"), StepTitle(job, "extern")}, (
        "as a SLUID folder would be named"
    )
    assert witness.last[job, None].get("cpu_usage_ns"), "sampling alone sees some of its use"


async def test_a_kill_for_memory_is_in_the_counters_of_its_step(small_slurm: SmallSlurm) -> None:
    script = "srun sh -c 'head -c 200M /dev/zero | tail -c 190M | wc -c'; sleep 0.2"
    async with witnessing(small_slurm.node_names[0]) as witness:
        job = await _run(small_slurm, witness, script, "--mem=50")
    assert sum(reading.get("oom_kill_events") or 0 for (of, _), reading in witness.last.items() if of == job) >= 1
    assert witness.last[job, None].get("memory_limit_bytes") == 50 << 20
    assert witness.last[job, "extern"].get("oom_kill_events") == 0
