"""Which job a line of Slurm's daemons names, in every spelling from 20.11 to 26.05: pure.

Owns the spellings. `%pJ` and `%ps` of Slurm's `src/common/log.c` write `JobId=12`, `JobId=10_3(13)`, `JobId=20+1(21)`,
`JobId=12 SLUID=s…`, `StepId=12.0`, `StepId=12.batch`, `StepId=21.0+1`; older messages of slurmd say `job 12`, `Job 12`,
`[job 12]`, `jobid 12`, slurmdbd says `ID:12`. Used by `log_kinds`.
"""

from __future__ import annotations

import re

from slurmlens.log_lines import JobMention

MAX_JOB_ID = 2**32 - 3

_SLUID = r"s[0-9A-Z]{10,16}"
JOB = (
    r"(?:JobId=(?:(?P<array>\d{1,10})_(?P<task>\d{1,10}|\*)(?:\((?P<own>\d{1,10})\))?"
    r"|(?P<leader>\d{1,10})\+(?P<offset>\d{1,10})(?:\((?P<part>\d{1,10})\))?"
    r"|(?P<plain>\d{1,10})|Invalid|CORRUPT)"
    rf"(?: SLUID=(?P<sluid>{_SLUID}))?|SLUID=(?P<alone>{_SLUID}))"
    r"(?: StepId=(?P<stepof>[\w+]{1,20}))?"
)
"""A job as `%pJ` writes it, as a pattern to be built into others."""

STEP = (
    rf"StepId=(?:(?P<stepjob>\d{{1,10}})|(?P<stepsluid>{_SLUID}))"
    r"\.(?P<step>\w{1,20})(?:\+(?P<component>\d{1,10}))?"
)
OLD = r"(?:\[job |[Jj]ob |jobid |ID:)(?P<old>\d{1,10})\]?"
"""As slurmd wrote it up to 25.05, and slurmdbd does."""

ANY = rf"(?:{JOB}|{STEP}|{OLD})"
_JOB, _STEP, _OLD = re.compile(JOB), re.compile(STEP), re.compile(OLD)


def mention_of(groups: dict[str, str | None]) -> JobMention | None:
    """What the groups of a match of these patterns name; None where that is no job ("JobId=Invalid")."""
    own = groups.get("own") or groups.get("part") or groups.get("plain") or groups.get("stepjob") or groups.get("old")
    task = groups.get("task")
    sluid = groups.get("sluid") or groups.get("alone") or groups.get("stepsluid")
    array = _number(groups.get("array"))
    leader = _number(groups.get("leader"))
    job_id = _number(own)
    if job_id is None and array is not None and task == "*":
        job_id = array  # what still waits of an array is one record with the array's own id
    if job_id is None and array is None and leader is None and sluid is None:
        return None
    return JobMention(
        job_id=job_id,
        array_job_id=array,
        array_task_id=_number(task) if task and task != "*" else None,
        het_job_id=leader,
        het_job_offset=_number(groups.get("offset") or groups.get("component")),
        step=groups.get("step") or groups.get("stepof"),
        sluid=sluid,
    )


def first_mention(text: str) -> JobMention | None:
    """The first job or step that a text names, the newer spellings before the older one."""
    for pattern in (_STEP, _JOB, _OLD):
        for match in pattern.finditer(text):
            if (mention := mention_of(match.groupdict())) is not None:
                return mention
    return None


def _number(text: str | None) -> int | None:
    if text is None or not text.isdecimal():
        return None
    value = int(text)
    return value if value <= MAX_JOB_ID else None
