"""Jobs of a cluster over months, made up from a seed: what the scheduler says of each, and where it ran.

Owns the mix, as clusters have it: more jobs are submitted by day than by night and on workdays than on weekends, few
users submit most of them, most are small and short while a few are wide, one in four is an array, one in eight ends
unwell, some are requeued after a node failed; the newest still run or wait. Equal mixes give equal jobs. Knows no
database; `histories` makes rows of what it yields.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from slurmlens.slurm.records import JobRecord, JobState, RecordSource

DAY_S = 86_400
CORES_A_NODE = 32
MEMORY_A_NODE = 128 * 2**30
LONGEST_S = 7 * DAY_S

_SIZES = ((1, 70), (2, 12), (4, 8), (8, 5), (16, 3), (32, 1.5), (64, 0.4), (128, 0.1))
_ENDS = (
    (JobState.COMPLETED, 79.5),
    (JobState.FAILED, 9),
    (JobState.CANCELLED, 6),
    (JobState.TIMEOUT, 3.5),
    (JobState.OUT_OF_MEMORY, 1.2),
    (JobState.NODE_FAIL, 0.8),
)
_REQUEUED_SHARE = 0.01
_ARRAY_SHARE = 0.02
"""Of submissions; each brings many jobs, so that a quarter of all jobs are tasks of arrays."""
_NAMES = ("simulation", "train", "postprocess", "mesh", "align", "wrf", "lammps", "gromacs", "jupyter", "render")


@dataclass(frozen=True, slots=True)
class JobMix:
    """How many jobs, of whom, on what; the last one was submitted a moment before `now_s` (epoch)."""

    jobs: int
    now_s: int = 1_795_420_800
    jobs_a_day: int = 10_000
    nodes: int = 1000
    users: int = 400
    accounts: int = 40
    partitions: tuple[str, ...] = ("batch", "short", "long", "gpu", "bigmem")
    first_job_id: int = 1
    seed: int = 1


class MadeRun(NamedTuple):
    """One execution: its record, and the places of its nodes in the cluster; of a waiting one there are none."""

    record: JobRecord
    nodes: tuple[int, ...]


class MadeJob(NamedTuple):
    """All runs under one job id, in order."""

    job_id: int
    runs: tuple[MadeRun, ...]


def node_name(number: int) -> str:
    """A node by its place in the cluster."""
    return f"n{number:04}"


def jobs_of(mix: JobMix) -> Iterator[MadeJob]:
    """The mix's jobs by their ids, which ascend with the time of submission."""
    rng = random.Random(mix.seed)
    times, task_counts = _submissions(rng, mix)
    job_id, last = mix.first_job_id, mix.first_job_id + mix.jobs
    while job_id < last:
        submit_s, task_count = times.pop(), task_counts.pop()
        whose = _Submission(rng, mix, job_id, submit_s, is_array=bool(task_count))
        for task in range(max(1, min(task_count, last - job_id))):
            yield whose.job(job_id, task if task_count else None)
            job_id += 1


def _submissions(rng: random.Random, mix: JobMix) -> tuple[array[int], array[int]]:
    """When submissions were made, and of how many tasks of an array (0: a plain job), the newest first."""
    times, task_counts = array("q"), array("b")
    at_s, jobs = mix.now_s - 1.0, 0
    while jobs < mix.jobs:
        at_s -= rng.expovariate(_rate(mix, at_s))
        tasks = rng.randrange(5, 40) if rng.random() < _ARRAY_SHARE else 0
        jobs += max(1, tasks)
        times.append(int(at_s))
        task_counts.append(tasks)
    return times, task_counts


