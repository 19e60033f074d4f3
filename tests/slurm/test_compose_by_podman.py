"""The Compose variant brought up by Podman: images built here, a job in a container, and the hub shows its counters."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.checkout import ROOT

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
LEFT_OUT = ("postgresql", "opensearch", "neo4j", "logstash")
PROJECT = f"slurmlens{os.getpid()}"
CONTAINERS_CONF = """[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
"""
JOB = 'cd /tmp && setpriv --reuid=alice --regid=alice --init-groups sbatch --parsable --output=/tmp/%j --wrap "sleep 4"'


class Engine:
    """Podman with a storage of its own."""

    def __init__(self, folder: Path) -> None:
        self.stack = folder / "stack"
        (folder / "containers.conf").write_text(CONTAINERS_CONF)
        storage = f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'
        (folder / "storage.conf").write_text(storage)
        conf = {"CONTAINERS_CONF": f"{folder}/containers.conf", "CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf"}
        self._env = os.environ | conf

    def run(self, *argv: str, check: bool = True) -> str:
        done = subprocess.run(argv, capture_output=True, text=True, env=self._env, cwd=self.stack.parent, check=False)
        assert not check or done.returncode == 0, f"{argv}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def compose(self, *argv: str) -> str:
        return self.run("podman-compose", "-p", PROJECT, "-f", str(self.stack / "compose.yaml"), *argv)

    def inside(self, service: str, command: str) -> str:
        return self.run("podman", "exec", f"{PROJECT}_{service}_1", "sh", "-c", command, check=False)

    def until(self, service: str, command: str, wanted: str, most_s: float = 240.0) -> str:
        deadline_s = time.monotonic() + most_s
        while wanted not in (said := self.inside(service, command)):
            assert time.monotonic() < deadline_s, f"{command} in {service}: {said}"
            time.sleep(1)
        return said


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    for program in ("podman", "podman-compose", "runc", "debootstrap"):
        if shutil.which(program) is None:
            pytest.skip(f"not installed: {program}")
    if os.geteuid() != 0:
        pytest.skip("run as root: the compute container writes cgroups")
    made = Engine(tmp_path_factory.mktemp("podman"))
    without = [f"--without={name}" for name in LEFT_OUT]
    slurmlens = str(ROOT / ".venv/bin/slurmlens")
    made.run(slurmlens, "stack", "compose", "--out", str(made.stack), "--compute", "2", *without, "--build", "podman")
    try:
        made.compose("up", "-d", "--scale", "compute=2")
        yield made
    finally:
        made.compose("down", "-v")
        made.run("podman", "rmi", "--all", "--force", check=False)


@pytest.mark.timeout(2400)
def test_a_job_in_containers_is_shown_by_the_hub_with_its_counters(engine: Engine) -> None:
    engine.until("slurmctld", "sinfo -hNo '%N %t' | grep -c idle", "2")
    job = engine.inside("slurmctld", JOB).strip()
    engine.until("slurmctld", f"sacct -nPXj {job} -o state", "COMPLETED")
    shown = engine.until("hub", f"/opt/slurmlens/bin/slurmlens job {job} --hub http://127.0.0.1:6830", "COMPLETED")
    assert "core-seconds" in shown
    assert "epilog" in shown
