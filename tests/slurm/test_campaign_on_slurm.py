"""Campaigns on a real Slurm: the optimum is found, and whatever dies or stalls no point runs twice and none is lost.

The judge is what the jobs themselves append to a ledger, and squeue; never the controller's own record.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deploy.slurm import SmallSlurm

from slurmlens.campaign.optimisers.latin_hypercube import design
from slurmlens.campaign.space import Real, Space
from testkit.checkout import ROOT

pytestmark = pytest.mark.slurm

PROGRAM = [sys.executable, "-m", "slurmlens.cli.main", "campaign"]
MORTAL = [sys.executable, str(ROOT / "tests" / "testkit" / "mortal_campaign.py")]
QUICK = """
[poll]
interval_s = 0.3
interval_max_s = 0.5
stray_after_s = {stray_s}
timeout_s = {timeout_s}
"""
THREE_POINTS = """
name = "{name}"
[[objective]]
name = "y"
[job]
script = "run.sh"
time_s = 60
[optimiser]
use = "latin-hypercube"
start_points = 3
seed = 3
[limits]
at_once = 2
[space]
x = {{ low = 0.0, high = 1.0 }}
[result.y]
file = "y"
match = '(\\S+)'
{more}
"""
SCRIPT = """#!/bin/sh
echo "$SLURM_JOB_NAME $SLURM_JOB_ID" >> {ledger}
{body}
echo "$P_x" > y
"""
_numbers = itertools.count(1)


class Case:
    """A campaign of alice's on the small Slurm, with its ledger."""

    def __init__(
        self, slurm: SmallSlurm, *, body: str = "", more: str = "", stray_s: int = 1, timeout_s: int = 30
    ) -> None:
        self.slurm = slurm
        self.name = f"t{next(_numbers)}"
        self.folder = slurm.sandbox.folder / "home" / "alice" / self.name
        self.folder.mkdir()
        self.ledger = self.folder / "ledger"
        self.file = self.folder / "campaign.toml"
        more += QUICK.format(stray_s=stray_s, timeout_s=timeout_s)
        self.file.write_text(THREE_POINTS.format(name=self.name, more=more))
        (self.folder / "run.sh").write_text(SCRIPT.format(ledger=self.ledger, body=body))
        self.own()

    def own(self) -> None:
        self.slurm.sandbox.run(["chown", "-R", "alice:", str(self.folder)])

    def run(
        self, *arguments: str, program: list[str] = PROGRAM, timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        return self.slurm.sandbox.run(
            [*program, *arguments], user="alice", check=False, timeout_s=timeout_s, cwd=self.folder
        )

    def finish(self) -> None:
        done = self.run("run", str(self.file))
        assert done.returncode == 0, done.stderr

    def status(self) -> dict[str, object]:
        view: dict[str, object] = json.loads(self.run("status", "--json", str(self.file)).stdout)
        return view

    def ran(self) -> Counter[str]:
        """How often each name ran, by the jobs' own word."""
        lines = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        return Counter(line.split()[0] for line in lines)

    def left(self) -> list[str]:
        queue = self.slurm.slurm("squeue", "--noheader", "--format=%j %T").splitlines()
        return [line for line in queue if line.startswith(f"sl.{self.name}.")]

    def judge(self) -> None:
        """No point twice, none lost, the same optimum as always, nothing left behind."""
        assert self.ran() == {f"sl.{self.name}.{point}.1": 1 for point in (1, 2, 3)}
        view = self.status()
        assert (view["state"], view["counts"], view["best"]) == ("ended", {"fine": 3}, BEST)
        assert self.left() == []


BEST = 1 + min(range(3), key=lambda place: design(Space((Real("x", 0.0, 1.0),)), 3, 3)[place][0])
"""Which of the three points of seed 3 is the least; the same whatever died."""


@pytest.fixture
def case(small_slurm: SmallSlurm) -> Callable[..., Case]:
    return lambda **named: Case(small_slurm, **named)


def test_the_block_size_with_the_known_optimum_is_found(small_slurm: SmallSlurm) -> None:
    folder = small_slurm.sandbox.folder / "home/alice/block-size"
    shutil.copytree(ROOT / "examples" / "block-size", folder)
    file = folder / "campaign.toml"
    file.write_text(file.read_text() + QUICK.format(stray_s=1, timeout_s=30))
    small_slurm.sandbox.run(["chown", "-R", "alice:", str(folder)])

    def campaign(*arguments: str) -> str:
        return small_slurm.sandbox.run([*PROGRAM, *arguments, str(file)], user="alice", cwd=folder).stdout

    said = campaign("validate")
    assert "slurmctld would take the job" in said
    assert re.search(r"^idle now in all: [0-3] of 3 nodes, \d+ cores; \d of \d+ runs of 1 node", said, re.MULTILINE)
    campaign("run")
    view = json.loads(campaign("status", "--json"))
    best = next(point for point in view["points"] if point["point"] == view["best"])
    assert best["parameters"] == {"tile_m": 48, "tile_n": 96, "order": "ikj"}
    assert best["values"] == {"seconds": 1.0}
    page = Path(campaign("report").strip())
    assert "<svg" in page.read_text()


def deaths(case: Callable[..., Case], steps: Iterator[int], when: str) -> int:
    """Kill at each of those steps in a campaign of its own, and go on; how many deaths there were."""
    for count, step in enumerate(steps):
        one = case()
        died = one.run(str(step), when, "campaign", "run", str(one.file), program=MORTAL)
        if died.returncode == 0:
            return count  # beyond the last step
        assert died.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), died.stderr
        one.finish()
        one.judge()
    raise AssertionError("the steps never end")


