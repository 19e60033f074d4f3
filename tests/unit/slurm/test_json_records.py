"""Slurm's JSON of 22.05 and 26.05, recorded, to records; and JSON that no Slurm ever wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.slurm import json_records
from slurmlens.slurm.records import JobRecord, JobState, RecordSource
from testkit.checkout import ROOT

FIXTURES = ROOT / "tests" / "fixtures/slurm"


def queue(name: str) -> dict[int, JobRecord]:
    decoded = json_records.queue_jobs((FIXTURES / name).read_bytes())
    assert decoded.refused == 0
    return {record.job_id: record for record in decoded.records}


def accounted(name: str) -> dict[int, JobRecord]:
    decoded = json_records.accounted_jobs((FIXTURES / name).read_bytes())
    assert decoded.refused == 0
    return {record.job_id: record for record in decoded.records}


def test_the_queue_of_22_05_tells_outcomes_apart() -> None:
    jobs = queue("22.05/squeue.outcomes.json")
    assert (jobs[2].state, jobs[2].exit_code, jobs[2].exit_signal) == (JobState.FAILED, 42, 0)
    assert (jobs[5].state, jobs[5].exit_code, jobs[5].exit_signal) == (JobState.OUT_OF_MEMORY, 0, 125)
    assert (jobs[6].state, jobs[6].exit_signal) == (JobState.CANCELLED, 15)
    assert (jobs[10].array_job_id, jobs[10].array_task_id) == (4, 1)
    assert (jobs[7].state, jobs[7].reason, jobs[7].restart_count) == (JobState.PENDING, "BeginTime", 1)
    assert jobs[7].start_s is None
    assert jobs[7].end_s is None
    assert jobs[8].nodes == ("d-compute1", "d-compute2")
    assert jobs[1].time_limit_s is None  # a year is how 22.05 says that there is none


def test_the_queue_of_26_05_has_the_same_meaning_in_other_shapes() -> None:
    job = queue("26.05/squeue.json")[26]
    assert (job.state, job.start_s, job.end_s, job.time_limit_s) == (JobState.RUNNING, 1795348214, None, 600)
    assert (job.nodes, job.cpu_count, job.memory_bytes) == (("hvn0", "hvn1"), 4, 1200 * 1024**2)
    assert job.sluid == "s1YSM81HFD0Z00"
    waiting = queue("26.05/squeue.json")[27]
    assert (waiting.array_tasks, waiting.expected_start_s, waiting.start_s) == ("1-3%1", 1795348814, None)


@pytest.mark.parametrize("version", ["squeue.v0.0.42.json", "squeue.json"])
def test_every_version_of_the_data_parser_reads_alike(version: str) -> None:
    job = queue(f"26.05/{version}")[26]
    assert (job.user, job.partition, job.submit_s, job.requested_memory_bytes) == (
        "alice",
        "debug",
        1795348214,
        1200 * 1024**2,
    )


def test_a_user_whose_uid_is_one_of_slurms_16_bit_novals_is_still_a_user() -> None:
    assert queue("22.05/squeue.json")[29].user_id == 65534


def test_accounting_of_26_05_has_exit_codes_and_steps() -> None:
    jobs = accounted("26.05/sacct_-j_N.json")
    assert (jobs[25].state, jobs[25].exit_code, jobs[25].exit_signal) == (JobState.FAILED, 3, 0)
    assert [(step.step, step.exit_code) for step in jobs[25].steps] == [("batch", 3), ("extern", 0)]
    assert (jobs[26].state, jobs[26].end_s, jobs[26].exit_code) == (JobState.RUNNING, None, None)
    assert jobs[24].source is RecordSource.ACCOUNTING


def test_exit_codes_in_22_05s_accounting_json_are_not_believed() -> None:
    job = accounted("22.05/sacct_-j_N.json")[30]
    assert job.state is JobState.FAILED  # and the JSON says return code 0, status SUCCESS
    assert job.exit_code is None
    assert all(step.exit_code is None for step in job.steps)


def test_jobs_cancelled_before_they_ran_have_no_start() -> None:
    jobs = queue("26.05/scontrol_show_jobs.json")
    assert (jobs[12].state, jobs[12].start_s, jobs[12].nodes) == (JobState.CANCELLED, None, ())


@pytest.mark.parametrize("name", ["22.05/sinfo.json", "26.05/scontrol_show_nodes.json"])
def test_nodes_have_addresses(name: str) -> None:
    nodes = json_records.nodes((FIXTURES / name).read_bytes()).records
    assert [node.name for node in nodes] == ["hvn0", "hvn1"]
    assert all(node.address and node.state == "ALLOCATED" for node in nodes)


def test_partitions_have_nodes_and_a_default() -> None:
    (partition,) = json_records.partitions((FIXTURES / "26.05/scontrol_show_partitions.json").read_bytes()).records
    assert (partition.name, partition.nodes, partition.is_default) == ("debug", ("hvn0", "hvn1"), True)
    assert partition.time_limit_s is None


def test_one_job_that_cannot_be_read_spoils_no_other() -> None:
    document = json.loads((FIXTURES / "26.05/squeue.json").read_text())
    document["jobs"][0]["job_id"] = "none"
    document["jobs"][1]["nodes"] = "c[1-"
    decoded = json_records.queue_jobs(json.dumps(document).encode())
    assert (len(decoded.records), decoded.refused) == (1, 2)


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b'{"jobs": {}}', b"slurm_load_jobs error"])
def test_what_is_no_answer_is_refused(document: bytes) -> None:
    with pytest.raises(DecodeError):
        json_records.queue_jobs(document)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.thorough
@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_field_may_hold_anything(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["squeue", "sacct_-j_N"]))
    document: dict[str, Any] = json.loads((FIXTURES / f"26.05/{kind}.json").read_text())
    job = document["jobs"][0]
    for key in data.draw(st.lists(st.sampled_from(sorted(job)), min_size=1, max_size=6)):
        job[key] = data.draw(_json)
    decode = json_records.queue_jobs if kind == "squeue" else json_records.accounted_jobs
    decoded = decode(json.dumps(document).encode())
    assert len(decoded.records) + decoded.refused == len(document["jobs"])
