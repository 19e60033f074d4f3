"""The same jobs with and without slurmlens end alike: states, exit codes, restarts, node states and reasons."""

from __future__ import annotations

import pytest
from deploy.sandbox import Sandbox
from deploy.slurm import SmallSlurm
from deploy.stack import Stack
from deploy.workloads import build

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

JOBS = (
    ("exit 0",),
    ("exit 42",),
    ('exec "$WORKLOADS/burn" 0.3', "--mem=200"),
    ('exec "$WORKLOADS/grow" 400', "--mem=64"),
    ('srun --mpi=pmi2 "$WORKLOADS/gemm" 256 4 50', "-N2", "--ntasks-per-node=1", "--mem=400"),
    ("exit $((SLURM_ARRAY_TASK_ID % 2))", "--array=1-20"),
    ("kill -SEGV $$",),
    ("sleep 600", "--time=1"),
)


def outcomes(slurm: SmallSlurm, workloads: str) -> tuple[list[str], list[str]]:
    """What Slurm says of every job and every node, without names that differ between instances."""
    submitted = [slurm.submit(*job, env={"WORKLOADS": workloads}) for job in JOBS]
    for job_id in submitted:
        slurm.wait(job_id, 240)
    jobs = slurm.slurm("sacct", "-n", "-P", "-X", "-a", "--format=JobID,State,ExitCode").splitlines()
    jobs += slurm.slurm("squeue", "-h", "-r", "--states=all", "--Format=JobArrayID,RestartCnt").splitlines()
    nodes = slurm.slurm("sinfo", "--noheader", "--Node", "--partition=all", "--format=%N %T %E").splitlines()
    return sorted(jobs), [line.partition("-")[2] for line in sorted(nodes)]


def test_with_and_without_slurmlens_the_same_workload_ends_the_same_way() -> None:
    with Sandbox() as sandbox:
        slurm = SmallSlurm(sandbox, nodes=3)
        slurm.start()
        without = outcomes(slurm, str(build.build(sandbox)))
        slurm.stop()
    with Sandbox() as sandbox:
        stack = Stack(sandbox, nodes=3, with_plugin=True)
        stack.start_slurm()
        stack.start_carbon()
        stack.start_hub()
        stack.start_nodes()
        with_it = outcomes(stack.slurm, str(build.build(sandbox)))
        stack.stop()
    assert with_it == without
