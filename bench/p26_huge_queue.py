"""P26: how soon a huge queue is decoded without holding the event loop.

The queue comes from a squeue that is a script which prints 50,000 jobs; storing them is the hub's write path and not in
the figure. It is read by a process whose collector of garbage is set as the hub's (a full pass over so many records
holds everything for 100 ms and more; the hub makes none). The loop's wait is by the wall; how much of it this process
computed stands beside it, for on a busy machine others have the cores.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from functools import partial
from pathlib import Path

from bench.result import Goal, Result, Row
from bench.setting import Setting
from slurmlens.hub.main import tame_the_collector
from slurmlens.hub.scheduler.queue_digest import digest
from slurmlens.slurm import json_records
from slurmlens.slurm.command import run_command

HUGE = 50_000
PROBE_S = 0.001
RECORDED = Path(__file__).parents[1] / "tests/fixtures/slurm/26.05/squeue.json"

ROWS = (
    Row("P26", f"{HUGE} jobs in one answer: from the question to records", Goal(30), Goal(15), "absolute", " s"),
    Row("P26", f"{HUGE} jobs: longest time that the event loop had to wait", Goal(50), Goal(20), "absolute", " ms"),
)


def measure(setting: Setting) -> list[Result]:
    return asyncio.run(_huge_queue(setting))


async def _huge_queue(setting: Setting) -> list[Result]:
    script = _printing_squeue(setting.new_folder())
    size = (script.parent / "answer.json").stat().st_size
    waits = _LoopWaits()
    tame_the_collector()
    probing = asyncio.create_task(waits.watch())
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    answer = await run_command([str(script)], os.environ, 120, partial(json_records.queue_jobs, release=(26, 5)))
    queue = await asyncio.to_thread(digest, answer, time.time())
    took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    probing.cancel()
    note = f"{len(queue.answer.records)} records of {size / 1e6:.0f} MB, {cpu_s:.1f} s of CPU; storing is not in it"
    own = f"at most {waits.computing_s * 1e3:.0f} ms while this process computed; {note}"
    return [ROWS[0].measured(took_s, note), ROWS[1].measured(waits.longest_s * 1e3, own)]


class _LoopWaits:
    """The longest time that the loop was late: as far as this process computed meanwhile, and by the wall."""

    def __init__(self) -> None:
        self.longest_s = self.computing_s = 0.0

    async def watch(self) -> None:
        """Sleeps again and again, until it is cancelled."""
        while True:
            before_s, before_cpu_s = time.perf_counter(), time.process_time()
            await asyncio.sleep(PROBE_S)
            late_s = time.perf_counter() - before_s - PROBE_S
            self.longest_s = max(self.longest_s, late_s)
            self.computing_s = max(self.computing_s, min(late_s, time.process_time() - before_cpu_s))


def _printing_squeue(folder: Path) -> Path:
    """A squeue that prints the recorded jobs again and again, under ids of their own."""
    jobs = json.loads(RECORDED.read_text())["jobs"]
    with (folder / "answer.json").open("w") as answer:
        answer.write('{"jobs": [')
        for number in range(HUGE):
            job = jobs[number % len(jobs)] | {"job_id": number + 1}
            answer.write((",\n" if number else "") + json.dumps(job, indent=2))
        answer.write('], "errors": [], "warnings": []}')
    script = folder / "squeue"
    script.write_text(f"#!/bin/sh\nexec cat {folder}/answer.json\n")
    script.chmod(0o755)
    return script
