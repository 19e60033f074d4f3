"""Which runs are to be assessed, by the rules: failed ones, and the largest of each stretch of time. Pure.

Owns the keys: a run has one key for ever, so that finding it again makes no second trigger. Fed by `store` with runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.config.workflows import WorkflowsConfig
from slurmlens.wire.assessment import Ticket

FAILED_JOB = "failed-job"
SCHEDULE = "schedule"
FINDING = "finding"
AFTER_ITS_END_S = 60
"""What is said so long after a run's end is still about it."""
MOST_SLOTS = 400


class EndedRun(NamedTuple):
    """A run that ended, as history has it; `submit_s` is None where the scheduler never told it."""

    job_id: int
    run: int
    submit_s: int | None
    user: str | None
    start_ns: int | None
    end_ns: int
    cpu_s: float | None


def failed_tickets(runs: Sequence[EndedRun], cluster: str, settings: WorkflowsConfig) -> list[Ticket]:
    """A ticket for each failed run that the rule is about."""
    least_ns = settings.failed_least_s * NS_PER_S
    wanted = (one for one in _assessed(runs, settings) if one.end_ns - (one.start_ns or one.end_ns) >= least_ns)
    return [_ticket(f"{FAILED_JOB}:{_run_key(one, cluster)}", FAILED_JOB, cluster, one) for one in wanted]


def slots(since_ns: int, now_ns: int, settings: WorkflowsConfig) -> list[tuple[int, int]]:
    """Stretches that ended between `since_ns` and now, oldest first, as the rule's `catch_up` wants them: (from, to) in
    nanoseconds, aligned to whole stretches since the epoch."""
    if settings.schedule_s is None:
        return []
    width_ns = round(settings.schedule_s * NS_PER_S)
    first, last = since_ns // width_ns, now_ns // width_ns
    ended = [(number * width_ns, (number + 1) * width_ns) for number in range(max(first, last - MOST_SLOTS), last)]
    if settings.catch_up == "all":
        return ended
    on_time = [slot for slot in ended if now_ns - slot[1] < width_ns]
    return on_time if settings.catch_up == "none" else ended[-1:]


def scheduled_ticket(
    runs: Sequence[EndedRun], slot: tuple[int, int], cluster: str, settings: WorkflowsConfig
) -> Ticket | None:
    """The largest run that ended in a stretch, by its core-seconds; None where none did."""
    wanted = [one for one in _assessed(runs, settings) if slot[0] <= one.end_ns < slot[1]]
    largest = max(wanted, key=lambda one: (one.cpu_s or 0.0, -one.job_id), default=None)
    if largest is None:
        return None
    return _ticket(f"{SCHEDULE}:{cluster}:{slot[0] // NS_PER_S}", SCHEDULE, cluster, largest)


class FoundJob(NamedTuple):
    """A job that a finding touched, and the finding's number."""

    finding: int
    job_id: int


def finding_tickets(
    found: Sequence[FoundJob], runs: Sequence[EndedRun], cluster: str, settings: WorkflowsConfig
) -> list[Ticket]:
    """A ticket for each finding whose job has ended, about that job's latest run; a finding has one key for ever."""
    latest = {one.job_id: one for one in sorted(_assessed(runs, settings), key=lambda one: one.run)}
    return [
        _ticket(f"{FINDING}:{cluster}:{one.finding}", FINDING, cluster, latest[one.job_id])
        for one in found
        if one.job_id in latest
    ]


def _assessed(runs: Sequence[EndedRun], settings: WorkflowsConfig) -> list[EndedRun]:
    return [one for one in runs if one.user not in settings.not_of_users]


def _run_key(one: EndedRun, cluster: str) -> str:
    """A job id is used again by other jobs, a job is requeued: all four tell a run from every other."""
    return f"{cluster}:{one.job_id}:{one.submit_s if one.submit_s is not None else 'untold'}:{one.run}"


def _ticket(key: str, rule: str, cluster: str, one: EndedRun) -> Ticket:
    begin_ns = one.start_ns if one.start_ns is not None else one.end_ns
    begin_s = begin_ns // NS_PER_S if one.submit_s is None else min(one.submit_s, begin_ns // NS_PER_S)
    return Ticket(
        key=key,
        rule=rule,
        cluster=cluster,
        job_id=one.job_id,
        run=one.run,
        from_s=begin_s,
        to_s=-(-one.end_ns // NS_PER_S) + AFTER_ITS_END_S,
    )
