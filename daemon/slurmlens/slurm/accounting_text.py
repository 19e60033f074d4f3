"""`sacct -D -P` to records: the way to exit codes before 23.11, whose JSON tells wrong ones or none.

Owns the list of fields that are asked for (`FIELDS`, `arguments`) and how their text is read. Pure. Fed by `source`,
feeds the hub. The fields are `separated_rows`': the job's name comes last and stays whole, whatever it holds. Times are
asked for as epoch seconds (SLURM_TIME_FORMAT=%s).
"""

from __future__ import annotations

import re
from collections import Counter

from slurmlens.errors import DecodeError
from slurmlens.slurm.amounts import duration_s, exit_pair, limit_s, memory_bytes, tres_amounts
from slurmlens.slurm.job_fields import node_names, take
from slurmlens.slurm.json_values import MAX_LIMIT_MINUTES, cleaned
from slurmlens.slurm.pieces import Pieces
from slurmlens.slurm.records import Decoded, JobRecord, JobState, RecordSource, StepRecord, with_steps
from slurmlens.slurm.separated_rows import rows, told, whole, whole_time
from slurmlens.slurm.states import happened_times, parse_state

FIELDS = (
    "JobIDRaw",
    "JobID",
    "Cluster",
    "User",
    "UID",
    "Group",
    "GID",
    "Account",
    "Partition",
    "QOS",
    "State",
    "Reason",
    "ExitCode",
    "DerivedExitCode",
    "Submit",
    "Eligible",
    "Start",
    "End",
    "TimelimitRaw",
    "Suspended",
    "NodeList",
    "NNodes",
    "NCPUS",
    "NTasks",
    "ReqMem",
    "ReqTRES",
    "AllocTRES",
    "Flags",
    "JobName",
)

_ARRAY = re.compile(r"(\d+)_(?:(\d+)|\[([^\]]*)\])")
_HET = re.compile(r"(\d+)\+(\d+)")


def arguments(separator: str) -> tuple[str, ...]:
    """The options that make sacct write what `accounted_jobs` reads."""
    return ("-D", "-a", "-n", "-P", f"--delimiter={separator}", f"--format={','.join(FIELDS)}")


def accounted_jobs(pieces: Pieces, separator: str) -> Decoded[JobRecord]:
    """Executions, each with its steps, in sacct's order. A row that can't be read is left out and counted."""
    jobs: list[JobRecord] = []
    steps: list[list[StepRecord]] = []
    unknown: Counter[str] = Counter()
    refused = 0
    for row in rows(pieces, separator, FIELDS):
        try:
            job_id, dot, step = row["JobIDRaw"].partition(".")
            if not dot:
                jobs.append(_job(row, unknown))
                steps.append([])
            elif jobs and whole(job_id) == jobs[-1].job_id:
                steps[-1].append(_step(row, step, unknown))
        except DecodeError:
            refused += 1
    records = tuple(with_steps(job, tuple(own)) for job, own in zip(jobs, steps, strict=True))
    return Decoded(records, refused, unknown)


def _job(row: dict[str, str], unknown: Counter[str]) -> JobRecord:
    job_id = whole(row["JobIDRaw"])
    if not job_id:
        raise DecodeError(f"{row['JobIDRaw'][:40]!r} is no job id", reason="job-id")
    state = parse_state(row["State"])
    if state.state is JobState.UNKNOWN:
        unknown["state"] += 1
    nodes = take(unknown, "nodes", node_names(row["NodeList"]), ())
    has_nodes = bool(nodes) or unknown["nodes"] > 0
    times = happened_times(state.state, has_nodes, whole_time(row["Start"]), whole_time(row["End"]))
    code, signal = exit_pair(row["ExitCode"]) if state.state.has_ended else (None, None)
    derived_code, derived_signal = exit_pair(row["DerivedExitCode"]) if state.state.has_ended else (None, None)
    allocated, requested = tres_amounts(row["AllocTRES"]), tres_amounts(row["ReqTRES"])
    array, het = _ARRAY.fullmatch(row["JobID"]), _HET.fullmatch(row["JobID"])
    return JobRecord(
        job_id=job_id,
        source=RecordSource.ACCOUNTING,
        state=state.state,
        state_flags=state.flags,
        cancelled_by=state.cancelled_by if state.state is JobState.CANCELLED else None,
        cluster=told(row["Cluster"]),
        name=cleaned(row["JobName"]) or None,
        user=told(row["User"]),
        user_id=whole(row["UID"]),
        group=told(row["Group"]),
        group_id=whole(row["GID"]),
        account=told(row["Account"]),
        partition=told(row["Partition"]),
        qos=told(row["QOS"]),
        reason=told(row["Reason"]),
        exit_code=code,
        exit_signal=signal,
        derived_exit_code=derived_code,
        derived_exit_signal=derived_signal,
        submit_s=whole_time(row["Submit"]),
        eligible_s=whole_time(row["Eligible"]),
        expected_start_s=times.expected_start_s,
        start_s=times.start_s,
        end_s=times.end_s,
        time_limit_s=_limit_s(row["TimelimitRaw"]),
        suspended_s=duration_s(row["Suspended"]) or None,
        nodes=nodes,
        node_count=whole(row["NNodes"]) or None,
        cpu_count=whole(row["NCPUS"]) or None,
        tres=allocated,
        memory_bytes=allocated.get("mem"),
        requested_memory_bytes=requested.get("mem") or memory_bytes(row["ReqMem"]),
        array_job_id=int(array[1]) if array else None,
        array_task_id=whole(array[2]) if array else None,
        array_tasks=array[3] if array else None,
        het_job_id=int(het[1]) if het else None,
        het_job_offset=int(het[2]) if het else None,
        flags=tuple(flag for flag in row["Flags"].split(",") if flag),
    )


def _step(row: dict[str, str], step: str, unknown: Counter[str]) -> StepRecord:
    state = parse_state(row["State"])
    code, signal = exit_pair(row["ExitCode"]) if state.state.has_ended else (None, None)
    return StepRecord(
        step=step,
        state=state.state,
        name=cleaned(row["JobName"]) or None,
        exit_code=code,
        exit_signal=signal,
        start_s=whole_time(row["Start"]),
        end_s=whole_time(row["End"]),
        nodes=take(unknown, "step.nodes", node_names(row["NodeList"]), ()),
        task_count=whole(row["NTasks"]) or None,
        cancelled_by=state.cancelled_by if state.state is JobState.CANCELLED else None,
    )


def _limit_s(minutes: str) -> int | None:
    limit = whole(minutes)
    return None if limit is None or limit > MAX_LIMIT_MINUTES else limit_s(limit)
