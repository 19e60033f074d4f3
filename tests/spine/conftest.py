"""One stack for all tests of the spine, and its jobs, submitted together because some of them take minutes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from deploy.errors import MachineLacks

from testkit.spine import Jobs, Spine, spine


@pytest.fixture(scope="session")
def road() -> Iterator[Spine]:
    with ExitStack() as stack:
        try:
            running = stack.enter_context(spine())
        except MachineLacks as error:
            pytest.skip(str(error))
        yield running


@pytest.fixture(scope="session")
def jobs(road: Spine) -> Jobs:
    """Submitted in the order of their length; compute2 is left to the tests that stop its daemon."""
    names = road.stack.slurm.node_names
    shared, both = f"--nodelist={names[0]}", f"--nodelist={names[0]},{names[1]}"
    two = "--exclude=" + names[2]
    burn = '"$WORKLOADS/burn"'
    found = Jobs(
        requeued=road.submit("sleep 6", shared, "--mem=100"),
        timeout=road.submit("sleep 600", shared, "--mem=100", "--time=1"),
        short=road.submit(f"exec {burn} 0.3", shared, "--mem=200"),
        mpi=road.submit(
            'srun --mpi=pmi2 "$WORKLOADS/gemm" 384 40 300', "-N2", "--ntasks-per-node=1", both, "--mem=600"
        ),
        failed=road.submit(f"{burn} 1; exit 42", two, "--mem=200"),
        # What it takes and keeps first is surely seen; what it takes in the moment before it is killed may not be.
        memory=road.submit('"$WORKLOADS/grow" 56; exec "$WORKLOADS/grow" 400', two, "--mem=64", user="dave"),
        cancelled=road.submit("sleep 600", two, "--mem=100", user="bob"),
        array=road.submit(f"exec {burn} 1", two, "--array=1-3", "--mem=100", user="carol"),
        pending_cancelled=road.submit("sleep 1", "--begin=now+1hour", "--mem=100"),
        hostile=road.submit("sleep 2", "--job-name=\"><script>alert(1)</script>'../..%0a.dot", two, "--mem=100"),
    )
    road.stack.slurm.wait_state(found.requeued, "RUNNING", 60)
    road.stack.slurm.slurm("scontrol", "requeue", str(found.requeued))
    road.stack.slurm.wait_state(found.cancelled, "RUNNING", 90)
    road.stack.slurm.slurm("scancel", str(found.cancelled), user="bob")
    road.stack.slurm.slurm("scancel", str(found.pending_cancelled), user="alice")
    return found
