"""What an audit compares and what it finds: the types, kept as JSON. Pure.

A verdict stands for one figure of one job: both values and the cause of their difference. UNEXPLAINED is what none of
the rules of `comparing` explains; it is counted like any other cause, for it is what somebody should look at.
"""

from __future__ import annotations

import enum

import msgspec

from slurmlens.slurm.records import JobState


class AuditFigure(enum.StrEnum):
    """What is compared."""

    STATE = "state"
    BEGIN = "begin"
    END = "end"
    CPU = "cpu"
    MEMORY = "memory"


class AuditCause(enum.StrEnum):
    """Why two figures differ, or that they do not."""

    AGREES = "agrees"
    NOT_MEASURED = "not-measured"
    NOT_GATHERED = "not-gathered"
    UNSEEN_PART = "unseen-part"
    NOT_WAITED_FOR = "not-waited-for"
    SAMPLED_PEAK = "sampled-peak"
    SHARED_PAGES = "shared-pages"
    TASK_NOT_JOB = "task-not-job"
    WHOLE_SECONDS = "whole-seconds"
    PROLOG = "prolog"
    CLEAN_UP = "clean-up"
    LATER_WORD = "later-word"
    UNEXPLAINED = "unexplained"


CAUSE_WORDS = {
    AuditCause.AGREES: "both agree",
    AuditCause.NOT_MEASURED: "no node told us of this run",
    AuditCause.NOT_GATHERED: "Slurm gathered nothing: no step, no JobAcctGather, or shorter than its interval",
    AuditCause.UNSEEN_PART: "our daemon did not see all of the run, and says so",
    AuditCause.NOT_WAITED_FOR: "processes that no task waited for, and slurmstepd, are in the cgroup's count alone",
    AuditCause.SAMPLED_PEAK: "Slurm's peak is the greatest of its samples; the kernel's, with cached files, is exact",
    AuditCause.SHARED_PAGES: "Slurm adds up processes, and pages that they share count once for each",
    AuditCause.TASK_NOT_JOB: "MaxRSS is one task's, ours the whole job's on its largest node",
    AuditCause.WHOLE_SECONDS: "accounting knows whole seconds",
    AuditCause.PROLOG: "ours begins when the node began, Slurm's when the allocation did",
    AuditCause.CLEAN_UP: "ours ends when the node was done, Slurm's when the job was over",
    AuditCause.LATER_WORD: "accounting changed its word after the run was concluded",
    AuditCause.UNEXPLAINED: "not explained",
}


class MeasuredUse(msgspec.Struct, frozen=True, kw_only=True):
    """One run as the hub has it. `is_whole` is False where a part of it went unseen."""

    job_id: int
    run: int
    submit_s: int | None
    state: JobState
    start_ns: int | None = None
    end_ns: int | None = None
    cpu_s: float | None = None
    memory_peak_bytes: float | None = None
    node_count: int = 1
    is_whole: bool = True
    user: str | None = None


class FigureVerdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One figure of one job. Values are seconds since the epoch, seconds, bytes or a state's name."""

    figure: AuditFigure
    cause: AuditCause
    ours: float | str | None = None
    theirs: float | str | None = None


class JobAudit(msgspec.Struct, frozen=True, kw_only=True):
    """One job's verdicts."""

    job_id: int
    run: int
    user: str | None
    verdicts: tuple[FigureVerdict, ...]

    @property
    def is_explained(self) -> bool:
        return all(one.cause is not AuditCause.UNEXPLAINED for one in self.verdicts)


class FigureCount(msgspec.Struct, frozen=True):
    """How many jobs have this cause in this figure."""

    figure: AuditFigure
    cause: AuditCause
    jobs: int


class DayAudit(msgspec.Struct, frozen=True, kw_only=True):
    """One day (UTC) by its first second. Sums are over jobs where both have the figure; `jobs` holds those that differ,
    the unexplained first, at most `comparing.MOST_JOBS`."""

    day_s: int
    made_ns: int
    compared: int
    only_here: tuple[int, ...] = ()
    only_there: tuple[int, ...] = ()
    refused_rows: int = 0
    cpu_ours_s: float = 0.0
    cpu_theirs_s: float = 0.0
    counts: tuple[FigureCount, ...] = ()
    jobs: tuple[JobAudit, ...] = ()

    @property
    def unexplained(self) -> int:
        """Figures that no rule explains."""
        return sum(one.jobs for one in self.counts if one.cause is AuditCause.UNEXPLAINED)