def _rate(mix: JobMix, at_s: float) -> float:
    """Submissions a second: most in the early afternoon (UTC), half as many on weekends."""
    hour, day = at_s % DAY_S / 3600, int(at_s // DAY_S + 4) % 7
    by_day = (1 + 0.8 * math.cos((hour - 14) / 24 * 2 * math.pi)) * (0.5 if day in (0, 6) else 1.2)
    jobs_a_submission = 1 + _ARRAY_SHARE * 21
    return mix.jobs_a_day / DAY_S / jobs_a_submission * by_day


class _Submission:
    """One sbatch: a job, or all tasks of an array, by one user."""

    def __init__(self, rng: random.Random, mix: JobMix, first_id: int, submit_s: int, *, is_array: bool) -> None:
        self._rng, self._mix, self._first_id, self._submit_s = rng, mix, first_id, submit_s
        self._user = (
            min(int(rng.paretovariate(0.7)) - 1, mix.users - 1) if rng.random() < 0.7 else rng.randrange(mix.users)
        )
        self._name = f"{rng.choice(_NAMES)}-{rng.randrange(100)}"
        self._partition = mix.partitions[self._user % len(mix.partitions) if rng.random() < 0.7 else 0]
        self._node_count = 1 if is_array else min(_choice(rng, _SIZES), mix.nodes)
        self._longest_s = 3600 * rng.choice((1, 4, 12, 24, 72, 168))

    def job(self, job_id: int, task: int | None) -> MadeJob:
        """The submission's job of this id."""
        rng, runs = self._rng, []
        submit_s = self._submit_s
        while True:
            is_requeued = not runs and rng.random() < _REQUEUED_SHARE
            run = self._run(job_id, task, submit_s, len(runs), is_requeued=is_requeued)
            runs.append(run)
            if run.record.state is not JobState.REQUEUED or run.record.end_s is None:
                return MadeJob(job_id, tuple(runs))
            submit_s = run.record.end_s + 120  # what a requeued job waits at least

    def _run(self, job_id: int, task: int | None, submit_s: int, restarts: int, *, is_requeued: bool) -> MadeRun:
        rng, now_s = self._rng, self._mix.now_s
        submit_s = min(submit_s, now_s - 1)
        start_s = submit_s + 1 + int(rng.expovariate(1 / 900))
        ran_s = min(int(rng.lognormvariate(6.5, 1.8)) + 1, self._longest_s, LONGEST_S)
        end_s, state = start_s + ran_s, JobState.REQUEUED if is_requeued else _choice(rng, _ENDS)
        if state is JobState.TIMEOUT:
            end_s = start_s + self._longest_s
        told: dict[str, object] = {"start_s": start_s, "end_s": end_s}
        if start_s >= now_s:
            state, told = JobState.PENDING, {"reason": rng.choice(("Priority", "Resources"))}
        elif end_s >= now_s:
            state, told = JobState.RUNNING, {"start_s": start_s}
        elif state is JobState.CANCELLED:
            told["cancelled_by"] = str(3000 + self._user)
        elif state is not JobState.REQUEUED:
            told.update(exit_code=rng.choice((1, 2, 137, 255)) if state is JobState.FAILED else 0, exit_signal=0)
        first = rng.randrange(self._mix.nodes)
        width = 0 if state is JobState.PENDING else self._node_count
        nodes = tuple(sorted((first + offset) % self._mix.nodes for offset in range(width)))
        return MadeRun(self._record(job_id, task, submit_s, restarts, state, nodes, told), nodes)

    def _record(
        self,
        job_id: int,
        task: int | None,
        submit_s: int,
        restarts: int,
        state: JobState,
        nodes: tuple[int, ...],
        told: dict[str, object],
    ) -> JobRecord:
        user, account = self._user, self._user % self._mix.accounts
        has_queue_alone = state in (JobState.PENDING, JobState.RUNNING)
        return JobRecord(
            job_id=job_id,
            state=state,
            source=RecordSource.QUEUE if has_queue_alone else RecordSource.ACCOUNTING,
            name=self._name,
            user=f"user{user}",
            user_id=3000 + user,
            account=f"account{account}",
            partition=self._partition,
            qos="normal",
            submit_s=submit_s,
            eligible_s=submit_s,
            time_limit_s=self._longest_s,
            nodes=tuple(map(node_name, nodes)),
            node_count=self._node_count,
            cpu_count=self._node_count * CORES_A_NODE,
            memory_bytes=self._node_count * MEMORY_A_NODE,
            restart_count=restarts,
            array_job_id=None if task is None else self._first_id,
            array_task_id=task,
            **told,
        )


def _choice(rng: random.Random, weighted: tuple[tuple[object, float], ...]) -> object:
    values, weights = zip(*weighted, strict=True)
    return rng.choices(values, weights)[0]
