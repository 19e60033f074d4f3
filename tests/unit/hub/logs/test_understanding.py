"""Which job a line is given to by what it says itself, and what is said where two words contradict each other."""

from __future__ import annotations

import pytest

from slurmlens.hub.logs.understanding import understood
from slurmlens.log_lines import JobSource, LogLine, Severity

AT_NS = 1_796_011_200 * 10**9
OOM = "[2026-11-30T04:00:00.000] [12.batch] error: Detected 1 oom_kill event in StepId=12.batch. x"
IN_V1 = "/slurm/uid_1/job_15"
KERNEL_OOM = f"oom-kill:constraint=X,oom_memcg={IN_V1},task_memcg={IN_V1}/step_2/task_0,task=a,pid=5,uid=1"
ON_V2 = "/system.slice/slurmstepd.scope/job_14/step_0/user/task_1"


def line(message: str, program: str | None = None, **fields: object) -> LogLine:
    return LogLine(id="a", time_ns=AT_NS, node="n1", message=message, program=program, **fields)  # type: ignore[arg-type]


CASES = {
    "slurmd's words": (
        line("Launching batch job 10 for UID 4002", "slurmd"),
        10,
        None,
        JobSource.TEXT,
        "batch_launched",
    ),
    "a whole line of slurmstepd's": (line(OOM), 12, "batch", JobSource.TEXT, "oom_kill"),
    "the tag of a job script": (line("iteration 7 done", "slurm_13"), 13, None, JobSource.TAG, None),
    "journald's cgroup": (line("killed", "app", cgroup=ON_V2), 14, "0", JobSource.CGROUP, None),
    "a job's own words, by its cgroup": (
        line("OSError: No space left on device", "python3", cgroup=ON_V2),
        14,
        "0",
        JobSource.CGROUP,
        "no_space",
    ),
    "the same words of somebody else's": (line("No space left on device", "rsyncd"), None, None, None, None),
    "the kernel's cgroup": (line(KERNEL_OOM, "kernel"), 15, "2", JobSource.CGROUP, "oom_kill"),
    "a text that no table knows": (
        line("Configuration for JobId=8_2(17) done", "slurmctld"),
        17,
        None,
        JobSource.TEXT,
        None,
    ),
    "nobody's": (line("hello", "sshd"), None, None, None, None),
    "what a node's daemon found": (
        line("hello", job_id=12, job_source=JobSource.PROCESS),
        12,
        None,
        JobSource.PROCESS,
        None,
    ),
    "what a sender says and no more": (line("hello", job_id=12), 12, None, JobSource.TAG, None),
}


@pytest.mark.parametrize("name", CASES)
def test_a_line_names_its_job(name: str) -> None:
    told, *meant = CASES[name]
    made = understood(told)
    assert [made.job_id, made.step, made.job_source, made.kind] == meant
    assert made.message == told.message


def test_the_envelope_tells_time_program_and_severity() -> None:
    made = understood(line("[2026-11-30T03:00:00.000] [12.0] error: x"))
    assert (made.program, made.severity, made.time_ns) == ("slurmstepd", Severity.ERROR, AT_NS - 3600 * 10**9)


def test_a_tag_that_another_job_chose_is_contradicted_by_the_cgroup() -> None:
    made = understood(line("hello", "slurm_13", cgroup="/slurm/uid_1/job_14/step_0"))
    assert (made.job_id, made.job_source) == (14, JobSource.CGROUP)
    assert made.contradiction == "tag says job 13"


@pytest.mark.parametrize("year", ["0001", "1969", "1999", "2027", "2261", "2263", "9999"])
@pytest.mark.parametrize("program", ["logger", "slurmd"])
def test_a_year_that_somebody_made_up_is_not_the_lines(year: str, program: str) -> None:
    assert understood(line(f"[{year}-12-31T23:59:59.000] error: x", program)).time_ns == AT_NS