@pytest.mark.parametrize("when", ["before", "after", "within"])
def test_killed_at_some_steps_no_point_runs_twice_and_none_is_lost(case: Callable[..., Case], when: str) -> None:
    first = {"before": 1, "after": 4, "within": 7}[when]
    assert deaths(case, itertools.count(first, 9), when) >= 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("when", ["before", "after", "within"])
def test_killed_at_every_step_no_point_runs_twice_and_none_is_lost(case: Callable[..., Case], when: str) -> None:
    assert deaths(case, itertools.count(1), when) >= 30


def test_two_controllers_at_once_the_second_says_so_and_ends(case: Callable[..., Case]) -> None:
    one = case(body="sleep 3")
    argv = one.slurm.sandbox.enter([*PROGRAM, "run", str(one.file)], user="alice", cwd=one.folder)
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as first:
        until(lambda: bool(one.ran()), "the first job")
        second = one.run("run", str(one.file))
        assert second.returncode == 3
        assert "is run by process" in second.stderr
        assert first.wait(60) == 0
    one.judge()


def test_slurmctld_stalled_in_a_submission_nothing_runs_twice(case: Callable[..., Case]) -> None:
    """sbatch is killed by the time-out while slurmctld stands still; its submission is served afterwards."""
    one = case(timeout_s=1, stray_s=5)
    controller = one.slurm.controller
    controller.pause()
    argv = one.slurm.sandbox.enter([*PROGRAM, "run", str(one.file)], user="alice", cwd=one.folder)
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as running:
        try:
            until(lambda: "did not answer" in journal(one), "an unanswered submission")
        finally:
            controller.resume()
        assert running.wait(120) == 0
    one.judge()


def test_an_application_that_fails_is_infeasible_and_one_that_says_nothing_too(case: Callable[..., Case]) -> None:
    body = "case $SLURMLENS_POINT in 1) exit 42;; 2) exit 0;; esac"
    one = case(body=body, more="[failure]\nfile_wait_s = 1\n")
    one.finish()
    points = {point["point"]: point for point in one.status()["points"]}  # type: ignore[attr-defined]
    assert (points[1]["state"], points[1]["reason"]) == ("infeasible", "exit code 42")
    assert (points[2]["state"], points[2]["reason"]) == ("infeasible", "no result: y was not written")
    assert points[3]["state"] == "fine"
    assert set(one.ran().values()) == {1}


def test_what_a_person_cancels_is_withdrawn_and_not_tried_again(case: Callable[..., Case]) -> None:
    one = case(body='[ "$SLURMLENS_POINT" != 1 ] || sleep 60')
    argv = one.slurm.sandbox.enter([*PROGRAM, "run", str(one.file)], user="alice", cwd=one.folder)
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as running:
        until(lambda: f"sl.{one.name}.1.1" in one.ran(), "the run of point 1")
        one.slurm.slurm("scancel", f"--name=sl.{one.name}.1.1", user="alice")
        assert running.wait(60) == 0
    states = [point["state"] for point in one.status()["points"]]  # type: ignore[attr-defined]
    assert states == ["withdrawn", "fine", "fine"]


def test_stop_ends_what_runs_and_leaves_nothing_in_the_queue(case: Callable[..., Case]) -> None:
    one = case(body="sleep 60")
    argv = one.slurm.sandbox.enter([*PROGRAM, "run", str(one.file)], user="alice", cwd=one.folder)
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as running:
        until(lambda: len(one.ran()) == 2, "two runs")
        assert "asked process" in one.run("stop", str(one.file)).stdout
        assert running.wait(60) == 0
    assert one.left() == []
    assert one.status()["state"] == "ended"


def test_a_run_that_cannot_win_is_ended_and_what_that_saved_is_told(case: Callable[..., Case]) -> None:
    """Point 1 ends at once and is best; the others converge on more and are ended long before their end."""
    body = """[ "$SLURMLENS_POINT" = 1 ] || for k in $(seq 1 300); do
    echo "$k $(awk -v k=$k 'BEGIN { print 5 + exp(-k / 4) }')" >> course; sleep 0.2
done"""
    one = case(body=body, more='[running]\nfile = "course"\nsteps = 300\n[early_stop]\nafter = 0.05\n')
    began_s = time.monotonic()
    one.finish()
    view = one.status()
    states = [point["state"] for point in view["points"]]  # type: ignore[attr-defined]
    assert states == ["fine", "stopped", "stopped"]
    assert 0 < view["saved_low_node_hours"] <= view["saved_high_node_hours"]  # type: ignore[operator]
    assert time.monotonic() - began_s < 60, "two runs of a minute each were not awaited"


def journal(one: Case) -> str:
    said = one.run("status", "--json", str(one.file))
    return said.stdout


def until(condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"no {what} within {timeout_s} s"
        time.sleep(0.1)
