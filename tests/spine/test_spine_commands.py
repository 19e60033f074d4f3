"""`slurmlens noise` beside a node's daemon at work, `slurmlens audit` against a real slurmdbd."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from deploy.process import state_of
from deploy.slurmlens import program

from slurmlens.clock import NS_PER_S
from testkit.spine import Jobs, Spine

pytestmark = pytest.mark.slurm


@pytest.mark.slow
def test_noise_measures_a_daemon_at_work_which_then_goes_on(road: Spine, jobs: Jobs, tmp_path: Path) -> None:
    name = road.stack.slurm.node_names[0]
    daemon = road.stack.nodes[name].process
    assert daemon is not None
    pid = daemon.pid
    assert pid is not None
    argv = [str(program("slurmlens")), "noise", "--pid", str(pid), "--seconds", "0.3", "--rounds", "2", "--json"]
    try:
        told = subprocess.run(
            [*argv, "--keep", str(tmp_path / "kept")], capture_output=True, text=True, check=True, timeout=120
        )
    finally:
        os.kill(parent_of(pid), signal.SIGCONT)  # nsenter stopped with it, and nobody but its owner wakes that
    rows = json.loads(told.stdout)["rows"]
    assert rows[0]["probe"] == "fixed work"
    assert [len(row["with_us"]) == len(row["without_us"]) == 2 for row in rows] == [True] * len(rows)
    assert state_of(pid) not in ("T", None)
    after = road.submit("true", f"--nodelist={name}", "--mem=50")
    assert road.ended_view(after)["nodes"][0]["name"] == name


def test_an_audit_of_today_explains_these_jobs_differences_from_accounting(road: Spine, jobs: Jobs) -> None:
    ended = {job_id: road.ended_view(job_id) for job_id in (jobs.short, jobs.failed, jobs.memory, jobs.cancelled)}
    for job_id in ended:
        road.stack.slurm.wait(job_id)
    day = day_of(ended[jobs.short])
    argv = [str(program("slurmlens")), "audit", "--day", day, "--make", "--json", "--hub", road.stack.hub.url]
    told: dict[str, Any] = json.loads(road.stack.sandbox.run(argv).stdout)
    today = {job_id for job_id, view in ended.items() if day_of(view) == day}
    assert next(one for one in told["days"] if one["day"] == day)["compared"] >= len(today)
    assert today.isdisjoint({*told["only_here"], *told["only_there"]})
    unexplained = [row for row in told["jobs"] if row["job_id"] in today and not row["is_explained"]]
    assert unexplained == [], told


def day_of(view: dict[str, Any]) -> str:
    return datetime.fromtimestamp(view["times"]["ended_ns"] / NS_PER_S, UTC).date().isoformat()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
