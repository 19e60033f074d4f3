"""How a run ended, in one value: pure.

The scheduler decides. While it is silent, an Epilog's exit code says whether the script succeeded, and no more: only
the scheduler knows that a job was cancelled, or ran out of time or memory. Used by `run_rows`.
"""

from __future__ import annotations

from slurmlens.events import JobIdentity
from slurmlens.hub.history.conclude.executions import VANISHED
from slurmlens.hub.history.facts import Outcome, OutcomeSource
from slurmlens.slurm.records import JobRecord, JobState

_ROOT_UID = "0"


def outcome_of(record: JobRecord | None, told: JobIdentity | None, has_ended: bool, oom_kills: int | None) -> Outcome:
    """A run's outcome by the scheduler's record, else by what hooks reported (`told`) and whether nodes saw its end."""
    if record is not None and record.state is not JobState.UNKNOWN:
        return _by_scheduler(record, oom_kills)
    if told is not None and told.exit_code is not None:
        return _by_hook(told, oom_kills)
    if record is not None and VANISHED in record.state_flags:
        label = "UNKNOWN (the scheduler does not say)"
        return Outcome(state=JobState.UNKNOWN, label=label, source=OutcomeSource.SCHEDULER, oom_kills=oom_kills)
    state = JobState.UNKNOWN if has_ended else JobState.RUNNING
    return Outcome(state=state, label=state.value, source=OutcomeSource.NOBODY, oom_kills=oom_kills)


def _by_scheduler(record: JobRecord, oom_kills: int | None) -> Outcome:
    by = canceller(record)
    label = record.state.value
    if record.state is JobState.FAILED and record.exit_code is not None:
        label = f"{label} {record.exit_code}:{record.exit_signal or 0}"
    elif record.state is JobState.CANCELLED and by:
        label = f"{label} by {by}"
    return Outcome(
        state=record.state,
        label=label,
        source=OutcomeSource.SCHEDULER,
        exit_code=record.exit_code,
        exit_signal=record.exit_signal,
        derived_exit_code=record.derived_exit_code,
        cancelled_by=by,
        oom_kills=oom_kills,
    )


def _by_hook(told: JobIdentity, oom_kills: int | None) -> Outcome:
    code, signal = told.exit_code, told.exit_signal or 0
    state = JobState.FAILED if code or signal else JobState.COMPLETED
    return Outcome(
        state=state,
        label=f"{state.value} {code}:{signal}" if state is JobState.FAILED else state.value,
        source=OutcomeSource.HOOK,
        exit_code=code,
        exit_signal=signal,
        derived_exit_code=told.derived_exit_code,
        oom_kills=oom_kills,
    )


def canceller(record: JobRecord) -> str | None:
    """Who cancelled a job, by name where the record lets us know it: the owner, root, else the uid as recorded."""
    by = record.cancelled_by
    if by is None or not by.isdecimal():
        return by
    if record.user and by == str(record.user_id):
        return record.user
    return "root" if by == _ROOT_UID else f"uid {by}"
