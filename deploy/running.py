"""Submits the planned jobs and waits for their ends, telling each as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deploy.errors import ComponentFailed
from deploy.slurm import Accounted, SmallSlurm
from deploy.workloads.scenario import Planned, Role

RUN_MAX_S = 240.0
POLL_S = 0.5
ARRAY_TASKS = 3


@dataclass(frozen=True)
class Ended:
    """A planned job (an array task by itself) with the accounting of its end and the nodes it ran on."""

    planned: Planned
    accounted: Accounted
    nodes: tuple[str, ...]

    @property
    def job_id(self) -> int:
        return self.accounted.job_id


def run_jobs(slurm: SmallSlurm, planned: Sequence[Planned], folder: str, say: Callable[[str], None]) -> list[Ended]:
    """Runs all of them to their end; `folder` is where the workloads are."""
    submitted = {submit(slurm, each, folder, say): each for each in planned}
    waiting = {job_id: ARRAY_TASKS if each.role is Role.ARRAY else 1 for job_id, each in submitted.items()}
    ended: dict[int, Ended] = {}
    deadline = time.monotonic() + RUN_MAX_S
    while any(waiting.values()):
        for accounted in slurm.accounted():
            job = accounted.submitted_id
            if accounted.complete and accounted.job_id not in ended and job in submitted:
                ended[accounted.job_id] = _ended(slurm, submitted[job], accounted, say)
                waiting[job] -= 1
        _cancel_endless(slurm, submitted)
        if time.monotonic() > deadline:
            late = ", ".join(str(job_id) for job_id, count in waiting.items() if count)
            raise ComponentFailed("slurm", f"jobs {late} have not ended after {RUN_MAX_S:.0f} s")
        time.sleep(POLL_S)
    return [ended[job_id] for job_id in sorted(ended)]


def submit(slurm: SmallSlurm, planned: Planned, folder: str, say: Callable[[str], None]) -> int:
    """Runs the very command that it shows, as the job's user in their home, and returns the job id."""
    submission = planned.submission
    say(f"{planned.role.value}: {submission.shown(folder)}")
    said = slurm.sandbox.run(
        submission.command(folder),
        user=submission.user,
        env={"WORKLOADS": folder},
        cwd=slurm.sandbox.folder / "home" / submission.user,
    )
    return int(said.stdout.strip())


def _cancel_endless(slurm: SmallSlurm, submitted: dict[int, Planned]) -> None:
    """The job that is to be cancelled is, once it runs, by its own user."""
    for job_id, planned in submitted.items():
        if planned.role is Role.CANCELLED and slurm.state(job_id) == "RUNNING":
            slurm.slurm("scancel", str(job_id), user=planned.submission.user)


def _ended(slurm: SmallSlurm, planned: Planned, accounted: Accounted, say: Callable[[str], None]) -> Ended:
    nodes = tuple(slurm.slurm("scontrol", "show", "hostnames", accounted.nodes).split())
    end = f"{accounted.state} {accounted.exit_code}"
    say(f"job {accounted.job_id} {planned.submission.name} of {accounted.user}: {end} on {accounted.nodes}")
    return Ended(planned, accounted, nodes)
