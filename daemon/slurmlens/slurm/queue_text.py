"""`squeue --format` to records: the queue of releases before 22.05, whose squeue has no JSON that was recorded.

Owns the fields that are asked for. Pure. Fed by `source`, feeds the hub. What squeue's text cannot tell is not known:
exit codes, eligible time, restarts, trackable resources; accounting fills them in. Times are asked for as epoch
seconds. Source: squeue(1), `--format`.
"""

from __future__ import annotations

from collections import Counter

from slurmlens.errors import DecodeError
from slurmlens.slurm.amounts import duration_s
from slurmlens.slurm.job_fields import node_names, take
from slurmlens.slurm.job_ids import parse_job_reference
from slurmlens.slurm.json_values import cleaned
from slurmlens.slurm.pieces import Pieces
from slurmlens.slurm.records import Decoded, JobRecord, JobState, RecordSource
from slurmlens.slurm.separated_rows import rows, told, whole, whole_time
from slurmlens.slurm.states import happened_times, parse_state

_FIELDS = {
    "job_id": "%A",
    "shown_id": "%i",
    "state": "%T",
    "user": "%u",
    "user_id": "%U",
    "group": "%g",
    "group_id": "%G",
    "account": "%a",
    "partition": "%P",
    "qos": "%q",
    "reason": "%r",
    "submit": "%V",
    "start": "%S",
    "end": "%e",
    "limit": "%l",
    "node_count": "%D",
    "cpu_count": "%C",
    "nodes": "%N",
    "name": "%j",
}


def arguments(separator: str) -> tuple[str, ...]:
    """The options that make squeue write what `queue_jobs` reads."""
    return ("--all", "--states=all", "--noheader", f"--format={separator.join(_FIELDS.values())}")


def queue_jobs(pieces: Pieces, separator: str) -> Decoded[JobRecord]:
    """Every job, in squeue's order; a row that can't be read is left out and counted."""
    return Decoded.of(rows(pieces, separator, tuple(_FIELDS)), _job)


def _job(row: dict[str, str], unknown: Counter[str]) -> JobRecord:
    job_id = whole(row["job_id"])
    if not job_id:
        raise DecodeError(f"{row['job_id'][:40]!r} is no job id", reason="job-id")
    shown = parse_job_reference(row["shown_id"])
    is_array = shown.array_task_id is not None or shown.array_tasks is not None
    is_component = shown.het_job_offset is not None
    state = parse_state(row["state"])
    if state.state is JobState.UNKNOWN:
        unknown["state"] += 1
    nodes = take(unknown, "nodes", node_names(row["nodes"]), ())
    times = happened_times(state.state, bool(nodes), whole_time(row["start"]), whole_time(row["end"]))
    return JobRecord(
        job_id=job_id,
        source=RecordSource.QUEUE,
        state=state.state,
        state_flags=state.flags,
        name=cleaned(row["name"]) or None,
        user=told(row["user"]),
        user_id=whole(row["user_id"]),
        group=told(row["group"]),
        group_id=whole(row["group_id"]),
        account=told(row["account"]),
        partition=told(row["partition"]),
        qos=told(row["qos"]),
        reason=told(row["reason"]),
        submit_s=whole_time(row["submit"]),
        expected_start_s=times.expected_start_s,
        start_s=times.start_s,
        end_s=times.end_s,
        time_limit_s=duration_s(row["limit"]),
        nodes=nodes,
        node_count=whole(row["node_count"]) or None,
        cpu_count=whole(row["cpu_count"]) or None,
        array_job_id=shown.job_id if is_array else None,
        array_task_id=shown.array_task_id,
        array_tasks=shown.array_tasks,
        het_job_id=shown.job_id if is_component else None,
        het_job_offset=shown.het_job_offset,
    )
