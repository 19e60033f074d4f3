"""Job ids as squeue and sacct write them, read and written.

    4711            a job
    4700_11         a task of a job array
    4700_[1-9%2]    the tasks of an array that wait as one record, two of which may run at once
    9380968+1       a component of a heterogeneous job
    4711.batch      a step of any of these but the waiting tasks

Owns this notation alone: every entrance (command line, address, search box) reads an id by `parse_job_reference`, every
page writes one by `shown_job_id`, and one reads what the other wrote. Pure. Sources: squeue(1) "JOBID" and `--array`,
sacct(1) "JobID", scontrol(1); 32 bit job ids and MAX_JOB_ID of slurm.h.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from slurmlens.errors import DecodeError

MAX_JOB_ID = 2**32 - 3
"""The two ids above it are Slurm's INFINITE and NO_VAL."""

MAX_ARRAY_TASK_ID = 2**32 - 3

_REFERENCE = re.compile(
    r"(?P<job>[0-9]{1,10})"
    r"(?:_(?P<task>[0-9]{1,10})|_\[(?P<tasks>[0-9,:%.-]{1,65536})\]|\+(?P<component>[0-9]{1,10}))?"
    r"(?:\.(?P<step>[0-9]{1,10}(?:\+[0-9]{1,10})?|batch|extern|interactive|TBD))?"
)
_TASKS = re.compile(r"(\d{1,10})(?:-(\d{1,10})(?::(\d{1,10}))?)?")
_CUT_OFF = "..."
"""What Slurm ends a list of tasks in that is longer than SLURM_BITSTR_LEN."""


class JobReference(NamedTuple):
    """Which job somebody means. `job_id` is the array's or the heterogeneous job's own id where there is one."""

    job_id: int
    array_task_id: int | None = None
    array_tasks: str | None = None
    het_job_offset: int | None = None
    step: str | None = None


def parse_job_reference(text: str) -> JobReference:
    """What an id in squeue's or sacct's notation means; blanks around it are passed over.

    DecodeError (reason "job-id") for everything else, with a message that names the notation.
    """
    match = _REFERENCE.fullmatch(text.strip())
    if match is None:
        raise _refused(text)
    job, task, component = (None if match[name] is None else int(match[name]) for name in ("job", "task", "component"))
    tasks, step = match["tasks"], match["step"]
    if job is None or not 0 < job <= MAX_JOB_ID or max(task or 0, component or 0) > MAX_ARRAY_TASK_ID:
        raise _refused(text)
    if tasks is not None and (step is not None or not _is_task_list(tasks)):
        raise _refused(text)
    return JobReference(job, task, tasks, component, step)


def shown_job_id(
    job_id: int,
    *,
    array_job_id: int | None = None,
    array_task_id: int | None = None,
    array_tasks: str | None = None,
    het_job_id: int | None = None,
    het_job_offset: int | None = None,
) -> str:
    """A job's id as squeue prints it, from what a record tells of it.

    >>> shown_job_id(4711, array_job_id=4700, array_task_id=11)
    '4700_11'
    """
    if array_job_id and array_task_id is not None:
        return f"{array_job_id}_{array_task_id}"
    if array_job_id and array_tasks:
        return f"{array_job_id}_[{array_tasks}]"
    if het_job_id and het_job_offset is not None:
        return f"{het_job_id}+{het_job_offset}"
    return str(job_id)


def waiting_task_count(tasks: str | None) -> int | None:
    """How many tasks of an array "1-9:2,12%4" names; 1 where it is no array; None where the list was cut short."""
    if not tasks:
        return 1
    if _CUT_OFF in tasks:
        return None
    count = 0
    for first, last, step in _TASKS.findall(tasks.partition("%")[0]):
        count += max(0, int(last or first) - int(first)) // max(1, int(step or 1)) + 1
    return max(1, count)


def _is_task_list(tasks: str) -> bool:
    """Whether it is ranges between commas, perhaps cut short, with at most one limit at the end."""
    ranges, percent, limit = tasks.partition("%")
    if percent and not limit.isdecimal():
        return False
    parts = ranges.split(",")
    if parts[-1] == _CUT_OFF:
        parts.pop()
    return bool(parts) and all(_TASKS.fullmatch(part) for part in parts)


def _refused(text: str) -> DecodeError:
    return DecodeError(
        f"{text[:60]!r} is no job id; squeue's notation is read: 4711, 4700_11, 4700_[1-9], 4711+1", reason="job-id"
    )
