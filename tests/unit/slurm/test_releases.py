"""The same cluster as every release tells of it: one table of what is true, asked of all of them."""

from __future__ import annotations

import pytest

from slurmlens.config.hub import SlurmConfig
from slurmlens.slurm.records import JobRecord, JobState
from slurmlens.slurm.releases import Form, Release, answers_of
from slurmlens.slurm.source import CommandSource
from testkit.slurm_answers import RecordedCommands

RELEASES = ("23.02", "23.11", "24.05", "24.11", "25.05", "25.11")

OUTCOMES = {
    1: (JobState.COMPLETED, 0, 0),
    2: (JobState.FAILED, 42, 0),
    3: (JobState.FAILED, 3, 0),
    4: (JobState.FAILED, 0, 9),
    13: (JobState.RUNNING, None, None),
    14: (JobState.PENDING, None, None),
    15: (JobState.FAILED, 0, 53),
    16: (JobState.COMPLETED, 0, 0),
    18: (JobState.FAILED, 1, 0),
}
"""Job id → state, exit code, signal."""

STEP_EXITS = {
    2: {"batch": (42, 0), "0": (42, 0)},
    3: {"batch": (3, 0), "0": (0, 11)},
    4: {"batch": (0, 9)},
    13: {"batch": (None, None), "0": (None, None)},
    15: {"batch": (0, 53)},
}


def source(release: str) -> tuple[CommandSource, RecordedCommands]:
    sacct = "sacct.txt" if release == "23.02" else "sacct.json"
    run = RecordedCommands(f"slurm {release}.7", {"squeue": f"{release}/squeue.json", "sacct": f"{release}/{sacct}"})
    return CommandSource(SlurmConfig(), run), run


async def queue(release: str) -> dict[int, JobRecord]:
    answer = await source(release)[0].queue()
    assert (answer.refused, dict(answer.unknown)) == (0, {})
    return {record.job_id: record for record in answer.records}


async def accounted(release: str) -> dict[int, JobRecord]:
    answer = await source(release)[0].executions(range(1, 20))
    assert (answer.refused, dict(answer.unknown)) == (0, {})
    return {record.job_id: record for record in answer.records}


def outcome(record: JobRecord) -> tuple[JobState, int | None, int | None]:
    return record.state, record.exit_code, record.exit_signal


@pytest.mark.parametrize("release", RELEASES)
async def test_the_queue_tells_every_outcome_as_it_was(release: str) -> None:
    jobs = await queue(release)
    assert {job_id: outcome(jobs[job_id]) for job_id in OUTCOMES} == OUTCOMES
    assert (jobs[3].derived_exit_code, jobs[3].derived_exit_signal) == (0, 11)
    assert (jobs[2].derived_exit_code, jobs[2].derived_exit_signal) == (42, 0)


@pytest.mark.parametrize("release", RELEASES)
async def test_accounting_tells_every_outcome_as_it_was_and_the_steps(release: str) -> None:
    jobs = await accounted(release)
    assert {job_id: outcome(jobs[job_id]) for job_id in OUTCOMES} == OUTCOMES
    for job_id, exits in STEP_EXITS.items():
        assert {step.step: (step.exit_code, step.exit_signal) for step in jobs[job_id].steps} == exits


@pytest.mark.parametrize("release", RELEASES)
async def test_everything_else_of_a_job_is_the_same_in_every_release(release: str) -> None:
    job, waiting = (await queue(release))[1], (await queue(release))[14]
    assert (job.nodes, job.cpu_count, job.task_count, job.memory_bytes) == (("n01", "n02"), 2, 2, 400 * 1024**2)
    assert (job.submit_s, job.start_s, job.end_s, job.time_limit_s) == (1796010960, 1796010961, 1796010964, 3600)
    assert (job.user, job.user_id, job.account, job.partition, job.qos) == ("alice", 2000, "acct1", "all", "normal")
    assert (waiting.reason, waiting.start_s, waiting.nodes) == ("Resources", None, ())
    assert job.sluid == ("sREC0000000001" if release == "25.11" else None)
    component, task = (await queue(release))[11], (await queue(release))[16]
    assert (component.het_job_id, component.het_job_offset) == (10, 1)
    assert (task.array_job_id, task.array_task_id) == (8, 1)


@pytest.mark.parametrize("release", RELEASES)
async def test_the_queue_and_accounting_name_the_same_executions(release: str) -> None:
    queued, told = await queue(release), await accounted(release)
    for job_id in (1, 2, 3, 4, 11, 15, 16):
        same = ("submit_s", "start_s", "end_s", "nodes", "tres", "array_task_id", "het_job_offset", "time_limit_s")
        assert [getattr(queued[job_id], name) for name in same] == [getattr(told[job_id], name) for name in same]


def test_a_release_newer_than_all_we_know_counts_as_the_newest() -> None:
    assert answers_of((31, 5)) == answers_of((26, 5))


def test_what_a_release_is_asked_is_told_by_the_release() -> None:
    assert answers_of(Release(20, 11)).queue is Form.TEXT
    assert (answers_of((22, 5)).queue, answers_of((22, 5)).nodes) == (Form.JSON, Form.TEXT)
    assert answers_of((23, 2)).accounting is Form.TEXT  # its JSON says 0 for exit 42
    assert answers_of((23, 11)).accounting is Form.JSON
    assert answers_of((25, 11)).partitions is Form.TEXT  # its JSON does not say which one is the default
    assert str(Release(23, 2)) == "23.02"
