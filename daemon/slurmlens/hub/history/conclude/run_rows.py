"""The runs of one job id as rows: pure.

Owns how a run's times and figures follow from the scheduler's execution and the sightings assigned to it. Fed by
`record.concluding` with rows; what it returns becomes the rows of `runs` and `run_nodes` of that job.

A run's start and end are the hooks' own times where they agree with the scheduler's whole seconds: the first Prolog,
the last Epilog. A Prolog that ran much later (without PrologFlags=Alloc it runs at the first step) is not the start.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.events import JobIdentity, Witness, merged_identity
from slurmlens.hub.history.conclude.assignment import TOLERANCE_S, Run, Seen
from slurmlens.hub.history.conclude.executions import VANISHED, is_over
from slurmlens.hub.history.conclude.outcome import outcome_of
from slurmlens.hub.history.conclude.tellers import identity_told
from slurmlens.hub.history.facts import Outcome, StateFilter, TimeSource
from slurmlens.slurm.records import ENDED_UNWELL, JobRecord, JobState

KILL_S = 60.0
"""How long after the scheduler's end an Epilog may begin: Slurm stamps a cancelled, requeued or timed out job when it
sends the first signal, and gives its processes KillWait (30 s by default) to go."""

Row = Mapping[str, Any]
_encoder = msgspec.json.Encoder()


class Section(enum.IntEnum):
    """The parts of a list in their order; only a job's latest run is listed."""

    RUNNING = 0
    PENDING = 1
    OVER = 2
    NOT_LISTED = 9


_SECTION_OF = {StateFilter.RUNNING: Section.RUNNING, StateFilter.PENDING: Section.PENDING}


class RunRow(NamedTuple):
    """One row of `runs` (without cluster and job id) and the nodes of that run."""

    columns: dict[str, Any]
    nodes: tuple[str, ...]


class SourcedTime(NamedTuple):
    """A run's start or end, and who reported it."""

    time_ns: int | None
    source: TimeSource | None


def seen_of(row: Row) -> Seen:
    """What assignment needs of a row of `sightings`."""
    told = identity_of(row)
    return Seen(
        node=row["node"],
        sighting=row["sighting"],
        boot_id=row["boot_id"],
        boottime_ns=row["first_boottime_ns"],
        start_ns=row["start_ns"],
        end_ns=row["end_ns"],
        start_witness=Witness(row["start_witness"] or Witness.CGROUP),
        end_witness=Witness(row["end_witness"]) if row["end_witness"] else None,
        restart_count=row["prolog_restart_count"],
        start_time_s=told.start_time_s if told else None,
        sluid=told.sluid if told else None,
    )


def identity_of(row: Row) -> JobIdentity | None:
    """What a sighting's hooks reported of the job."""
    return identity_told(row["tellers"])


def identity_of_rows(rows: Sequence[Row]) -> JobIdentity | None:
    """What the hooks on all nodes reported of the job, the first to know a field winning."""
    told = [identity for identity in map(identity_of, rows) if identity]
    if len(told) < 2:
        return told[0] if told else None
    return merged_identity(told)


def run_row(run: Run, record: JobRecord | None, rows: Sequence[Row], is_latest: bool) -> RunRow:
    """A run as a row; `rows` are the sightings assigned to it."""
    told = identity_of_rows(rows)
    has_ended = bool(rows) and all(row["end_ns"] is not None or row["closed_ns"] is not None for row in rows)
    outcome = outcome_of(record, told, has_ended, _sum(rows, "oom_kills"))
    start, end = _start(record, rows), _end(record, rows, has_ended)
    submit_ns = record.submit_s * NS_PER_S if record and record.submit_s else None
    group = _group(outcome, record, has_ended)
    columns = {
        "number": run.number,
        "incarnation": run.incarnation,
        "section": (_SECTION_OF.get(group, Section.OVER) if is_latest else Section.NOT_LISTED).value,
        "submit_s": record.submit_s if record else None,
        "state": outcome.state.value,
        "state_group": group.value,
        "name": record.name if record else told and told.job_name,
        "user": (record.user if record else None) or (told.user_name if told else None),
        "account": (record.account if record else None) or (told.account if told else None),
        "partition": (record.partition if record else None) or (told.partition if told else None),
        "order_ns": start.time_ns or submit_ns or min((row["start_ns"] for row in rows), default=0),
        "start_ns": start.time_ns,
        "end_ns": end.time_ns,
        "start_source": start.source.value if start.source else None,
        "end_source": end.source.value if end.source else None,
        "cpu_s": _sum_over_nodes(rows, "cpu_s"),
        "memory_peak_bytes": max((row["memory_peak_bytes"] for row in rows if row["memory_peak_bytes"]), default=None),
        "oom_kills": _sum(rows, "oom_kills"),
        "outcome": _encoder.encode(outcome),
        **_membership(record or told),
    }
    recorded = record.nodes if record else ()
    return RunRow(columns, tuple(dict.fromkeys((*recorded, *(row["node"] for row in rows)))))


