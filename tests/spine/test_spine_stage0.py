"""Stage 0: a Slurm that knows nothing of us. Jobs are found, sampled and ended from the cgroup tree alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from deploy.errors import MachineLacks

from testkit.spine import Spine, spine

pytestmark = pytest.mark.slurm


@pytest.fixture(scope="module")
def bare() -> Iterator[Spine]:
    """One node, no hook in slurm.conf."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(spine(nodes=1, hooks=False))
        except MachineLacks as error:
            pytest.skip(str(error))
        yield running


def test_without_any_hook_a_job_is_found_sampled_and_ended(bare: Spine) -> None:
    job = bare.submit('"$WORKLOADS/burn" 2; sleep 3', "--mem=200")
    view = bare.ended_view(job)
    assert view["state_text"] == "COMPLETED"
    assert view["cpu"]["used"] == pytest.approx(2.0, rel=0.15)
    starts = [event for event in bare.events(job) if event["event"]["action"] == "job-start"]
    assert [start["slurm"]["witness"] for start in starts] == ["cgroup"]
    assert view["times"]["start_source"] != "hook"


def test_without_any_hook_a_short_job_is_not_missed(bare: Spine) -> None:
    job = bare.submit('exec "$WORKLOADS/burn" 0.3', "--mem=200")
    view = bare.ended_view(job)
    assert view["cpu"]["used"] == pytest.approx(0.3, rel=0.15)
