"""A scheduler in simulated time for campaigns: jobs wait, run and end by the clock that the caller moves.

Stands in for `campaign.scheduler` and `campaign.watch` at once, so that the real runner, controller and optimisers
decide; only Slurm and the jobs are simulated. Used by the campaigns' benchmark and by their property tests, which also
make it misbehave: answers that are lost, submissions that arrive late, nodes that fail, slurmctld away.

Its ledger holds what ran, as the jobs themselves would write it: (name, moment) once user code starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from slurmlens.campaign.early_stop import ObjectiveCourse
from slurmlens.campaign.fold import Attempt, AttemptId, State
from slurmlens.campaign.record import AttemptOutcome, Event
from slurmlens.campaign.seen import Finish, QueuedJob, Sight
from slurmlens.campaign.settings import Campaign
from slurmlens.campaign.space import Parameters
from slurmlens.errors import SourceError

REMEMBERED_S = 300.0
OUTCOME_STATES = {
    AttemptOutcome.FINE: "COMPLETED",
    AttemptOutcome.APPLICATION: "FAILED",
    AttemptOutcome.NODE: "NODE_FAIL",
    AttemptOutcome.GAVE_WAY: "PREEMPTED",
    AttemptOutcome.TIME: "TIMEOUT",
}


class Run(NamedTuple):
    """What a job would do: its length, its figures, how it ends, and its course (one value a step, smaller is
    better).
    """

    duration_s: float
    values: Mapping[str, float]
    outcome: AttemptOutcome = AttemptOutcome.FINE
    course: Sequence[float] = ()


@dataclass
class SimulatedJob:
    """A job in the simulated queue."""

    job_id: int
    name: str
    nodes: int
    limit_s: float
    run: Run
    held: bool = True
    started_s: float | None = None
    ended_s: float | None = None
    state: str = "PENDING"


@dataclass
class SimulatedSlurm:
    """`nodes` nodes, first come first served; `now_s` is moved by `advance`."""

    campaign: Campaign
    behave: Callable[[Parameters, int], Run]
    nodes: int
    now_s: float = 1_800_000_000.0
    away: bool = False
    lose_answer: Callable[[str], bool] = lambda command: False
    jobs: dict[int, SimulatedJob] = field(default_factory=dict)
    ledger: list[tuple[str, float]] = field(default_factory=list)
    most_at_once: int = 0
    used_s: float = 0.0
    requests: int = 0
    points: dict[AttemptId, Parameters] = field(default_factory=dict)
    _active: dict[int, SimulatedJob] = field(default_factory=dict)

    # what a runner asks of it

    def prepare(self, attempt: Attempt) -> Path:
        return Path("/simulated")

    def note(self, event: Event, state: State) -> None:
        """Learn the parameters of an attempt, as its folder would hold them."""
        for attempt in state.live.values():
            self.points.setdefault(attempt.id, state.point(attempt.id[0]).parameters)

    def submit_held(self, attempt: Attempt, batch: Path, deadline_s: float | None) -> int:
        self._answerable("submit")
        job_id = len(self.jobs) + 1
        run = self.behave(self.points[attempt.id], attempt.id[1])
        name = self.campaign.key(*attempt.id)
        job = SimulatedJob(job_id, name, attempt.intent.nodes, attempt.intent.limit_s, run)
        self.jobs[job_id] = self._active[job_id] = job
        if self.lose_answer("submit"):
            raise SourceError("timed out")
        return job_id

    def find(self, key: str) -> list[int]:
        self._answerable("find")
        return [job.job_id for job in self._remembered() if job.name == key]

    def release(self, job_id: int) -> None:
        self._answerable("release")
        if job_id not in self.jobs:
            raise SourceError("Invalid job id specified")
        self.jobs[job_id].held = False
        self._start()
        if self.lose_answer("release"):
            raise SourceError("timed out")

    def end(self, job_ids: Sequence[int], signal: str | None) -> None:
        self._answerable("end")
        for job_id in job_ids:
            job = self.jobs[job_id]
            if job.ended_s is None and signal is None:
                self._finish(job, "CANCELLED")
        self._start()

    def look(self, state: State, now_s: float) -> Sight:
        if self.away:
            return Sight()
        self.requests += 1
        queue = {job.job_id: self._line(job) for job in self._remembered()}
        finished: dict[AttemptId, Finish] = {}
        courses: dict[AttemptId, ObjectiveCourse] = {}
        for attempt in state.live.values():
            job = self.jobs.get(attempt.job_id or 0)
            if job is None or (job.started_s is None and job.ended_s is None):
                continue
            if job.ended_s is not None:
                finished[attempt.id] = self._outcome(job)
            courses[attempt.id] = self._course(job)
        return Sight(queue, finished, courses)

    def clock(self) -> float:
        return self.now_s

    # simulated time

    def advance(self, seconds: float) -> None:
        """Let time pass; jobs start and end at their own moments within it."""
        target_s = self.now_s + seconds
        while True:
            running = [job for job in self._active.values() if job.started_s is not None]
            next_end_s = min((self._end_of(job) for job in running), default=target_s)
            if next_end_s >= target_s:
                break
            self.now_s = max(self.now_s, next_end_s)
            for job in running:
                if self._end_of(job) <= self.now_s:
                    over = job.run.duration_s > job.limit_s
                    self._finish(job, "TIMEOUT" if over else OUTCOME_STATES[job.run.outcome])
            self._start()
        self.now_s = target_s

    def _end_of(self, job: SimulatedJob) -> float:
        assert job.started_s is not None
        return job.started_s + min(job.run.duration_s, job.limit_s)

    def _answerable(self, command: str) -> None:
        self.requests += 1
        if self.away:
            raise SourceError("Unable to contact slurm controller (connect failure)")

    def _remembered(self) -> list[SimulatedJob]:
        young_s = self.now_s - REMEMBERED_S
        return [job for job in self.jobs.values() if job.ended_s is None or job.ended_s > young_s]

    def _start(self) -> None:
        busy = sum(job.nodes for job in self._active.values() if job.started_s is not None)
        for job in self._active.values():
            if job.started_s is None and not job.held and busy + job.nodes <= self.nodes:
                job.started_s, job.state = self.now_s, "RUNNING"
                busy += job.nodes
                self.ledger.append((job.name, self.now_s))
        self.most_at_once = max(self.most_at_once, sum(job.started_s is not None for job in self._active.values()))

    def _finish(self, job: SimulatedJob, state: str) -> None:
        job.ended_s, job.state = self.now_s, state
        self._active.pop(job.job_id, None)
        if job.started_s is not None:
            self.used_s += job.nodes * (self.now_s - job.started_s)

    def _elapsed_s(self, job: SimulatedJob) -> float:
        return 0.0 if job.started_s is None else (job.ended_s or self.now_s) - job.started_s

    def _line(self, job: SimulatedJob) -> QueuedJob:
        reason = "JobHeldUser" if job.held and job.state == "PENDING" else "None"
        return QueuedJob(job.job_id, job.name, job.state, reason, "n1", job.started_s, self._elapsed_s(job), job.nodes)

    def _outcome(self, job: SimulatedJob) -> Finish:
        words = {state: outcome for outcome, state in OUTCOME_STATES.items()} | {"CANCELLED": AttemptOutcome.WITHDRAWN}
        fine = job.state == "COMPLETED"
        node_s = job.nodes * self._elapsed_s(job)
        return Finish(
            words[job.state], job.state.lower(), f"n{job.job_id}", node_s, "job", job.run.values if fine else {}
        )

    def _course(self, job: SimulatedJob) -> ObjectiveCourse:
        elapsed_s = self._elapsed_s(job)
        share = min(1.0, elapsed_s / job.run.duration_s) if job.run.duration_s else 1.0
        return ObjectiveCourse(job.run.course[: int(share * len(job.run.course))], elapsed_s)
