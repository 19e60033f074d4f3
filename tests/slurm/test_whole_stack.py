"""`slurmlens stack` with real parts: up, proved, grown and shrunk under a running job, a service killed, down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deploy.errors import MachineLacks
from deploy.sandbox import require_programs
from deploy.whole import record
from deploy.whole.commands import NEEDED
from deploy.whole.running import RunningProcesses

from deploy import cgroup_folders
from testkit.checkout import ROOT

pytestmark = pytest.mark.slurm
WITHOUT = ("neo4j", "opensearch", "logstash")


def stack(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    argv = [str(ROOT / ".venv/bin/slurmlens"), "stack", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=check, timeout=240)


def until(look: Callable[[], bool], what: str, most_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + most_s
    while not look():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.2)


@pytest.fixture(scope="module")
def name() -> Iterator[str]:
    try:
        require_programs(NEEDED)
    except MachineLacks as error:
        pytest.skip(str(error))
    chosen = f"test{os.getpid()}"
    up = stack("up", "--name", chosen, "--compute", "2", *(f"--without={each}" for each in WITHOUT), check=False)
    assert up.returncode == 0, up.stderr
    yield chosen
    stack("down", "--name", chosen, check=False)


def running(name: str) -> RunningProcesses:
    return RunningProcesses(*record.find(name))


def test_status_proves_the_function_of_every_service(name: str) -> None:
    told = json.loads(stack("status", "--name", name, "--json").stdout)
    assert told["phase"] == "up"
    assert [one for one in told["services"] if not one["is_good"]] == []
    said = {one["service"]: one["said"] for one in told["services"]}
    assert "rendered" in said["carbon"]
    assert "sent and found" in said["hub"]
    assert said["slurmctld"].endswith("UP")


def test_nodes_come_and_go_and_a_running_job_is_not_disturbed(name: str) -> None:
    seen = running(name)
    identity = record.instance.identity(seen.folder)
    stack("scale", "--name", name, "compute=3")
    job = seen.run(
        "sbatch",
        "--parsable",
        f"--nodelist={identity}-compute2",
        "--output=/dev/null",
        "--wrap=sleep 600",
        user="alice",
    ).strip()
    until(lambda: seen.run("squeue", "-hj", job, "-o%T").strip() == "RUNNING", "the job does not run")
    stack("scale", "--name", name, "compute=2")
    states = seen.run("sinfo", "-hN", f"--nodes={identity}-compute2", "-o%t").split()
    assert set(states) <= {"drng", "drng*"}
    assert seen.run("squeue", "-hj", job, "-o%T").strip() == "RUNNING"
    seen.run("scancel", job)
    until(lambda: f"{identity}-compute2" not in seen.run("sinfo", "-hNo", "%N"), "the node that left is not taken away")


def test_a_hub_that_is_killed_comes_back_and_status_says_so(name: str) -> None:
    seen = running(name)
    config = f"{seen.folder}/hub/hub.toml"
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        words = entry.read_bytes().split(b"\0") if entry.exists() else []
        if config.encode() in words and any(word.endswith(b"slurmlens-hub") for word in words[:2]):
            os.kill(int(entry.parent.name), signal.SIGKILL)
    until(
        lambda: any(one.name == "hub" and one.restarts and one.state == "up" for one in running(name).record.services),
        "the hub does not come back",
    )
    assert "started again 1 times" in stack("status", "--name", name, check=False).stdout


def test_a_second_stack_of_the_name_is_refused(name: str) -> None:
    done = stack("up", "--name", name, check=False)
    assert (done.returncode, "is up already" in done.stderr) == (1, True)


def test_down_leaves_nothing(name: str) -> None:
    folder, _ = record.find(name)
    identity = record.instance.identity(folder)
    stack("down", "--name", name)
    assert not folder.exists()
    assert identity not in cgroup_folders.owners()
    assert "none" in stack("status", "--name", name, check=False).stderr or name not in record.running()
