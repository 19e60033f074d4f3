"""SIGKILL of whoever holds an instance, at any stage, leaves no process, mount, full cgroup or file elsewhere."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from deploy.sandbox import CHECKOUT
from deploy.slurm import SmallSlurm

from deploy import cgroup_folders, instance

pytestmark = pytest.mark.slurm
GONE_MAX_S = 10.0
STAGE_MAX_S = 90.0

# Starts an instance as the demo does and says how far it is; stays at the end.
HOLDER = """
import signal
from deploy.sandbox import Sandbox
from deploy.slurm import SmallSlurm
def stage(name): print("stage", name, flush=True)
sandbox = Sandbox()
print("instance", sandbox.identity, flush=True)
stage("folder")
sandbox.start()
stage("namespace")
slurm = SmallSlurm(sandbox)
slurm.start_accounting()
stage("accounting")
slurm.start_scheduler()
stage("slurm")
slurm.submit("srun --overlap sleep 600 & sleep 600; wait", "--nodes=2", "--ntasks=2")
slurm.wait_state(1, "RUNNING")
stage("job")
signal.pause()
"""


@dataclass
class Held:
    """A process that holds an instance."""

    process: subprocess.Popen[str]
    identity: str

    def reach(self, stage: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line == f"stage {stage}\n":
                return
        pytest.fail(f"the holder ended before stage {stage}")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def held(small_slurm: SmallSlurm) -> Iterator[Held]:
    """Starts beside the session's own small Slurm, which must not be disturbed (and skips where that cannot run)."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )
    assert process.stdout is not None
    found = re.fullmatch(r"instance (d[0-9a-f]{3})\n", process.stdout.readline())
    assert found is not None
    yield Held(process, found[1])
    process.kill()
    process.wait()
    process.stdout.close()
    instance.remove_leftovers()


def processes_of(identity: str) -> list[str]:
    """Command lines of processes that belong to the instance: by name, or by what they have mounted."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            mounts = (folder / "mounts").read_text()
        except OSError:
            continue
        if int(folder.name) != os.getpid() and (f"slurmlens-{identity}" in command + mounts):
            found.append(command)
    return found


def wait_gone(identity: str) -> list[str]:
    deadline = time.monotonic() + GONE_MAX_S
    while (left := processes_of(identity)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def tree_outside() -> set[str]:
    """What lies where an instance could have written by mistake; in /tmp, where others write, what is not root's."""
    places = ("/run", "/var/tmp", "/dev/shm", "/etc/slurm", "/run/munge", "/run/slurmlens", "/var/lib/slurm")
    paths = [path for place in places if Path(place).is_dir() for path in Path(place).iterdir()]
    paths += [path for path in Path("/tmp").iterdir() if path.lstat().st_uid != 0 or "slurmlens-d" in path.name]
    return {str(path) for path in paths}


@pytest.mark.parametrize("stage", ["folder", "namespace", "accounting", "slurm", "job"])
def test_killed_at_a_stage_it_leaves_only_what_the_next_start_removes(
    held: Held, small_slurm: SmallSlurm, stage: str
) -> None:
    accounts = [Path(name).read_bytes() for name in ("/etc/passwd", "/etc/group", "/etc/hosts")]
    before = tree_outside()
    held.reach(stage)
    folder = instance.BASE / f"{instance.PREFIX}{held.identity}"
    assert instance.is_live(folder)
    held.kill()
    assert wait_gone(held.identity) == []
    assert cgroup_folders.processes(held.identity) == []
    assert tree_outside() - before <= {str(folder)}
    assert [Path(name).read_bytes() for name in ("/etc/passwd", "/etc/group", "/etc/hosts")] == accounts
    assert held.identity in instance.remove_leftovers()
    assert not folder.exists()
    assert held.identity not in cgroup_folders.owners()
    assert small_slurm.ready(), "the other instance was disturbed"


def test_two_instances_run_jobs_of_the_same_id_at_once_and_do_not_meet(held: Held, small_slurm: SmallSlurm) -> None:
    held.reach("job")
    mine = small_slurm.submit("sleep 30")
    small_slurm.wait_state(mine, "RUNNING")
    owners = {owner for owner, folder in cgroup_folders.find() if list(folder.glob("uid_*/job_*"))}
    assert {held.identity, small_slurm.sandbox.identity} <= owners
    small_slurm.slurm("scancel", str(mine))
    assert small_slurm.wait(mine).state == "CANCELLED"
