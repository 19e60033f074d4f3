"""What accounting says that jobs used: `sacct -P` with TotalCPU and MaxRSS, which records of executions do not hold.

Owns the list of fields (`FIELDS`, `arguments`) and how their text is read. Pure. No field is a user's free text. CPU
time is the job's row, which sums its steps; the peak is the greatest MaxRSS of any step, which is one task's. Fed by
`source`, feeds the hub's audit.
"""

from __future__ import annotations

import re

import msgspec

from slurmlens.errors import DecodeError
from slurmlens.slurm.amounts import memory_bytes
from slurmlens.slurm.pieces import Pieces
from slurmlens.slurm.records import Decoded, JobState
from slurmlens.slurm.separated_rows import rows, told, whole, whole_time
from slurmlens.slurm.states import parse_state

FIELDS = ("JobIDRaw", "Submit", "Start", "End", "State", "TotalCPU", "MaxRSS", "NTasks", "User")
_CPU = re.compile(r"(?:(?P<days>\d{1,6})-)?(?:(?P<hours>\d{1,2}):)?(?P<minutes>\d{1,3}):(?P<seconds>\d{1,2}(?:\.\d+)?)")


class AccountedUse(msgspec.Struct, frozen=True, kw_only=True):
    """One execution: `cpu_s` is None where nothing was gathered, nor a peak; `tasks` is of the widest step."""

    job_id: int
    submit_s: int | None
    state: JobState
    start_s: int | None = None
    end_s: int | None = None
    cpu_s: float | None = None
    peak_task_bytes: int | None = None
    tasks: int = 0
    steps: int = 0
    user: str | None = None


def arguments(separator: str) -> tuple[str, ...]:
    """The options that make sacct write what `accounted_use` reads."""
    return ("-D", "-a", "-n", "-P", f"--delimiter={separator}", f"--format={','.join(FIELDS)}")


def accounted_use(pieces: Pieces, separator: str) -> Decoded[AccountedUse]:
    """Executions in sacct's order, each with what its steps used. A row that cannot be read is left out and counted."""
    found: list[AccountedUse] = []
    refused = 0
    for row in rows(pieces, separator, FIELDS):
        try:
            job_id, dot, _ = row["JobIDRaw"].partition(".")
            if not dot:
                found.append(_job(row))
            elif found and whole(job_id) == found[-1].job_id:
                found[-1] = _with_step(found[-1], row)
        except DecodeError:
            refused += 1
    return Decoded(tuple(map(_gathered, found)), refused)


def cpu_time_s(text: str) -> float | None:
    """Seconds of "1-02:03:04", "02:03:04", "03:04.500"; None for anything else."""
    match = _CPU.fullmatch(text.strip())
    if match is None:
        return None
    days, hours, minutes = (int(match[name] or 0) for name in ("days", "hours", "minutes"))
    return ((days * 24 + hours) * 60 + minutes) * 60 + float(match["seconds"])


def _job(row: dict[str, str]) -> AccountedUse:
    job_id = whole(row["JobIDRaw"])
    if not job_id:
        raise DecodeError(f"{row['JobIDRaw'][:40]!r} is no job id", reason="job-id")
    return AccountedUse(
        job_id=job_id,
        submit_s=whole_time(row["Submit"]),
        state=parse_state(row["State"]).state,
        start_s=whole_time(row["Start"]),
        end_s=whole_time(row["End"]),
        cpu_s=cpu_time_s(row["TotalCPU"]),
        user=told(row["User"]),
    )


def _with_step(job: AccountedUse, row: dict[str, str]) -> AccountedUse:
    peaks = [peak for peak in (job.peak_task_bytes, memory_bytes(row["MaxRSS"])) if peak]
    tasks = max(job.tasks, whole(row["NTasks"]) or 0)
    return msgspec.structs.replace(job, peak_task_bytes=max(peaks, default=None), tasks=tasks, steps=job.steps + 1)


def _gathered(job: AccountedUse) -> AccountedUse:
    """Without steps, or a peak in any, nothing was gathered, and 00:00:00 is no figure."""
    has_use = job.steps > 0 and (job.peak_task_bytes is not None or bool(job.cpu_s))
    return job if has_use else msgspec.structs.replace(job, cpu_s=None)
