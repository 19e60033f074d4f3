"""The real daemon and SIGHUP, which the unit's ExecReload sends: its process stays, its jobs lose nothing."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from slurmlens.events import JobSummary
from testkit.moving_tree import MovingTree
from testkit.node_process import node_process
from testkit.waiting import until


async def test_sighup_refuses_bad_settings_and_applies_good_ones_and_a_job_loses_nothing(
    tmp_path: Path, unpacked_recordings: Path
) -> None:
    tree = MovingTree("v2-22.05-io-pids", tmp_path, unpacked_recordings)
    (tmp_path / "d").mkdir()
    async with node_process(tree, tmp_path / "d") as node:
        await node.start()
        node.hook("prolog", 7)
        tree.start_job(7, steps=("batch",))
        tree.burn(7, "batch", 1.5)
        await until(lambda: any(".slots.0." in name for name in node.series()), "it is sampled")
        process_id = node.process_id

        good = node.config.read_text()
        node.config.write_text(good.replace("slow_every = 2", "slow_every = 2\nslow_evry = 3"))
        os.kill(process_id, signal.SIGHUP)
        await until(lambda: "settings_refused" in node.log(), "the bad settings are refused")
        assert "slow_evry" in node.log()
        assert (await node.status()).node == tree.node

        node.config.write_text(good.replace('level = "debug"', 'level = "info"'))
        os.kill(process_id, signal.SIGHUP)
        await until(lambda: node.log().count("node_started") == 2, "it began anew")

        async def is_sampled() -> bool:
            with suppress(OSError):  # it began a moment ago
                return any(job.job_id == 7 and job.cgroups for job in (await node.status()).jobs)
            return False

        await until(is_sampled, "the job is sampled again")
        tree.burn(7, "batch", 0.25)
        tree.end_job(7)
        node.hook("epilog", 7)
        await until(lambda: bool(node.events(JobSummary)), "the summary")
        (summary,) = node.events(JobSummary)
        assert isinstance(summary, JobSummary)
        assert summary.totals.cpu_s is not None
        assert summary.totals.cpu_s.value == pytest.approx(1.75, abs=1e-6)
        assert node.process_id == process_id
        assert await node.stop() == 0
