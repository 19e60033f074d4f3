"""squeue's text, which releases without JSON are asked for, to records."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.config.hub import SlurmConfig
from slurmlens.slurm import json_records, queue_text
from slurmlens.slurm.records import JobRecord, JobState
from slurmlens.slurm.source import CommandSource
from testkit.slurm_answers import RecordedCommands, recorded


async def queue() -> tuple[dict[int, JobRecord], RecordedCommands]:
    run = RecordedCommands("slurm 20.11.9", {"squeue": "20.11/squeue.txt"})
    answer = await CommandSource(SlurmConfig(), run).queue()
    assert (answer.refused, dict(answer.unknown)) == (0, {})
    return {record.job_id: record for record in answer.records}, run


async def test_the_text_of_20_11_says_of_a_job_what_the_json_of_23_02_says() -> None:
    from_text, _ = await queue()
    untold = {
        *("exit_code", "exit_signal", "derived_exit_code", "derived_exit_signal", "cluster", "eligible_s", "flags"),
        *("reason_text", "restart_count", "task_count", "tres", "memory_bytes", "requested_memory_bytes"),
    }
    for known in json_records.queue_jobs(recorded("23.02/squeue.json"), (23, 2)).records:
        for name in set(JobRecord.__struct_fields__) - untold:
            assert getattr(from_text[known.job_id], name) == getattr(known, name), (known.job_id, name)


async def test_it_is_asked_for_with_a_separator_that_nobody_can_foresee_and_epoch_times() -> None:
    asked = [(await queue())[1] for _ in range(2)]
    assert asked[0].asked[0] != asked[1].asked[0]
    assert asked[0].environments[0]["SLURM_TIME_FORMAT"] == "%s"


async def test_arrays_and_heterogeneous_jobs_have_their_ids() -> None:
    jobs, _ = await queue()
    assert (jobs[16].array_job_id, jobs[16].array_task_id) == (8, 1)
    assert (jobs[11].het_job_id, jobs[11].het_job_offset) == (10, 1)
    assert jobs[14].state is JobState.PENDING


@given(st.lists(st.lists(st.text(max_size=10), min_size=19, max_size=19), max_size=4))
def test_no_fields_do_more_than_be_refused(rows: list[list[str]]) -> None:
    document = "\n".join("|".join(row) for row in rows).encode("utf-8", "surrogatepass")
    queue_text.queue_jobs([document], "|")
