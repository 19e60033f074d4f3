"""Submits the planned jobs and waits for their ends, telling each as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deploy.errors import ComponentFailed
from deploy.slurm import Accounted, SmallSlurm
from deploy.workloads.scenario import Planned, Role

RUN_MAX_S = 240.0
POLL_S = 0.5
ARRAY_TASKS = 3
CANCEL_AFTER_S = 3.0


@dataclass(frozen=True)
class Ended:
    """A planned job (an array task by itself) with the accounting of its end and the nodes it ran on."""

    planned: Planned
    accounted: Accounted
    nodes: tuple[str, ...]

    @property
    def job_id(self) -> int:
        return self.accounted.job_id


def run_jobs(
    slurm: SmallSlurm, planned: Sequence[Planned], folder: str, say: Callable[[str], None], most_s: float = RUN_MAX_S
) -> list[Ended]:
    """Runs all of them to their end; `folder` is where the workloads are."""
    submitted = {submit(slurm, each, folder, say): each for each in planned}
    waiting = {job_id: ARRAY_TASKS if each.role is Role.ARRAY else 1 for job_id, each in submitted.items()}
    ended: dict[int, Ended] = {}
    cancel = _Cancel(slurm, {job_id: each for job_id, each in submitted.items() if each.role is Role.CANCELLED})
    deadline = time.monotonic() + most_s
    while any(waiting.values()):
        for accounted in slurm.accounted():
            job = accounted.submitted_id
            if accounted.complete and accounted.job_id not in ended and job in submitted:
                ended[accounted.job_id] = _ended(slurm, submitted[job], accounted, say)
                waiting[job] -= 1
        cancel.look()
        if time.monotonic() > deadline:
            late = ", ".join(str(job_id) for job_id, count in waiting.items() if count)
            raise ComponentFailed("slurm", f"jobs {late} have not ended after {most_s:.0f} s")
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


class _Cancel:
    """Cancels jobs some seconds after they began to run, as their own users."""

    def __init__(self, slurm: SmallSlurm, jobs: Mapping[int, Planned]) -> None:
        self._slurm = slurm
        self._jobs = dict(jobs)
        self._running_since: dict[int, float] = {}

    def look(self) -> None:
        for job_id, planned in list(self._jobs.items()):
            if job_id not in self._running_since and self._slurm.state(job_id) == "RUNNING":
                self._running_since[job_id] = time.monotonic()
            since = self._running_since.get(job_id)
            if since is not None and time.monotonic() - since > CANCEL_AFTER_S:
                self._slurm.slurm("scancel", str(job_id), user=planned.submission.user)
                del self._jobs[job_id]


def _ended(slurm: SmallSlurm, planned: Planned, accounted: Accounted, say: Callable[[str], None]) -> Ended:
    nodes = tuple(slurm.slurm("scontrol", "show", "hostnames", accounted.nodes).split())
    end = f"{accounted.state} {accounted.exit_code}"
    say(f"job {accounted.job_id} {planned.submission.name} of {accounted.user}: {end} on {accounted.nodes}")
    return Ended(planned, accounted, nodes)
