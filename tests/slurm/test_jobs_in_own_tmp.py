"""Jobs with a /tmp and a mount namespace of their own (job_container/tmpfs of a real Slurm): hooks, plugin and the
socket of jobs work in there, too.

Slurm 22.05 itself cannot make the namespace of about every third job on this machine, without hooks and plugin as with
them (`_mount_private_tmp: /tmp mount failed, No such file or directory`): it holds that job as requeued. Such a job is
cancelled here and submitted again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox
from deploy.slurm import ENDED, Accounted
from deploy.slurmlens import program
from deploy.stack import Stack

from deploy import instance, json_client
from testkit.waiting import until_blocking

pytestmark = pytest.mark.slurm

PATIENCE_S = 90.0
ATTEMPTS = 20
SLURM_FAILED = "launch failed requeued held"
OUTSIDE_TMP = Path("/srv")
"""A job sees nothing of the machine's /tmp, so Slurm's spool, the homes and the hooks must not lie in there."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """One node with all hooks and the plugin, whose jobs each have a /tmp of their own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(instance, "BASE", OUTSIDE_TMP)
        try:
            with Sandbox() as sandbox:
                base = sandbox.make_folder("job-tmp")
                conf = sandbox.folder / "etc/slurm/job_container.conf"
                conf.write_text(f"AutoBasePath=true\nBasePath={base}\n")
                stack = Stack(sandbox, nodes=1, extra_conf="JobContainerType=job_container/tmpfs", with_plugin=True)
                try:
                    stack.start_slurm()
                    stack.start_hub()
                    stack.start_nodes()
                    yield stack
                finally:
                    stack.stop()
        except MachineLacks as error:
            pytest.skip(str(error))


def _run(stack: Stack, script: str) -> Accounted:
    """The ended job of the first attempt for which Slurm made a namespace."""
    for _ in range(ATTEMPTS):
        job_id = stack.slurm.submit(script)
        if until_blocking(lambda job=job_id: _state(stack, job), f"job {job_id} ends", PATIENCE_S) != SLURM_FAILED:
            return stack.slurm.wait(job_id)
        stack.slurm.slurm("scancel", str(job_id))
    raise AssertionError(f"{ATTEMPTS} jobs were not launched")


def _state(stack: Stack, job_id: int) -> str | None:
    """The job's last state, or that Slurm gave it up; None while it may go on."""
    state, reason = stack.slurm.slurm("squeue", "-h", "-t", "all", f"-j{job_id}", "-o", "%T|%r").strip().split("|")
    return SLURM_FAILED if reason == SLURM_FAILED else state if state in ENDED else None


def _view(stack: Stack, job_id: int) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json_client.get(f"{stack.hub.url}/jobs/{job_id}.json")
    except json_client.NotFound:
        return {}
    return found


def _ended(stack: Stack, job_id: int) -> dict[str, Any]:
    def settled() -> dict[str, Any] | None:
        view = _view(stack, job_id)
        return view if view.get("phase") == "ended" and not view.get("is_live") else None

    found: dict[str, Any] = until_blocking(settled, f"end of job {job_id}; {_view(stack, job_id)}", PATIENCE_S)
    return found


def test_hooks_plugin_and_counters_tell_of_a_job_in_its_own_tmp(stack: Stack) -> None:
    script = "touch /tmp/mine; ls -A /tmp; SLURMLENS_TAG=inside srun -n1 sh -c 'touch /tmp/ours; ls -A /tmp'"
    job = _run(stack, script)
    assert (job.state, job.exit_code) == ("COMPLETED", "0:0")
    assert (stack.sandbox.folder / "home/alice" / job.output_name).read_text().split() == ["mine", "mine", "ours"]
    assert "mine" not in stack.sandbox.run(["ls", "-A", "/tmp"]).stdout
    view = _ended(stack, job.job_id)
    assert {"prolog", "epilog"} <= {mark["kind"] for mark in view["marks"]}
    (step,) = [one for one in view["steps"] if one["step"] == "0"]
    assert step["tag"] == "inside"
    assert view["cpu"]["used"] > 0


@pytest.mark.parametrize("by", ["path", "abstract name"])
def test_a_job_in_its_own_tmp_speaks_to_its_daemon(stack: Stack, by: str) -> None:
    name = f"SLURMLENS_SOCKET=@slurmlens-app/{stack.slurm.node_names[0]} " if by == "abstract name" else ""
    job = _run(stack, f"{name}{program('slurmlens')} progress --strict 3/8")
    assert (job.state, job.exit_code) == ("COMPLETED", "0:0")
    view = until_blocking(
        lambda: (view := _view(stack, job.job_id)).get("progress") and view, "it is shown", PATIENCE_S
    )
    assert (view["progress"]["done"], view["progress"]["total"]) == (3, 8)
