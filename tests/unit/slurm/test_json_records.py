"""Slurm's JSON, recorded, to records; and JSON that no Slurm ever wrote."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.slurm import json_records, scontrol_text
from slurmlens.slurm.json_values import MAX_TEXT_CHARS
from slurmlens.slurm.records import JobRecord, JobState, RecordSource
from testkit.slurm_answers import FIXTURES, in_pieces, recorded


def queue(name: str, release: tuple[int, int] = (26, 5)) -> dict[int, JobRecord]:
    decoded = json_records.queue_jobs(recorded(name), release)
    assert (decoded.refused, dict(decoded.unknown)) == (0, {})
    return {record.job_id: record for record in decoded.records}


def accounted(name: str) -> dict[int, JobRecord]:
    decoded = json_records.accounted_jobs(recorded(name))
    assert (decoded.refused, dict(decoded.unknown)) == (0, {})
    return {record.job_id: record for record in decoded.records}


def test_the_queue_of_22_05_tells_outcomes_apart() -> None:
    jobs = queue("22.05/squeue.outcomes.json", (22, 5))
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


@pytest.mark.parametrize(
    "version", ["squeue.v0.0.42.json", "squeue.v0.0.43.json", "squeue.v0.0.44.json", "squeue.json"]
)
def test_every_version_of_the_data_parser_reads_alike(version: str) -> None:
    job = queue(f"26.05/{version}")[26]
    assert (job.user, job.partition, job.submit_s, job.requested_memory_bytes) == (
        "alice",
        "debug",
        1795348214,
        1200 * 1024**2,
    )


def test_a_user_whose_uid_is_one_of_slurms_16_bit_novals_is_still_a_user() -> None:
    assert queue("22.05/squeue.json", (22, 5))[29].user_id == 65534


def test_accounting_of_26_05_has_exit_codes_and_steps() -> None:
    jobs = accounted("26.05/sacct_-j_N.json")
    assert (jobs[25].state, jobs[25].exit_code, jobs[25].exit_signal) == (JobState.FAILED, 3, 0)
    assert [(step.step, step.exit_code) for step in jobs[25].steps] == [("batch", 3), ("extern", 0)]
    assert (jobs[26].state, jobs[26].end_s, jobs[26].exit_code) == (JobState.RUNNING, None, None)
    assert jobs[24].source is RecordSource.ACCOUNTING


def test_jobs_cancelled_before_they_ran_have_no_start() -> None:
    jobs = queue("26.05/scontrol_show_jobs.json")
    assert (jobs[12].state, jobs[12].start_s, jobs[12].nodes) == (JobState.CANCELLED, None, ())


def test_nodes_have_addresses() -> None:
    nodes = json_records.nodes(recorded("26.05/scontrol_show_nodes.json")).records
    assert [node.name for node in nodes] == ["hvn0", "hvn1"]
    assert all(node.address and node.state == "ALLOCATED" for node in nodes)


def test_nodes_are_the_same_from_json_and_from_text() -> None:
    from_json = json_records.nodes(recorded("23.02/scontrol_show_nodes.json")).records
    from_text = scontrol_text.nodes(recorded("23.02/scontrol_show_node.txt")).records
    assert from_json[2].reason == "kernel: bad DIMM, see Port=7 State=FAIL"
    assert (from_json[1].state, from_text[1].state) == ("ALLOCATED", "MIXED")  # JSON of 23.02 knows no mixed node
    assert from_json[::2] == from_text[::2]


def test_partitions_have_nodes_and_a_default() -> None:
    (partition,) = json_records.partitions(recorded("26.05/scontrol_show_partitions.json")).records
    assert (partition.name, partition.nodes, partition.is_default) == ("debug", ("hvn0", "hvn1"), True)
    assert partition.time_limit_s is None


def test_a_field_that_cannot_be_read_is_not_known_and_counted_and_spoils_no_other() -> None:
    document = json.loads((FIXTURES / "26.05/squeue.json").read_text())
    odd = document["jobs"][0]
    odd["nodes"], odd["exit_code"], odd["start_time"] = "c[1-", [], {"set": True, "number": 10**13}
    odd["user_id"], odd["name"] = 2**70, 5
    decoded = json_records.queue_jobs(in_pieces(json.dumps(document).encode()))
    assert (len(decoded.records), decoded.refused) == (3, 0)
    assert decoded.unknown == {"nodes": 1, "exit_code": 1, "start_time": 1, "user_id": 1, "name": 1}
    job = decoded.records[0]
    assert (job.nodes, job.start_s, job.user_id, job.name, job.user) == ((), None, None, None, "alice")


def test_an_entry_without_an_id_is_left_out_and_counted() -> None:
    document = json.loads((FIXTURES / "26.05/squeue.json").read_text())
    document["jobs"][0]["job_id"] = "none"
    document["jobs"].append(7)
    decoded = json_records.queue_jobs(in_pieces(json.dumps(document).encode()))
    assert (len(decoded.records), decoded.refused) == (2, 2)


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b'{"jobs": {}}', b"slurm_load_jobs error", b'{"jobs": [{}'])
def test_what_is_no_answer_or_half_of_one_is_refused(document: bytes) -> None:
    with pytest.raises(DecodeError):
        json_records.queue_jobs([document])


def test_errors_without_jobs_are_no_empty_queue() -> None:
    answer = b'{"jobs": [], "errors": [{"description": "Unable to contact controller", "error_number": 1}]}'
    with pytest.raises(DecodeError, match="Unable to contact controller"):
        json_records.queue_jobs([answer])


def test_errors_beside_jobs_count_as_something_that_was_not_told() -> None:
    answer = b'{"errors": [{"error": "one is away"}], "jobs": [{"job_id": 1, "job_state": ["RUNNING"]}]}'
    decoded = json_records.queue_jobs([answer])
    assert (len(decoded.records), decoded.refused) == (1, 1)


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_bytes_that_are_no_utf_8_are_replaced_in_that_name_alone(size: int) -> None:
    document = (FIXTURES / "odd/squeue-name-in-latin1.json").read_bytes()
    for decode in (json_records.queue_jobs, json_records.accounted_jobs):
        odd, plain = decode(in_pieces(document, size)).records
        assert (odd.name, plain.name) == ("r\ufffdsum\ufffd", "plain")
        assert (odd.nodes, plain.nodes) == (("n01",), ("n02",))


def test_exits_of_23_02_come_out_of_the_wrapped_wait_status() -> None:
    failed, killed = queue("odd/squeue-23.02-failed.json", (23, 2)).values()
    assert (failed.exit_code, failed.exit_signal) == (42, 0)
    assert (killed.exit_code, killed.exit_signal) == (0, 9)


def test_an_exit_in_the_shape_of_another_release_is_not_known() -> None:
    decoded = json_records.queue_jobs(recorded("odd/squeue-23.02-failed.json"), (24, 5))
    assert [(job.state, job.exit_code) for job in decoded.records] == [(JobState.FAILED, None)] * 2
    assert decoded.unknown == {"exit_code": 2, "derived_exit_code": 2}


def test_a_signal_that_no_kernel_sends_is_a_signal() -> None:
    (job,) = queue("odd/squeue-22.05-status-4021.json", (22, 5)).values()
    assert (job.exit_code, job.exit_signal) == (0, 53)


def test_of_what_a_signal_ended_the_code_is_zero() -> None:
    (job,) = accounted("odd/sacct-25.11-signaled.json").values()
    assert (job.exit_code, job.exit_signal) == (0, 9)
    assert [(step.step, step.exit_code, step.exit_signal) for step in job.steps] == [("batch", 0, 9), ("0", 0, 15)]


def test_nodes_keep_the_order_of_the_list() -> None:
    (job,) = queue("odd/squeue-switch-order.json").values()
    assert job.nodes == ("hpc-71", "hpc-231", "hpc-22")


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
    decoded = decode(in_pieces(json.dumps(document).encode()))
    for record in decoded.records:
        msgspec.json.encode(record)
    assert len(decoded.records) + decoded.refused == len(document["jobs"])


_ESCAPED = {ord('"'): b'\\"', ord("\\"): b"\\\\"} | {byte: b"\\u%04x" % byte for byte in range(32)}


@given(st.binary(max_size=60), st.integers(1, 200))
def test_whatever_bytes_a_name_holds_the_other_jobs_come(name: bytes, size: int) -> None:
    """As json-c writes them: quotes, backslashes and control characters escaped, every other byte as it is."""
    escaped = b"".join(_ESCAPED.get(byte, bytes([byte])) for byte in name)
    jobs = b'{"job_id": 1, "name": "%s", "job_state": ["RUNNING"]}, {"job_id": 2, "name": "b", "job_state": "RUNNING"}'
    decoded = json_records.queue_jobs(in_pieces(b'{"jobs": [' + jobs % escaped + b'], "errors": []}', size))
    assert [job.job_id for job in decoded.records] == [1, 2]
    assert decoded.records[1].name == "b"
    assert (decoded.refused, dict(decoded.unknown)) == (0, {})
    msgspec.json.encode(decoded.records)


@given(st.binary(max_size=300) | st.text(alphabet='{}[]",:jobs 0123eE.-\\').map(str.encode))
def test_whatever_bytes_come_as_an_answer_they_are_records_or_refused(document: bytes) -> None:
    for decode in (json_records.queue_jobs, json_records.accounted_jobs, json_records.nodes, json_records.partitions):
        with contextlib.suppress(DecodeError):
            decode([document])


def test_half_a_surrogate_and_a_nul_in_a_name_are_replaced() -> None:
    (job,) = json_records.queue_jobs([b'{"jobs": [{"job_id": 1, "name": "a\\ud800b\\u0000c"}]}']).records
    assert job.name == "a?b\ufffdc"


def test_a_name_of_megabytes_is_cut() -> None:
    document = b'{"jobs": [{"job_id": 1, "name": "' + b"x" * 2_000_000 + b'"}]}'
    (job,) = json_records.queue_jobs(in_pieces(document, 65536)).records
    assert len(job.name or "") == MAX_TEXT_CHARS


@pytest.mark.parametrize("digits", [20, 5000])
def test_a_number_of_any_size_spoils_no_other_job(digits: int) -> None:
    document = b'{"jobs": [{"job_id": 1, "user_id": %s, "start_time": 7}, {"job_id": 2}]}' % (b"9" * digits)
    decoded = json_records.queue_jobs(in_pieces(document))
    assert [(job.job_id, job.user_id) for job in decoded.records] == [(1, None), (2, None)]
    assert decoded.unknown["user_id"] == 1


def test_floats_that_are_no_json_are_read_as_json_c_writes_them() -> None:
    (job,) = json_records.queue_jobs([b'{"jobs": [{"job_id": 1, "x": NaN, "y": -Infinity, "cpus": 1e400}]}']).records
    assert job.cpu_count is None


def test_a_limit_after_the_year_9999_is_not_known() -> None:
    document = b'{"jobs": [{"job_id": 1, "job_state": "RUNNING", "time_limit": 5259600000, "end_time": 999999999999}]}'
    decoded = json_records.queue_jobs([document])
    assert decoded.records[0].time_limit_s is None
    assert dict(decoded.unknown) == {"time_limit_s": 1, "end_time": 1}


def test_ranges_side_by_side_in_one_name_are_a_node_list() -> None:
    (job,) = json_records.queue_jobs([b'{"jobs": [{"job_id": 1, "nodes": "n[1-2][3-4]"}]}']).records
    assert job.nodes == ("n13", "n14", "n23", "n24")


def test_an_entry_without_end_is_refused_before_it_fills_memory() -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"jobs": [{"name": "'
        while True:
            yield b"x" * 65536

    with pytest.raises(DecodeError, match="an entry above"):
        json_records.queue_jobs(endless())
