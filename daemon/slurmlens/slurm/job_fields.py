"""Which member of which answer tells what of a job: one table for squeue's JSON, sacct's JSON and pyslurm.

Owns where a field stands in each, and by which reader of `json_values` it is read. Pure. Used by `json_records` and
`pyslurm_source`, which put together what needs more than one member (outcomes, times that happened).
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from slurmlens.errors import DecodeError
from slurmlens.slurm.hostlist import expand
from slurmlens.slurm.json_values import (
    UNKNOWN,
    Read,
    Unknown,
    job_id,
    known,
    minutes,
    number,
    positive,
    reason,
    resources,
    text,
    time_s,
    words,
)
from slurmlens.slurm.records import JobRecord, JobState, RecordSource
from slurmlens.slurm.states import happened_times, parse_state


class RecordTeller(enum.IntEnum):
    """Who tells of a job; the value is the column of the table."""

    QUEUE = 0
    ACCOUNTING = 1
    PYSLURM = 2


def node_names(value: Any) -> tuple[str, ...] | Unknown:
    """The names of a host list; one that cannot be read is not known."""
    listed = text(value) if isinstance(value, str) else UNKNOWN if value is not None else None
    if listed is UNKNOWN:
        return UNKNOWN
    try:
        return expand(None if listed is None else str(value))
    except DecodeError:
        return UNKNOWN


_STATE, _START, _END, _REQUESTED = "state", "start_time", "end_time", "requested_resources"
"""Members that become more than one field of a record, or none as it is."""


class _Row(NamedTuple):
    """A field of a record, how it is read, and where it stands; "" where nothing tells it."""

    name: str
    read: Read
    paths: tuple[str, str, str]


_ROWS = (
    # field, reader, (squeue --json, sacct --json, pyslurm)
    _Row("job_id", job_id, ("job_id", "job_id", "id")),
    _Row(_STATE, words, ("job_state", "state.current", "state")),
    _Row("cluster", text, ("cluster", "cluster", "cluster")),
    _Row("sluid", text, ("step_id.sluid", "sluid", "")),
    _Row("name", text, ("name", "name", "name")),
    _Row("user", text, ("user_name", "user", "user_name")),
    _Row("user_id", number, ("user_id", "", "user_id")),
    _Row("group", text, ("group_name", "group", "group_name")),
    _Row("group_id", number, ("group_id", "", "group_id")),
    _Row("account", text, ("account", "account", "account")),
    _Row("partition", text, ("partition", "partition", "partition")),
    _Row("qos", text, ("qos", "qos", "qos")),
    _Row("reason", reason, ("state_reason", "state.reason", "state_reason")),
    _Row("reason_text", text, ("state_description", "", "")),
    _Row("submit_s", time_s, ("submit_time", "time.submission", "submit_time")),
    _Row("eligible_s", time_s, ("eligible_time", "time.eligible", "eligible_time")),
    _Row(_START, time_s, ("start_time", "time.start", "start_time")),
    _Row(_END, time_s, ("end_time", "time.end", "end_time")),
    _Row("time_limit_s", minutes, ("time_limit", "time.limit", "time_limit")),
    _Row("suspended_s", positive, ("", "time.suspended", "")),
    _Row("nodes", node_names, ("nodes", "nodes", "allocated_nodes")),
    _Row("node_count", positive, ("node_count", "allocation_nodes", "num_nodes")),
    _Row("cpu_count", positive, ("cpus", "required.CPUs", "cpus")),
    _Row("task_count", positive, ("tasks", "", "ntasks")),
    _Row("tres", resources, ("tres_alloc_str", "tres.allocated", "allocated_tres")),
    _Row(_REQUESTED, resources, ("tres_req_str", "tres.requested", "requested_tres")),
    _Row("restart_count", number, ("restart_cnt", "restart_cnt", "requeue_count")),
    _Row("array_job_id", job_id, ("array_job_id", "array.job_id", "array_id")),
    _Row("array_task_id", number, ("array_task_id", "array.task_id", "array_task_id")),
    _Row("array_tasks", text, ("array_task_string", "array.task", "array_tasks_waiting")),
    _Row("het_job_id", job_id, ("het_job_id", "het.job_id", "heterogeneous_id")),
    _Row("het_job_offset", number, ("het_job_offset", "het.job_offset", "heterogeneous_offset")),
    _Row("flags", words, ("flags", "flags", "")),
)

UNTOLD_BY_PYSLURM = frozenset(
    row.name for row in _ROWS if row.paths[RecordTeller.QUEUE] and not row.paths[RecordTeller.PYSLURM]
)
"""Fields that squeue's JSON tells and pyslurm does not: the reason why the queue is asked of squeue where it is
there.
"""


class _Field(NamedTuple):
    name: str
    read: Read
    path: tuple[str, ...]


def _column(told: RecordTeller) -> tuple[_Field, ...]:
    return tuple(_Field(row.name, row.read, tuple(row.paths[told].split("."))) for row in _ROWS if row.paths[told])


_COLUMNS = {told: _column(told) for told in RecordTeller}
_EMPTY: Mapping[str, Any] = {"tres": {}, "nodes": (), "flags": (), _STATE: (), _REQUESTED: {}}


def member(entry: Any, *path: str) -> Any:
    """What stands at a path of objects; None where it ends before."""
    for name in path:
        if not isinstance(entry, dict):
            return None
        entry = entry.get(name)
    return entry


def take(unknown: Counter[str], name: str, value: Any, otherwise: Any = None) -> Any:
    """A value as it was read; what is of no known shape is counted under its name, and not known."""
    if value is UNKNOWN:
        unknown[name] += 1
        return otherwise
    return value


def read_job(
    entry: Any,
    told: RecordTeller,
    source: RecordSource,
    unknown: Counter[str],
    more: Callable[[JobState], Mapping[str, Any]],
) -> JobRecord:
    """The record of one entry; `more` gives what the table does not hold (outcomes), once the state is known.

    DecodeError (reason "job-id") where the entry names no job: everything else may be missing.
    """
    values: dict[str, Any] = {}
    for name, read, path in _COLUMNS[told]:
        values[name] = take(unknown, name, read(member(entry, *path)), _EMPTY.get(name))
    if values["job_id"] is None:
        raise DecodeError("an entry without a job id", reason="job-id")
    state = parse_state(values.pop(_STATE))
    if state.state is JobState.UNKNOWN:
        unknown[_STATE] += 1
    has_nodes = bool(values["nodes"]) or known(text(member(entry, *_path_of(told, "nodes"))), "?") is not None
    times = happened_times(state.state, has_nodes, values.pop(_START), values.pop(_END))
    requested = values.pop(_REQUESTED)
    if values["array_job_id"] is None:
        values["array_task_id"] = None
    if values["het_job_id"] is None:
        values["het_job_offset"] = None
    values.setdefault("suspended_s", None)
    return JobRecord(
        source=source,
        state=state.state,
        state_flags=state.flags,
        expected_start_s=times.expected_start_s,
        start_s=times.start_s,
        end_s=times.end_s,
        memory_bytes=values["tres"].get("mem"),
        requested_memory_bytes=requested.get("mem"),
        **values | dict(more(state.state)),
    )


_PATHS = {(told, field.name): field.path for told, fields in _COLUMNS.items() for field in fields}


def _path_of(told: RecordTeller, name: str) -> tuple[str, ...]:
    return _PATHS[told, name]
