"""The whole stack in containers by Podman: images built here, every service proved, a job seen whole, nothing left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deploy.components import neo4j
from deploy.whole import containers
from deploy.whole.containers import RunningContainers

from deploy import json_client
from testkit.checkout import ROOT

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(2400)]
NAME = f"test{os.getpid()}"
CONTAINERS_CONF = """[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
"""
UP_MAX_S = 1800
JOB = "cd /tmp && exec sbatch --parsable --nodelist={} --output=/dev/null --wrap 'sleep 900'"


def stack(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [str(ROOT / ".venv/bin/slurmlens"), "stack", *words, "--name", NAME]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=UP_MAX_S)


def until(look: Callable[[], bool], what: str, most_s: float = 120.0) -> None:
    deadline_s = time.monotonic() + most_s
    while not look():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.5)


@pytest.fixture(scope="module", autouse=True)
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Podman with a storage of its own: what other containers of the machine use is not touched."""
    for program in ("podman", "podman-compose", "runc", "debootstrap"):
        if shutil.which(program) is None:
            pytest.skip(f"not installed: {program}")
    if os.geteuid() != 0:
        pytest.skip("run as root: the compute container writes cgroups")
    folder = tmp_path_factory.mktemp("podman")
    (folder / "containers.conf").write_text(CONTAINERS_CONF)
    own = f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'
    (folder / "storage.conf").write_text(own)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_CONF", f"{folder}/containers.conf")
        patch.setenv("CONTAINERS_STORAGE_CONF", f"{folder}/storage.conf")
        yield folder
        subprocess.run(["podman", "rmi", "--all", "--force"], capture_output=True, check=False)


@pytest.fixture(scope="module")
def whole(storage: Path) -> Iterator[None]:
    up = stack("up", "--in", "podman", "--compute", "2")
    assert up.returncode == 0, up.stdout[-2000:] + up.stderr[-4000:]
    yield
    stack("down")


@pytest.fixture
def running(whole: None) -> RunningContainers:
    found = containers.find(NAME)
    assert found is not None
    return found


def test_status_proves_the_function_of_every_service(running: RunningContainers) -> None:
    told = json.loads(stack("status", "--json").stdout)
    assert [one for one in told["services"] if not one["is_good"]] == []
    said = {one["service"]: one["said"] for one in told["services"]}
    assert "indexed and found" in said["opensearch"]
    assert "has 2 nodes" in said["neo4j"]
    assert "of schema" in said["postgresql"]
    assert "acknowledged and is written" in said["logstash"]
    assert "written and rendered" in said["carbon"]


def test_a_job_in_containers_is_shown_by_the_hub_with_its_counters_and_is_in_the_graph(
    running: RunningContainers,
) -> None:
    wrap = "cd /tmp && exec sbatch --parsable --output=/tmp/%j --wrap 'sleep 4'"
    job = running.run("sh", "-c", wrap, user="alice").strip()
    until(lambda: "COMPLETED" in running.run("sacct", "-nPXj", job, "-o", "state"), "the job is not accounted")
    until(lambda: "COMPLETED" in running.slurmlens("job", job), "the hub does not show its end")
    shown = running.slurmlens("job", job)
    assert "core-seconds" in shown
    assert "epilog" in shown
    cypher = f"MATCH (n:Node)-[:PART_OF]->(j:Job {{jobid: '{job}', state: 'COMPLETED'}}) RETURN n.name"
    asked = running.address("neo4j"), running.neo4j_password, cypher
    until(lambda: neo4j.ask(*asked) != [], "the graph has no such job on a node")
    assert neo4j.ask(*asked)[0][0] in running.nodes


def test_a_line_that_the_hub_took_is_in_opensearch(running: RunningContainers) -> None:
    word = f"word{NAME}"
    sent = ("forward", "--node", running.nodes[0], "--program", "test")
    running.slurmlens(*sent, at="compute", stdin=f"{word} arrives\n")
    search = f"{running.address('opensearch')}/slurmlens-*/_search"

    def found() -> bool:
        hits = json_client.get(search, {"q": f"message:{word}"})["hits"]["hits"]
        return [one["_source"]["message"] for one in hits] == [f"{word} arrives"]

    until(found, "OpenSearch does not have the line")


def test_what_is_killed_comes_again_and_status_says_so(running: RunningContainers) -> None:
    told = running.engine.run("inspect", running.container("hub"), "--format", "{{.State.Pid}}")
    os.kill(int(told), signal.SIGKILL)
    until(lambda: "hub         event" in stack("status").stdout, "the hub does not come back")
    assert "(started again 1 times)" in stack("status").stdout


def test_a_second_stack_of_the_name_is_refused(running: RunningContainers) -> None:
    done = stack("up", "--in", "podman")
    assert (done.returncode, "is there already" in done.stderr) == (1, True)
    assert running.nodes == RunningContainers(running.folder, running.engine).nodes


def test_nodes_come_and_go_and_a_running_job_is_not_disturbed(running: RunningContainers) -> None:
    grown = stack("scale", "compute=3")
    assert grown.returncode == 0, grown.stderr
    found = containers.find(NAME)
    assert found is not None
    newest = found.nodes[2]
    job = running.run("sh", "-c", JOB.format(newest), user="alice").strip()
    until(lambda: state(running, job) == "RUNNING", "the job does not run")
    shrinking = stack("scale", "compute=2")
    assert shrinking.returncode == 0, shrinking.stderr
    assert f"still at work: {newest}" in shrinking.stdout
    assert state(running, job) == "RUNNING"
    running.run("scancel", job)
    done = stack("scale", "compute=2")
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines() if " all" in line} == set(running.nodes)


def state(running: RunningContainers, job: str) -> str:
    return running.run("squeue", "-hj", job, "-o%T").strip()


def test_down_leaves_nothing(running: RunningContainers) -> None:
    kinds = (("ps", "-a"), ("volume", "ls"), ("network", "ls"))
    assert all(running.engine.ids(*kind) for kind in kinds)
    done = stack("down")
    assert done.returncode == 0, done.stderr
    assert [running.engine.ids(*kind) for kind in kinds] == [[], [], []]
    assert not running.folder.exists()
    assert NAME not in containers.names()
