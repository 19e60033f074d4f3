"""What the room knows of a job's progress, as frozen values, and what follows for the job as a whole; pure.

Owns `JobProgressFacts` and the choice of the task that stands for its job: of the step that spoke last, the one that is
least far, for a job is done when its slowest task is. Filled by `read`; views show it.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec

from slurmlens.hub.progress.course import TaskCourse
from slurmlens.hub.progress.estimate import TaskEstimate, estimate

JobRun = tuple[int, int]
"""A job's id and the number of its run."""


class TaskFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One task that told its progress; `known_until_ns` is when its node was last heard of."""

    node: str
    step: str
    rank: int | None
    course: TaskCourse
    values: dict[str, float] = {}
    known_until_ns: int | None = None


class MessageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One event that a process of the job told."""

    node: str
    step: str
    rank: int | None
    time_ns: int
    text: str


class JobProgressFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that processes of one run of a job told."""

    tasks: tuple[TaskFacts, ...] = ()
    messages: tuple[MessageFacts, ...] = ()


class LimitVerdict(enum.Enum):
    """Whether a job will end before its time limit, by the interval of its estimate."""

    WILL_MAKE = "will-make"
    LIKELY = "likely"
    UNLIKELY = "unlikely"
    WILL_NOT = "will-not"
    UNKNOWN = "unknown"


class JobEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job is: the estimate of the task that stands for it, and its place among the tasks of its step.

    `least_ratio` and `most_ratio` are over the `tasks` of the step that told a total.
    """

    lead: TaskFacts
    estimate: TaskEstimate
    verdict: LimitVerdict
    tasks: int
    least_ratio: float | None = None
    most_ratio: float | None = None


def job_estimate(facts: JobProgressFacts, now_ns: int, limit_ns: int | None) -> JobEstimate | None:
    """What the job's tasks say at `now_ns`; None where none told anything. `limit_ns`: when Slurm ends the job."""
    judged = [(task, estimate(task.course, now_ns, task.known_until_ns)) for task in facts.tasks]
    if not judged:
        return None
    own = _of_current_step(judged)
    lead, told = min(own, key=_how_far)
    ratios = [ratio for _, one in own if (ratio := one.ratio) is not None]
    return JobEstimate(
        lead=lead,
        estimate=told,
        verdict=verdict_of(told, limit_ns),
        tasks=len(own),
        least_ratio=min(ratios, default=None),
        most_ratio=max(ratios, default=None),
    )


def verdict_of(told: TaskEstimate, limit_ns: int | None) -> LimitVerdict:
    """The estimate against the time limit; WILL_MAKE without a limit."""
    if told.finish_ns is None or told.finish_low_ns is None or told.finish_high_ns is None:
        return LimitVerdict.UNKNOWN
    if limit_ns is None or told.finish_high_ns <= limit_ns:
        return LimitVerdict.WILL_MAKE
    if told.finish_low_ns > limit_ns:
        return LimitVerdict.WILL_NOT
    return LimitVerdict.LIKELY if told.finish_ns <= limit_ns else LimitVerdict.UNLIKELY


def _of_current_step(judged: Sequence[tuple[TaskFacts, TaskEstimate]]) -> list[tuple[TaskFacts, TaskEstimate]]:
    """The tasks of the step that spoke last, one that is not done yet before one that is."""
    newest = max(judged, key=lambda one: (not one[1].is_done, one[1].told_ns))
    return [one for one in judged if one[0].step == newest[0].step]


def _how_far(one: tuple[TaskFacts, TaskEstimate]) -> tuple[bool, float, int, int]:
    """Those with a total first, the least far before others; then by rank, so that it does not change to and fro."""
    task, told = one
    ratio = told.ratio
    return ratio is None, told.done if ratio is None else ratio, -told.told_ns, task.rank or 0
