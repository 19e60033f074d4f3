"""A small cluster for boards: three nodes, two partitions, two users, a job in two slots and one that has ended."""

from __future__ import annotations

from slurmlens.clock import NS_PER_S
from slurmlens.hub.dashboards.inputs import BoardJob, BoardNode, ClusterInputs, Placement
from slurmlens.hub.views.job.view import Phase
from slurmlens.hub.views.jobs.view import JobLine
from slurmlens.slurm.records import JobState

BEGIN_S = 1_764_000_000
DAY_S = 86_400
RUNNING = BoardJob(
    job_id=4711,
    run=1,
    name="gemm",
    user="alice",
    account="physics",
    begin_s=BEGIN_S,
    end_s=None,
    placements=(Placement("n0", 0), Placement("n1", 3), Placement("n2.cluster", 0)),
)
ENDED = BoardJob(
    job_id=4700,
    run=2,
    name="late",
    user="first.last",
    begin_s=BEGIN_S - 600,
    end_s=BEGIN_S - 60,
    placements=(Placement("n0", 1),),
)


def job_line(job: BoardJob, state: JobState, text: str) -> JobLine:
    """The job in a list."""
    return JobLine(
        job_id=job.job_id,
        run=job.run,
        phase=Phase.RUNNING if job.end_s is None else Phase.ENDED,
        state=state,
        state_text=text,
        name=job.name,
        user=job.user,
        account=job.account or None,
        partition="all",
        started_ns=job.begin_s * NS_PER_S,
        ended_ns=None if job.end_s is None else (job.end_s + DAY_S) * NS_PER_S,
    )


def small_cluster() -> ClusterInputs:
    """All of it."""
    return ClusterInputs(
        cluster="demo",
        nodes=(
            BoardNode(name="n0", partitions=("all", "gpu")),
            BoardNode(name="n1", partitions=("all",)),
            BoardNode(name="n2.cluster", partitions=("all",)),
        ),
        partitions=("all", "empty", "gpu"),
        users=("alice", "first.last"),
        accounts=("empty.account", "physics"),
        running=(job_line(RUNNING, JobState.RUNNING, "running"),),
        ended=(job_line(ENDED, JobState.FAILED, "failed, exit code 42"),),
        jobs=(ENDED, RUNNING),
    )
