"""Job ids in squeue's notation, read and written back."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.slurm.job_ids import (
    MAX_ARRAY_TASK_ID,
    MAX_JOB_ID,
    JobReference,
    parse_job_reference,
    shown_job_id,
    waiting_task_count,
)

job_ids = st.integers(1, MAX_JOB_ID)
task_ids = st.integers(0, MAX_ARRAY_TASK_ID)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("4711", JobReference(4711)),
        (" 4711\n", JobReference(4711)),
        ("4700_11", JobReference(4700, array_task_id=11)),
        ("4700_0", JobReference(4700, array_task_id=0)),
        ("9380968+1", JobReference(9380968, het_job_offset=1)),
        ("9380968+0", JobReference(9380968, het_job_offset=0)),
        ("4700_[1-9%2]", JobReference(4700, array_tasks="1-9%2")),
        ("4700_[1,4,9-12:3%4]", JobReference(4700, array_tasks="1,4,9-12:3%4")),
        ("4700_[1,4,9,...%4]", JobReference(4700, array_tasks="1,4,9,...%4")),
        ("4711.batch", JobReference(4711, step="batch")),
        ("4700_11.0", JobReference(4700, array_task_id=11, step="0")),
        ("9380968+1.3", JobReference(9380968, het_job_offset=1, step="3")),
    ],
)
def test_the_notation_of_squeue_and_sacct_is_read(text: str, means: JobReference) -> None:
    assert parse_job_reference(text) == means


@pytest.mark.parametrize(
    "text",
    [
        *("", "job", "0", "-1", "4711x", "4700_", "4700_x", "4700_[]", "4700_[1-]", "4700_[...]", "4700_[1%]"),
        *("4700_[1].0", "4711+", "4711.", "4711.0.0", "4294967294", "00000000000000000007999", "٤٧١١", "4711 4712"),
    ],
)
def test_what_is_no_id_is_refused_with_the_notation_named(text: str) -> None:
    with pytest.raises(DecodeError, match="4700_11") as refused:
        parse_job_reference(text)
    assert refused.value.reason == "job-id"


@given(job_ids, task_ids)
def test_a_task_is_read_as_it_was_written(array: int, task: int) -> None:
    text = shown_job_id(5, array_job_id=array, array_task_id=task)
    assert parse_job_reference(text) == JobReference(array, array_task_id=task)


@given(job_ids, task_ids)
def test_a_component_is_read_as_it_was_written(leader: int, offset: int) -> None:
    text = shown_job_id(5, het_job_id=leader, het_job_offset=offset)
    assert parse_job_reference(text) == JobReference(leader, het_job_offset=offset)


@given(job_ids)
def test_a_plain_job_is_read_as_it_was_written(job_id: int) -> None:
    assert parse_job_reference(shown_job_id(job_id)) == JobReference(job_id)


def test_tasks_that_wait_as_one_record_are_written_in_brackets() -> None:
    assert shown_job_id(4700, array_job_id=4700, array_tasks="1-9%2") == "4700_[1-9%2]"


@given(st.text(max_size=40) | st.text(alphabet="0123456789_[]+-.%,:bx ", max_size=40))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with contextlib.suppress(DecodeError):
        parse_job_reference(text)
    waiting_task_count(text)


@pytest.mark.parametrize(
    ("tasks", "count"), [(None, 1), ("", 1), ("3", 1), ("1-9", 9), ("1-9:2,12%4", 6), ("1,4,9,...%4", None)]
)
def test_tasks_are_counted_and_a_list_that_was_cut_is_never_taken_for_whole(tasks: str | None, count: int) -> None:
    assert waiting_task_count(tasks) == count
