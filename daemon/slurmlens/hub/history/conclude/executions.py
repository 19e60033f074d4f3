"""The scheduler's record of one execution, merged from its answers of different times: pure.

squeue has an execution at once and drops it minutes after its end; accounting has it seconds later and keeps it. Each
knows fields that the other lacks. Invariants: an execution that has ended does not run again; one that runs is not set
back to pending by an older answer; a value that was reported once is kept where a later answer leaves it out. Called by
`history.record.executions` with the known and the new `JobRecord`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from slurmlens.hub.history.conclude.assignment import Execution
from slurmlens.slurm.records import JobRecord, JobState, RecordSource

VANISHED = "VANISHED"
"""State flag of an execution that the scheduler neither lists any more nor has accounted for, or that all its nodes
have ended while the scheduler is silent."""

ACCOUNTING_PATIENCE_S = 90.0
"""How long after its end an execution is not held for settled without accounting's word. The poller gives up later."""

_BEGUN = frozenset({JobState.RUNNING, JobState.SUSPENDED})

_OUTCOME_FIELDS = (
    "state",
    "state_flags",
    "reason",
    "exit_code",
    "exit_signal",
    "derived_exit_code",
    "derived_exit_signal",
    "cancelled_by",
    "end_s",
)


_decoder = msgspec.json.Decoder(JobRecord)


def decode_record(blob: bytes) -> JobRecord:
    """A record as it is kept in `executions`."""
    return _decoder.decode(blob)


def merge_records(known: JobRecord | None, told: JobRecord) -> JobRecord:
    """What is known of an execution after it was reported again."""
    if known is None:
        return told
    winner, other = (known, told) if _is_behind(told, known) else (told, known)
    changes: dict[str, Any] = {}
    for name in JobRecord.__struct_fields__:
        if name not in _OUTCOME_FIELDS and _is_absent(getattr(winner, name)):
            changes[name] = getattr(other, name)
    if winner.state is other.state:
        changes |= {name: getattr(other, name) for name in _OUTCOME_FIELDS if _is_absent(getattr(winner, name))}
    if winner.state is not JobState.PENDING:
        changes["expected_start_s"] = None
    # a run that is being requeued is shown with the next run's count, and as if it began now, until it is cleaned up
    if told.is_completing and known.start_s is not None:
        changes["start_s"] = known.start_s
    counts = [one.restart_count for one in (known, told) if one.restart_count is not None]
    changes["restart_count"] = min(counts, default=None)
    if not winner.state.has_ended and winner.source is RecordSource.ACCOUNTING and other.source is RecordSource.QUEUE:
        changes["reason"], changes["reason_text"] = other.reason, other.reason_text
    changes |= _whole_exit_codes(winner, other)
    return msgspec.structs.replace(winner, **changes)


def _whole_exit_codes(winner: JobRecord, other: JobRecord) -> dict[str, int]:
    """sacct takes 128 off exit codes from 128 on (its print.c): 139, as a shell tells a crash, is 11 there, and 255 is
    127, as if a command had not been found. What the queue told is whole."""
    if winner.source is not RecordSource.ACCOUNTING or winner.state is not other.state:
        return {}
    told = {name: (getattr(winner, name), getattr(other, name)) for name in ("exit_code", "derived_exit_code")}
    return {name: whole for name, (cut, whole) in told.items() if cut is not None and whole == cut + 128}


def _is_behind(told: JobRecord, known: JobRecord) -> bool:
    """Whether what is reported now is of a time before what is known."""
    if is_over(known):
        keeps_end = not told.state.has_ended and not _revives(known, told)
        queue_after_accounting = known.source is RecordSource.ACCOUNTING and told.source is RecordSource.QUEUE
        return keeps_end or queue_after_accounting
    waits_again = told.state is JobState.PENDING and known.state in _BEGUN
    return waits_again and (told.source is RecordSource.ACCOUNTING or told.is_completing)


def _revives(known: JobRecord, told: JobRecord) -> bool:
    """Whether what had vanished is there again: accounting alone says so of every job that slurmctld has lost."""
    return VANISHED in known.state_flags and told.source is RecordSource.QUEUE


def is_over(record: JobRecord) -> bool:
    """Whether an execution is known to have ended, or to have vanished."""
    return record.state.has_ended or VANISHED in record.state_flags


def awaits_accounting(record: JobRecord, now_s: float) -> bool:
    """Whether the queue reported an end of which accounting will soon know more: who cancelled, the steps, exit
    codes."""
    is_final = record.source is RecordSource.ACCOUNTING and not is_partial(record)
    return (
        record.state.has_ended
        and not is_final
        and record.end_s is not None
        and now_s - record.end_s < ACCOUNTING_PATIENCE_S
    )


def is_partial(record: JobRecord) -> bool:
    """Whether slurmdbd heard of the end before it heard of the start: then even the partition is not there yet."""
    return record.partition is None


def vanished(record: JobRecord) -> JobRecord:
    """The record of an execution that nobody knows any more; how and when it ended is not known."""
    flags = (*(flag for flag in record.state_flags if flag != VANISHED), VANISHED)
    return msgspec.structs.replace(record, state=JobState.UNKNOWN, state_flags=flags)


def superseded(records: Iterable[JobRecord]) -> list[JobRecord]:
    """Executions of one job id in order; one that never ended but was followed by another counts as requeued.

    The queue forgets a run the moment the job is requeued; without accounting nobody says how it ended. Where the later
    one is another job that was given the same id, nobody will: the earlier one has vanished.
    """
    ordered = sorted(records, key=lambda record: record.submit_s or 0)
    for index, later in enumerate(ordered[1:]):
        earlier = ordered[index]
        if earlier.state.has_ended:
            continue
        if _is_requeue(earlier, later):
            ordered[index] = msgspec.structs.replace(
                earlier, state=JobState.REQUEUED, state_flags=(), end_s=later.submit_s if earlier.start_s else None
            )
        else:
            ordered[index] = vanished(earlier)
    return ordered


def _is_requeue(earlier: JobRecord, later: JobRecord) -> bool:
    """A requeue keeps the user and is reported with a count, and the queue has it before the earlier run is given
    up."""
    if None not in (earlier.user_id, later.user_id) and earlier.user_id != later.user_id:
        return False
    if later.restart_count is not None:
        return later.restart_count > 0
    return VANISHED not in earlier.state_flags


def as_executions(ordered: Sequence[JobRecord]) -> list[Execution]:
    """What assignment needs of records."""
    return [
        Execution(
            submit_s=record.submit_s or 0,
            start_s=record.start_s,
            end_s=record.end_s,
            state=record.state,
            nodes=record.nodes,
            restart_count=record.restart_count,
            sluid=record.sluid,
        )
        for record in ordered
    ]


def _is_absent(value: object) -> bool:
    return value is None or value == () or value == {}
