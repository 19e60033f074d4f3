"""sacct's text, recorded on 22.05, to records: the only way to its exit codes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.slurm import accounting_text
from slurmlens.slurm.accounting_text import FIELDS, arguments
from slurmlens.slurm.records import Decoded, JobRecord, JobState
from testkit.checkout import ROOT

RECORDED = (ROOT / "tests" / "fixtures/slurm/22.05/sacct.txt").read_text()
SEPARATOR = "\x1f"


def accounted_jobs(text: str) -> Decoded[JobRecord]:
    return accounting_text.accounted_jobs([text.encode("utf-8", "surrogatepass")], SEPARATOR)


def records() -> list[JobRecord]:
    decoded = accounted_jobs(RECORDED)
    assert decoded.refused == 0
    return list(decoded.records)


def test_outcomes_are_told_apart() -> None:
    jobs = {record.job_id: record for record in records()}
    assert (jobs[2].state, jobs[2].exit_code, jobs[2].exit_signal) == (JobState.FAILED, 42, 0)
    assert (jobs[5].state, jobs[5].exit_code, jobs[5].exit_signal) == (JobState.OUT_OF_MEMORY, 0, 125)
    assert (jobs[6].state, jobs[6].cancelled_by) == (JobState.CANCELLED, "3001")
    assert (jobs[1].state, jobs[1].exit_code, jobs[1].user_id) == (JobState.COMPLETED, 0, 3001)


def test_each_execution_of_a_requeued_job_is_a_record_of_its_own() -> None:
    first, second = (record for record in records() if record.job_id == 7)
    assert (first.state, first.start_s, first.end_s) == (JobState.REQUEUED, 1795424347, 1795424348)
    assert (second.state, second.start_s, second.reason) == (JobState.PENDING, None, "BeginTime")
    assert first.submit_s != second.submit_s


def test_a_start_that_accounting_lost_is_its_first_steps() -> None:
    """As recorded on 22.05 of a job that was requeued right after it began."""
    lines = [line for line in RECORDED.splitlines() if line.split(SEPARATOR)[0].split(".")[0] == "7"]
    start = FIELDS.index("Start")
    fields = lines[0].split(SEPARATOR)
    fields[start] = "None"
    lost, waiting = accounted_jobs("\n".join([SEPARATOR.join(fields), *lines[1:]])).records
    assert lost.start_s == 1795424347
    assert waiting.start_s is None


def test_arrays_have_their_ids_and_jobs_their_steps() -> None:
    jobs = {record.job_id: record for record in records()}
    assert [(jobs[n].array_job_id, jobs[n].array_task_id) for n in (10, 11, 4)] == [(4, 1), (4, 2), (4, 3)]
    assert [step.step for step in jobs[8].steps] == ["batch", "extern", "0", "1"]
    assert jobs[8].steps[2].nodes == ("d-compute1", "d-compute2")
    assert (jobs[8].memory_bytes, jobs[8].cpu_count) == (512 * 1024**2, 2)


def test_a_name_may_hold_anything_even_lines_and_separators() -> None:
    name = f"a|b {SEPARATOR} c\n\nlast = line\n"
    job = RECORDED.splitlines()[0].rpartition(SEPARATOR)[0]
    (first, second) = accounted_jobs(f"{job}{SEPARATOR}{name}\n{job}{SEPARATOR}other\n").records
    assert (first.name, second.name) == (name, "other")


def test_a_line_that_cannot_be_read_is_left_out_with_its_steps() -> None:
    lines = RECORDED.splitlines()[:6]
    lines[0] = lines[0].replace("1", "x", 1)
    decoded = accounted_jobs("\n".join(lines))
    assert [record.job_id for record in decoded.records] == [2]
    assert [step.step for step in decoded.records[0].steps] == ["batch", "extern"]
    assert decoded.refused == 1


def test_what_is_asked_for_is_what_is_read() -> None:
    assert arguments(SEPARATOR)[-1] == f"--format={','.join(FIELDS)}"
    assert len(RECORDED.splitlines()[0].split(SEPARATOR)) == len(FIELDS)


@given(st.lists(st.lists(st.text(max_size=12), min_size=len(FIELDS), max_size=len(FIELDS)), max_size=4))
def test_no_fields_do_more_than_be_refused(rows: list[list[str]]) -> None:
    accounted_jobs("\n".join(SEPARATOR.join(row) for row in rows))


@given(st.text(alphabet=st.sampled_from("1234567890.:_[]-%,+\x1f\n Kabc"), max_size=300))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    accounted_jobs(text)


def test_a_name_cannot_forge_another_row() -> None:
    """Who names a job does not know the separator: a row in the name, between the old separators, is a name."""
    forged = "x\n" + RECORDED.splitlines()[0].replace("42:0", "0:0")
    row = RECORDED.splitlines()[0].replace(SEPARATOR, "<secret>").rpartition("<secret>")[0]
    (job,) = accounting_text.accounted_jobs([f"{row}<secret>{forged}\n".encode()], "<secret>").records
    assert (job.job_id, job.name) == (1, forged)


def test_bytes_that_are_no_utf_8_spoil_that_name_alone() -> None:
    rows = [row.encode() for row in RECORDED.splitlines()[:6]]
    rows[0] = rows[0].rpartition(SEPARATOR.encode())[0] + b"\x1fr\xe9sum\xe9"
    decoded = accounting_text.accounted_jobs([b"\n".join(rows) + b"\n"], SEPARATOR)
    assert [job.job_id for job in decoded.records] == [1, 2]
    assert decoded.records[0].name == "r\ufffdsum\ufffd"


def test_a_node_list_that_cannot_be_read_is_not_known_and_counted() -> None:
    row = RECORDED.splitlines()[0].split(SEPARATOR)
    row[FIELDS.index("NodeList")] = "n[1-"
    decoded = accounted_jobs(SEPARATOR.join(row))
    assert (decoded.records[0].nodes, decoded.refused, dict(decoded.unknown)) == ((), 0, {"nodes": 1})
