"""SIGKILL of whoever holds an instance, at any stage, leaves no process, mount, full cgroup or file elsewhere."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from deploy.sandbox import CHECKOUT
from deploy.slurm import SmallSlurm

from deploy import cgroup_folders, instance
from testkit.leftovers import account_files, cgroup_processes, tree_outside, wait_gone
from testkit.waiting import until_blocking

pytestmark = pytest.mark.slurm

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


@pytest.mark.parametrize("stage", ["folder", "namespace", "accounting", "slurm", "job"])
def test_killed_at_a_stage_it_leaves_only_what_the_next_start_removes(
    held: Held, small_slurm: SmallSlurm, stage: str
) -> None:
    accounts, before = account_files(), tree_outside()
    held.reach(stage)
    folder = instance.BASE / f"{instance.PREFIX}{held.identity}"
    assert instance.is_live(folder)
    held.kill()
    assert wait_gone(held.identity) == []
    assert cgroup_processes(held.identity) == []
    assert tree_outside() - before == set()
    assert account_files() == accounts
    assert held.identity in instance.remove_leftovers()
    assert not folder.exists()
    assert held.identity not in cgroup_folders.owners()
    # jobs of the test before may still be on their way out there
    until_blocking(small_slurm.ready, "the other instance goes on undisturbed", patience_s=60)


def test_two_instances_run_jobs_of_the_same_id_at_once_and_do_not_meet(held: Held, small_slurm: SmallSlurm) -> None:
    held.reach("job")
    mine = small_slurm.submit("sleep 30")
    small_slurm.wait_state(mine, "RUNNING")

    def both_have_a_job() -> bool:
        """The scheduler says RUNNING before slurmd has made the job's cgroup."""
        owners = {owner for owner, folder in cgroup_folders.find() if list(folder.glob("uid_*/job_*"))}
        return {held.identity, small_slurm.sandbox.identity} <= owners

    until_blocking(both_have_a_job, "a job's cgroup in both instances")
    small_slurm.slurm("scancel", str(mine))
    assert small_slurm.wait(mine).state == "CANCELLED"