def _group(outcome: Outcome, record: JobRecord | None, has_ended: bool) -> StateFilter:
    if outcome.state is JobState.PENDING:
        return StateFilter.PENDING
    if outcome.state in ENDED_UNWELL:
        return StateFilter.FAILED
    over = outcome.state.has_ended or (is_over(record) if record else has_ended)
    return StateFilter.FINISHED if over else StateFilter.RUNNING


_MEMBERSHIP = ("array_job_id", "array_task_id", "het_job_id", "het_job_offset")


def _membership(known: JobRecord | JobIdentity | None) -> dict[str, int | None]:
    """Of which array or heterogeneous job it is a part; the scheduler's word where there is one."""
    return {name: getattr(known, name, None) for name in _MEMBERSHIP}


def _start(record: JobRecord | None, rows: Sequence[Row]) -> SourcedTime:
    hook_ns = min((row["start_ns"] for row in rows if row["start_witness"] == Witness.HOOK.value), default=None)
    if record is not None:
        return _finer(record.start_s, hook_ns)
    if hook_ns is not None:
        return SourcedTime(hook_ns, TimeSource.HOOK)
    first_ns = min((row["start_ns"] for row in rows), default=None)
    return SourcedTime(first_ns, TimeSource.CGROUP if rows else None)


def _end(record: JobRecord | None, rows: Sequence[Row], has_ended: bool) -> SourcedTime:
    hook_ns = max((row["end_ns"] for row in rows if row["end_witness"] == Witness.HOOK.value), default=None)
    if record is not None and VANISHED not in record.state_flags:
        return _finer(record.end_s, hook_ns, KILL_S)
    if not has_ended:
        return SourcedTime(None, None)
    last = max(rows, key=lambda row: row["end_ns"] or row["closed_ns"])
    if last["end_ns"] is None:
        return SourcedTime(last["closed_ns"], TimeSource.RECONCILED)
    return SourcedTime(last["end_ns"], TimeSource.HOOK if last["end_ns"] == hook_ns else TimeSource.CGROUP)


def _finer(scheduler_s: int | None, hook_ns: int | None, late_s: float = TOLERANCE_S) -> SourcedTime:
    """The hook's time where it agrees with the scheduler's second, or is no later than that, else the scheduler's."""
    if scheduler_s is None:
        return SourcedTime(None, None)
    scheduler_ns = scheduler_s * NS_PER_S
    earliest_ns, latest_ns = -round(TOLERANCE_S * NS_PER_S), round((late_s + 1) * NS_PER_S)
    if hook_ns is not None and earliest_ns <= hook_ns - scheduler_ns <= latest_ns:
        return SourcedTime(hook_ns, TimeSource.HOOK)
    return SourcedTime(scheduler_ns, TimeSource.SCHEDULER)


def _sum(rows: Sequence[Row], name: str) -> Any:
    known = [row[name] for row in rows if row[name] is not None]
    return sum(known) if known else None


def _sum_over_nodes(rows: Sequence[Row], name: str) -> float | None:
    """The sum over nodes of each node's last total: counters of a cgroup go on when a daemon is restarted."""
    latest: dict[str, float] = {}
    for row in sorted(rows, key=lambda row: row["last_boottime_ns"]):
        if row[name] is not None:
            latest[row["node"]] = max(row[name], latest.get(row["node"], 0.0))
    return sum(latest.values()) if latest else None
