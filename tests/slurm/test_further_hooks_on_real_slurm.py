"""Hooks of slurmctld, of tasks and of srun in a real Slurm with hub and daemons: what they tell, and whom they harm."""

from __future__ import annotations

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
BASE = "/run/slurmlens/controller"
SPOILED = {
    "missing": f"mount -t tmpfs over {BASE}; mkdir {BASE}/lost; chown slurm {BASE}/lost",
    "read-only": f"mount -t tmpfs -o ro over {BASE}/events",
    "full": f"mount -t tmpfs -o size=4k,mode=777 over {BASE}/events; head -c 4096 /dev/zero > {BASE}/events/filler",
    "somebody else's": f"mount -t tmpfs -o uid=3001,mode=700 over {BASE}/events",
}
MENDED = "umount $(awk '$1 == \"over\" { print $2 }' /proc/self/mounts)"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """One node with all hooks and no SPANK plugin, its daemon, and the hub on the controller's host."""
    try:
        with Sandbox() as sandbox:
            stack = Stack(sandbox, nodes=1)
            try:
                stack.start_slurm()
                stack.start_hub()
                stack.start_nodes()
                yield stack
            finally:
                stack.stop()
    except MachineLacks as error:
        pytest.skip(str(error))


def _shell(stack: Stack, script: str) -> str:
    return stack.sandbox.run(["sh", "-c", script]).stdout


def _view(stack: Stack, job_id: int) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json_client.get(f"{stack.hub.url}/jobs/{job_id}.json")
    except json_client.NotFound:
        return {}
    return found


def _texts(stack: Stack, job_id: int) -> list[str]:
    return [mark["text"] for mark in _view(stack, job_id).get("marks", [])]


def _until_told(stack: Stack, job_id: int, begin: str) -> str:
    """The first mark of the job's page that begins so."""
    found = until_blocking(
        lambda: [text for text in _texts(stack, job_id) if text.startswith(begin)],
        f"{begin!r} on the page; {_texts(stack, job_id)}",
        PATIENCE_S,
    )
    return str(found[0])


def test_slurmctlds_hooks_tell_comment_dependency_and_exit_code(stack: Stack) -> None:
    first = stack.slurm.submit("sleep 2")
    job = stack.slurm.submit("exit 42", f"--dependency=afterany:{first}", '--comment=<b>a "comment"</b>')
    assert stack.slurm.wait(job).exit_code == "42:0"
    assert _until_told(stack, job, "slurmctld took") == "slurmctld took its nodes back, exit code 42:0"
    granted = _until_told(stack, job, "slurmctld gave")
    assert 'comment: <b>a "comment"</b>' in granted
    page = stack.sandbox.run(["/usr/bin/curl", "-s", f"{stack.hub.url}/jobs/{job}"], check=False).stdout
    assert "<b>a" not in page


def test_hooks_of_tasks_and_of_srun_tell_of_steps_without_the_plugin(stack: Stack) -> None:
    script = "SLURMLENS_TAG='warm up' SLURMLENS_NOTIFY=failed,a@b.org srun -n1 /bin/sleep 1"
    job = stack.slurm.submit(script)
    assert stack.slurm.wait(job).state == "COMPLETED"
    assert _until_told(stack, job, "step 0: asks for notices: failed,a@b.org")

    def told() -> dict[str, Any] | None:
        steps = {step["step"]: step for step in _view(stack, job).get("steps", [])}
        return steps.get("0") if steps.get("0", {}).get("tag") else None

    step = until_blocking(told, "the step's tag", PATIENCE_S)
    assert step["tag"] == "warm up"
    assert 0.8 <= (step["ended_ns"] - step["started_ns"]) / 1e9 <= 30


def test_what_the_user_asked_by_his_environment_is_sampled_as_often(stack: Stack) -> None:
    job = stack.slurm.submit("SLURMLENS_INTERVAL=1 srun -n1 sleep 4")
    assert stack.slurm.wait(job).state == "COMPLETED"
    said = until_blocking(
        lambda: (view := _view(stack, job)).get("provenance", {}).get("samples") and view, "its figures", PATIENCE_S
    )
    assert said["provenance"]["samples"] >= 4


# --- that they harm nobody


def _outcome(stack: Stack) -> tuple[str, str, str]:
    jobs = [stack.slurm.submit(script) for script in ("srun true", "srun sh -c 'exit 3'; exit 42")]
    ended = [stack.slurm.wait(job) for job in jobs]
    said = (stack.sandbox.folder / "home/alice" / ended[0].output_name).read_text()
    return said, *(f"{job.state} {job.exit_code}" for job in ended)


EXPECTED = ("", "COMPLETED 0:0", "FAILED 42:0")


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_dropbox_of_the_controller_changes_no_jobs_end(stack: Stack, how: str) -> None:
    _shell(stack, SPOILED[how])
    try:
        assert _outcome(stack) == EXPECTED
    finally:
        _shell(stack, MENDED)
    assert "drain" not in stack.slurm.slurm("sinfo", "--noheader", "--format=%T")


def test_a_daemon_that_is_stopped_or_dead_changes_no_jobs_end(stack: Stack) -> None:
    (daemon,) = stack.nodes.values()
    assert daemon.process is not None
    daemon.process.pause()
    try:
        assert _outcome(stack) == EXPECTED
    finally:
        daemon.process.resume()
    daemon.stop()
    assert _outcome(stack) == EXPECTED
