"""Every kind of job that Slurm has, on a real one: each is a page that says what became of it.

Arrays, requeues, jobs cancelled while pending and jobs of many nodes are in tests/spine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox
from deploy.stack import Stack

from deploy import json_client
from testkit.waiting import until_blocking

pytestmark = pytest.mark.slurm

PATIENCE_S = 90.0
PREEMPTION = "PreemptType=preempt/partition_prio\nPreemptMode=CANCEL"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Two nodes with all hooks, and a partition whose jobs others may take the place of."""
    try:
        with Sandbox() as sandbox:
            stack = Stack(sandbox, nodes=2, extra_conf=PREEMPTION)
            names = ",".join(stack.slurm.node_names)
            low = f"PartitionName=low Nodes={names} PriorityTier=1 PreemptMode=CANCEL GraceTime=0"
            high = f"PartitionName=high Nodes={names} PriorityTier=10 PreemptMode=OFF"
            stack.slurm.settings = _with_extra(stack, f"{low}\n{high}")
            try:
                stack.start_slurm()
                stack.start_hub()
                stack.start_nodes()
                yield stack
            finally:
                stack.stop()
    except MachineLacks as error:
        pytest.skip(str(error))


def _with_extra(stack: Stack, lines: str) -> Any:
    from dataclasses import replace

    return replace(stack.slurm.settings, extra=f"{stack.slurm.settings.extra}\n{lines}")


def _view(stack: Stack, job: int | str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json_client.get(f"{stack.hub.url}/jobs/{job}.json")
    except json_client.NotFound:
        return {}
    return found


def _ended(stack: Stack, job: int | str) -> dict[str, Any]:
    """The job's page once it has ended and no figure is waited for."""

    def settled() -> dict[str, Any] | None:
        view = _view(stack, job)
        return view if view.get("phase") == "ended" and not view.get("is_live") else None

    found: dict[str, Any] = until_blocking(settled, f"end of job {job}; {_view(stack, job)}", PATIENCE_S)
    return found


def _until_running(stack: Stack, job: int) -> None:
    stack.slurm.wait_state(job, "RUNNING")
    until_blocking(lambda: _view(stack, job).get("nodes"), f"job {job} is seen by its nodes", PATIENCE_S)


def test_the_parts_of_a_heterogeneous_job_have_a_page_each_and_name_their_job(stack: Stack) -> None:
    first = stack.slurm.submit(
        "#!/bin/sh\n#SBATCH -n1 --mem=50\n#SBATCH hetjob\n#SBATCH -n1 --mem=60\nsrun --het-group=0,1 true\n"
    )
    stack.slurm.wait(first)
    views = [_ended(stack, f"{first}+{part}") for part in (0, 1)]
    assert [view["identity"]["het_job_id"] for view in views] == [first, first]
    assert [view["identity"]["het_job_offset"] for view in views] == [0, 1]
    assert {view["state"] for view in views} == {"COMPLETED"}


def test_a_job_that_is_preempted_says_so(stack: Stack) -> None:
    low = stack.slurm.submit("sleep 300", "--partition=low", "--nodes=2", "--exclusive")
    _until_running(stack, low)
    high = stack.slurm.submit("true", "--partition=high", "--nodes=2", "--exclusive")
    stack.slurm.wait(high)
    assert _ended(stack, low)["state"] == "PREEMPTED"
    assert _ended(stack, high)["state"] == "COMPLETED"


def test_a_job_that_gives_a_node_back_keeps_what_it_used_there(stack: Stack) -> None:
    job = stack.slurm.submit("sleep 60", "--nodes=2", "--mem=50")
    _until_running(stack, job)
    until_blocking(lambda: len(_view(stack, job)["nodes"]) == 2, "both nodes are on the page", PATIENCE_S)
    stack.slurm.slurm("scontrol", "update", f"jobid={job}", "numnodes=1", user="alice")
    until_blocking(
        lambda: stack.slurm.slurm("squeue", "--noheader", f"--jobs={job}", "--format=%D").strip() == "1",
        "it has one node",
        PATIENCE_S,
    )
    stack.slurm.slurm("scancel", str(job), user="alice")
    view = _ended(stack, job)
    assert view["state"] == "CANCELLED"
    assert len(view["nodes"]) >= 1


def test_a_job_whose_node_fails_is_node_fail_and_the_node_comes_back(stack: Stack) -> None:
    node = stack.slurm.node_names[1]
    job = stack.slurm.submit("sleep 300", f"--nodelist={node}", "--no-requeue", "--mem=50")
    _until_running(stack, job)
    stack.slurm.slurm("scontrol", "update", f"nodename={node}", "state=down", "reason=power")
    try:
        assert _ended(stack, job)["state"] == "NODE_FAIL"
    finally:
        stack.slurm.slurm(
            "scontrol", "update", f"nodename={node}", "state=resume", check=False
        )  # it may be back by itself
    until_blocking(stack.slurm.ready, "the node is back", PATIENCE_S)


def test_jobs_that_share_a_node_each_have_their_own_figures(stack: Stack) -> None:
    node = stack.slurm.node_names[0]
    burns = [
        stack.slurm.submit(f"timeout {seconds} sh -c 'while :; do :; done'", f"--nodelist={node}", "--mem=50")
        for seconds in (3, 1)
    ]
    for job in burns:
        stack.slurm.wait(job)
    views = [_ended(stack, job) for job in burns]
    used = [view["cpu"]["used"] for view in views]
    assert all(seconds is not None for seconds in used)
    assert used[0] > used[1] > 0


def test_an_allocation_without_a_step_is_a_job_with_begin_and_end(stack: Stack) -> None:
    home = stack.sandbox.folder / "home/alice"
    done = stack.sandbox.run(["salloc", "--mem=50", "sleep", "2"], user="alice", cwd=home, timeout_s=90)
    found = re.search(r"Granted job allocation (\d+)", done.stderr)
    assert found is not None
    view = _ended(stack, int(found[1]))
    assert view["state"] == "COMPLETED"
    assert 1.5 <= view["times"]["ran"]["used"] <= 30
    assert "prolog" in [mark["kind"] for mark in view["marks"]]
