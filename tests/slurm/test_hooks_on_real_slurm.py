"""The emitter as Prolog and Epilog of a real slurmd, no daemon anywhere: what it says, and that it harms no job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox
from deploy.slurm import SmallSlurm

from deploy import slurmlens
from slurmlens.hook_events import HookEvent, HookRole
from slurmlens.wire import hook

pytestmark = pytest.mark.slurm

BASE = "/run/slurmlens"
SPOILED = {
    "missing": f"mount -t tmpfs over {BASE}; mkdir {BASE}/lost",
    "a file": f"mount -t tmpfs over {BASE}; mkdir {BASE}/lost; touch {BASE}/events",
    "read-only": f"mount -t tmpfs -o ro over {BASE}/events",
    "full": f"mount -t tmpfs -o size=4k over {BASE}/events; head -c 4096 /dev/zero > {BASE}/events/filler",
}
"""Each by one mount over what is there; its name, `over`, tells it when it is taken away."""

MENDED = "umount $(awk '$1 == \"over\" { print $2 }' /proc/self/mounts)"


@pytest.fixture(scope="module")
def hooked_slurm() -> Iterator[SmallSlurm]:
    with ExitStack() as stack:
        try:
            sandbox = stack.enter_context(Sandbox())
            prolog, epilog = slurmlens.hooks(sandbox)
            slurm = SmallSlurm(sandbox, nodes=2, prolog=prolog, epilog=epilog)
        except MachineLacks as error:
            pytest.skip(str(error))
        slurmlens.make_dropboxes(sandbox, slurm.node_names)
        sandbox.run(["mkdir", "-p", f"{BASE}/lost"])
        stack.callback(slurm.stop)
        slurm.start()
        yield slurm


def _shell(slurm: SmallSlurm, script: str) -> str:
    return slurm.sandbox.run(["sh", "-c", script]).stdout


def _events_of(slurm: SmallSlurm, job_id: int) -> list[HookEvent]:
    lines = _shell(slurm, f"cat {BASE}/events/*/*.json").splitlines()
    events = [hook.decode(line.encode()) for line in lines]
    return [event for event in events if event.job.job_id == job_id]


def _node_states(slurm: SmallSlurm) -> set[str]:
    said = slurm.slurm("sinfo", "--noheader", "--Node", "--format=%N %T %E")
    return {line.partition(" ")[2] for line in said.splitlines()}


def test_a_job_over_two_nodes_is_told_by_both_hooks_of_both(hooked_slurm: SmallSlurm) -> None:
    job = hooked_slurm.submit("exit 42", "--nodes=2", user="alice")
    assert hooked_slurm.wait(job).exit_code == "42:0"
    events = _events_of(hooked_slurm, job)
    expected = {(role, node) for role in HookRole for node in hooked_slurm.node_names}
    assert {(event.role, event.node) for event in events} == expected
    assert len(events) == 4
    for event in events:
        assert (event.cluster, event.job.user_name, event.job.node_count) == ("demo", "alice", 2)
        assert event.unusable == ()
    epilogs = [event.job for event in events if event.role is HookRole.EPILOG]
    assert {(job.exit_code, job.exit_signal) for job in epilogs} == {(42, 0)}


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_dropbox_harms_no_job_and_drains_no_node(hooked_slurm: SmallSlurm, how: str) -> None:
    _shell(hooked_slurm, f"rm -f {BASE}/lost/*; {SPOILED[how]}")
    try:
        job = hooked_slurm.submit("srun true", "--nodes=2")
        ended = hooked_slurm.wait(job)
        lost = _shell(hooked_slurm, f"cat {BASE}/lost/prolog")
    finally:
        _shell(hooked_slurm, MENDED)
    assert (ended.state, ended.exit_code) == ("COMPLETED", "0:0")
    assert lost == ".."
    assert not [state for state in _node_states(hooked_slurm) if "drain" in state or "rror" in state]
