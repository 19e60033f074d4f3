"""`sacct -D -P` to records: the way to exit codes on 22.05, whose JSON has none.

Owns the list of fields that are asked for (`FIELDS`, `arguments`) and how their text is read. Pure. Fed by `source`,
feeds the hub. Fields are separated by US (0x1f), which Slurm's own values never hold; the job's name comes last, so a
name with separators or newlines in it stays whole. Times are asked for as epoch seconds (SLURM_TIME_FORMAT=%s).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from slurmlens.errors import DecodeError
from slurmlens.slurm.amounts import duration_s, exit_pair, limit_s, memory_bytes, tres_amounts
from slurmlens.slurm.hostlist import expand
from slurmlens.slurm.records import Decoded, JobRecord, JobState, RecordSource, StepRecord, with_steps
from slurmlens.slurm.states import happened_times, parse_state

SEPARATOR = "\x1f"

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
_ABSENT = frozenset({"", "Unknown", "None", "UNLIMITED", "Partition_Limit", "INVALID", "N/A"})


def arguments() -> tuple[str, ...]:
    """The options that make sacct write what `accounted_jobs` reads."""
    return ("-D", "-a", "-n", "-P", f"--delimiter={SEPARATOR}", f"--format={','.join(FIELDS)}")


def accounted_jobs(text: str) -> Decoded[JobRecord]:
    """Executions, each with its steps, in sacct's order. A line that can't be read is left out and counted."""
    jobs: list[JobRecord] = []
    steps: list[list[StepRecord]] = []
    refused = 0
    for row in _rows(text):
        try:
            job_id, dot, step = row["JobIDRaw"].partition(".")
            if not dot:
                jobs.append(_job(row))
                steps.append([])
            elif jobs and _whole(job_id) == jobs[-1].job_id:
                steps[-1].append(_step(row, step))
        except DecodeError:
            refused += 1
    records = tuple(with_steps(job, tuple(own)) for job, own in zip(jobs, steps, strict=True))
    return Decoded(records, refused)


def _rows(text: str) -> Iterator[dict[str, str]]:
    """Lines as fields by name; a line without separators continues the name before it."""
    row: list[str] = []
    for line in text.split("\n"):
        fields = line.split(SEPARATOR, len(FIELDS) - 1)
        if len(fields) == len(FIELDS):
            if row:
                yield dict(zip(FIELDS, row, strict=True))
            row = fields
        elif row and line:
            row[-1] += "\n" + line
    if row:
        yield dict(zip(FIELDS, row, strict=True))


def _job(row: dict[str, str]) -> JobRecord:
    job_id = _whole(row["JobIDRaw"])
    if not job_id:
        raise DecodeError(f"{row['JobIDRaw'][:40]!r} is no job id", reason="job-id")
    state = parse_state(row["State"])
    nodes = expand(row["NodeList"])
    times = happened_times(state.state, bool(nodes), _whole(row["Start"]), _whole(row["End"]))
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
        cluster=_told(row["Cluster"]),
        name=row["JobName"] or None,
        user=_told(row["User"]),
        user_id=_whole(row["UID"]),
        group=_told(row["Group"]),
        group_id=_whole(row["GID"]),
        account=_told(row["Account"]),
        partition=_told(row["Partition"]),
        qos=_told(row["QOS"]),
        reason=_told(row["Reason"]),
        exit_code=code,
        exit_signal=signal,
        derived_exit_code=derived_code,
        derived_exit_signal=derived_signal,
        submit_s=_whole(row["Submit"]),
        eligible_s=_whole(row["Eligible"]),
        expected_start_s=times.expected_start_s,
        start_s=times.start_s,
        end_s=times.end_s,
        time_limit_s=limit_s(_whole(row["TimelimitRaw"])),
        suspended_s=duration_s(row["Suspended"]) or None,
        nodes=nodes,
        node_count=_whole(row["NNodes"]) or None,
        cpu_count=_whole(row["NCPUS"]) or None,
        tres=allocated,
        memory_bytes=allocated.get("mem"),
        requested_memory_bytes=requested.get("mem") or memory_bytes(row["ReqMem"]),
        array_job_id=int(array[1]) if array else None,
        array_task_id=_whole(array[2]) if array else None,
        array_tasks=array[3] if array else None,
        het_job_id=int(het[1]) if het else None,
        het_job_offset=int(het[2]) if het else None,
        flags=tuple(flag for flag in row["Flags"].split(",") if flag),
    )


def _step(row: dict[str, str], step: str) -> StepRecord:
    state = parse_state(row["State"])
    code, signal = exit_pair(row["ExitCode"]) if state.state.has_ended else (None, None)
    return StepRecord(
        step=step,
        state=state.state,
        name=row["JobName"] or None,
        exit_code=code,
        exit_signal=signal,
        start_s=_whole(row["Start"]),
        end_s=_whole(row["End"]),
        nodes=expand(row["NodeList"]),
        task_count=_whole(row["NTasks"]) or None,
    )


def _told(text: str) -> str | None:
    return None if text in _ABSENT else text


def _whole(text: str | None) -> int | None:
    is_number = text is not None and text.isascii() and text.isdecimal() and len(text) <= 18
    return int(text) if is_number and text is not None else None
