"""Looks at a campaign's jobs: one squeue, the files that runs left, sacct for what the queue has forgotten.

Owns the order of belief: an exit record with status 0 and all figures there is an end whatever Slurm says; else Slurm's
final state decides, the exit code after it, for a job that trapped its end may exit 0 and still have given way. Makes
the `Sight` that `controller` decides on. Called by `runner` once a turn.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from slurmlens.campaign.early_stop import ObjectiveCourse
from slurmlens.campaign.fold import Attempt, AttemptId, State
from slurmlens.campaign.record import AttemptOutcome
from slurmlens.campaign.results import CourseReader, ExitRecord, Missing, extract, read_exit_record
from slurmlens.campaign.scheduler import CampaignScheduler
from slurmlens.campaign.seen import Finish, QueuedJob, Sight
from slurmlens.campaign.settings import Campaign
from slurmlens.errors import SourceError

_OUTCOMES = {
    "TIMEOUT": AttemptOutcome.TIME,
    "OUT_OF_MEMORY": AttemptOutcome.MEMORY,
    "NODE_FAIL": AttemptOutcome.NODE,
    "BOOT_FAIL": AttemptOutcome.NODE,
    "PREEMPTED": AttemptOutcome.GAVE_WAY,
    "CANCELLED": AttemptOutcome.WITHDRAWN,
    "REVOKED": AttemptOutcome.WITHDRAWN,
    "DEADLINE": AttemptOutcome.DEADLINE,
    "FAILED": AttemptOutcome.APPLICATION,
}
_NOT_OVER = frozenset({"PENDING", "RUNNING", "SUSPENDED", "UNKNOWN"})

Figures = Callable[[int, str], float]
"""A figure of the hub's for a job; Missing where it cannot be had."""


class QueueWatch:
    """Remembers how far growing files were read, and since when a result is awaited."""

    def __init__(
        self, campaign: Campaign, scheduler: CampaignScheduler, folder_of: Callable[[AttemptId], Path], figures: Figures
    ) -> None:
        self._campaign = campaign
        self._scheduler = scheduler
        self._folder_of = folder_of
        self._figures = figures
        self._readers: dict[AttemptId, CourseReader] = {}
        self._awaited_since_s: dict[AttemptId, float] = {}
        self.trouble: str | None = None

    def look(self, state: State, now_s: float) -> Sight:
        """What is known of the living attempts now; slurmctld away is a Sight without a queue, said in `trouble`."""
        self.trouble = None
        queue: dict[int, QueuedJob] | None = None
        try:
            queue = self._scheduler.queue()
            queue |= self._forgotten(state, queue)
        except SourceError as error:
            self.trouble = str(error)
        finished: dict[AttemptId, Finish] = {}
        for attempt in state.live.values():
            if attempt.job_id is not None and (finish := self._finish(attempt, queue, now_s)) is not None:
                finished[attempt.id] = finish
        courses = self._courses(state, finished, now_s)
        for gone in self._readers.keys() - state.live.keys():
            del self._readers[gone]
        return Sight(queue, finished, courses)

    def _forgotten(self, state: State, queue: dict[int, QueuedJob]) -> dict[int, QueuedJob]:
        """Jobs that squeue does not list any more (MinJobAge), by one sacct for all; slurmdbd may be away."""
        missing = [one for one in state.live.values() if one.released and one.job_id and one.job_id not in queue]
        if not missing:
            return {}
        try:
            since_s = min(one.intent.at_s for one in missing)
            return self._scheduler.accounting([one.job_id for one in missing if one.job_id], since_s)
        except SourceError as error:
            self.trouble = str(error)
            return {}

    def _finish(self, attempt: Attempt, queue: dict[int, QueuedJob] | None, now_s: float) -> Finish | None:
        key = self._campaign.key(*attempt.id)
        job = (queue or {}).get(attempt.job_id or 0)
        job = job if job is not None and job.name == key else None
        written = read_exit_record(self._folder_of(attempt.id)) if attempt.released or job else None
        written = written if written is not None and written.key == key else None
        over = job is not None and job.state not in _NOT_OVER
        if written is not None and written.code == 0:
            return self._result(attempt, job, written, now_s)
        if over and job is not None and job.state == "COMPLETED":
            return self._result(attempt, job, written, now_s)
        if over and job is not None:
            code = written.code if written is not None else job.exit_code
            return _made(
                _OUTCOMES.get(job.state, AttemptOutcome.APPLICATION), _reason(job, code), attempt, job, written
            )
        if written is not None and queue is not None and job is None:
            return _made(AttemptOutcome.APPLICATION, f"exit code {written.code}", attempt, job, written)
        return None

    def _result(
        self, attempt: Attempt, job: QueuedJob | None, written: ExitRecord | None, now_s: float
    ) -> Finish | None:
        """A run that says it went well: its figures, or why they cannot be had; a late file is awaited for a while."""
        job_id = attempt.job_id or 0
        try:
            figures = extract(
                self._campaign.results, self._folder_of(attempt.id), lambda figure: self._figures(job_id, figure)
            )
        except Missing as missing:
            since_s = self._awaited_since_s.setdefault(attempt.id, now_s)
            if missing.late and now_s - since_s < self._campaign.failure.file_wait_s:
                return None
            return _made(AttemptOutcome.APPLICATION, f"no result: {missing}", attempt, job, written)
        self._awaited_since_s.pop(attempt.id, None)
        return _made(AttemptOutcome.FINE, "", attempt, job, written)._replace(values=figures)

    def _courses(
        self, state: State, finished: dict[AttemptId, Finish], now_s: float
    ) -> dict[AttemptId, ObjectiveCourse]:
        running = self._campaign.running
        if running is None:
            return {}
        sign = -1.0 if self._campaign.objectives[0].maximise else 1.0
        courses: dict[AttemptId, ObjectiveCourse] = {}
        for attempt in state.live.values():
            if attempt.running is not None or attempt.id in finished:
                reader = self._readers.setdefault(attempt.id, CourseReader(running, sign))
                began_s = attempt.running.started_s if attempt.running else now_s
                courses[attempt.id] = ObjectiveCourse(
                    reader.read(self._folder_of(attempt.id)), max(0.0, now_s - began_s)
                )
        return courses


def _reason(job: QueuedJob, code: int | None) -> str:
    if job.state == "FAILED":
        return f"exit code {code}" if code is not None else "failed"
    where = f" on {job.node_list}" if job.node_list else ""
    return job.state.lower().replace("_", " ") + where


def _made(
    outcome: AttemptOutcome, reason: str, attempt: Attempt, job: QueuedJob | None, written: ExitRecord | None
) -> Finish:
    nodes, node_list = attempt.intent.nodes, job.node_list if job is not None else ""
    if not node_list and attempt.running is not None:
        node_list = attempt.running.node_list
    if written is not None:
        seconds, source = max(0.0, written.ended_s - written.began_s) * nodes, "job"
    elif job is not None:
        seconds, source = job.elapsed_s * nodes, "scheduler"
    else:
        seconds, source = 0.0, "none"
    return Finish(outcome, reason, node_list, seconds, source, {})
