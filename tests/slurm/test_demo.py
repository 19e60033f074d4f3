"""`make demo`: two at once end well and leave nothing; killed at any step, what is left the next start removes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from deploy.sandbox import CHECKOUT
from deploy.slurm import SmallSlurm

from deploy import instance
from testkit.leftovers import account_files, cgroup_processes, tree_outside, wait_gone

pytestmark = pytest.mark.slurm
DEMO_MAX_S = 300.0


@dataclass
class Demo:
    """A demo that runs, and what it said so far."""

    process: subprocess.Popen[str]
    said: str = ""

    @property
    def identity(self) -> str:
        found = re.search(r"instance (d[0-9a-f]{3});", self.said)
        assert found is not None, self.said
        return found[1]

    def read_until(self, text: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if text in line:
                return
        pytest.fail(f"the demo ended before {text!r}:\n{self.said}")

    def finish(self) -> int:
        self.said += self.process.communicate(timeout=DEMO_MAX_S)[0]
        return self.process.returncode


@pytest.fixture
def demos(small_slurm: SmallSlurm) -> Iterator[list[Demo]]:
    """Demos of a test; skips where a small Slurm cannot run, and ends what the test has left running."""
    started: list[Demo] = []
    yield started
    for demo in started:
        demo.process.kill()
        demo.process.communicate()
    instance.remove_leftovers()


def start(demos: list[Demo], *arguments: str) -> Demo:
    # What `make demo` runs: the target itself would wait for the lock of the `make test` around us.
    command = [sys.executable, "-m", "deploy.demo", *arguments]
    process = subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    demos.append(Demo(process))
    return demos[-1]


def test_two_demos_at_once_end_well_and_leave_nothing(demos: list[Demo]) -> None:
    accounts, before = account_files(), tree_outside()
    for seed in ("1", "2"):
        start(demos, "--exit-after-check", "--seed", seed, "--random", "1")
    for demo in demos:
        status = demo.finish()
        assert [line for line in demo.said.splitlines() if "BAD" in line] == []
        assert status == 0, demo.said
        assert "every check was good" in demo.said
    assert len({demo.identity for demo in demos}) == 2
    for demo in demos:
        assert wait_gone(demo.identity) == []
        assert cgroup_processes(demo.identity) == []
        assert not (instance.BASE / f"{instance.PREFIX}{demo.identity}").exists()
    assert tree_outside() - before == set()
    assert account_files() == accounts


# A demo takes most of a minute to come to its late steps: they are looked at where slow tests are.
@pytest.mark.parametrize(
    "step", ["[3/", "[5/", *(pytest.param(step, marks=pytest.mark.slow) for step in ("[4/", "[7/", "[8/", "[9/"))]
)
def test_a_demo_killed_at_a_step_leaves_only_what_the_next_start_removes(demos: list[Demo], step: str) -> None:
    accounts, before = account_files(), tree_outside()
    demo = start(demos, "--random", "0", "--exit-after-check")  # it ends where the step never comes
    demo.read_until(step)
    demo.process.kill()
    demo.process.wait()
    assert wait_gone(demo.identity) == []
    assert cgroup_processes(demo.identity) == []
    assert tree_outside() - before == set()
    assert account_files() == accounts
    assert demo.identity in instance.remove_leftovers()
    assert not (instance.BASE / f"{instance.PREFIX}{demo.identity}").exists()
