"""State words of every release, taken apart; and times that happened told from those that did not."""

from __future__ import annotations

import pytest

from slurmlens.slurm.records import JobState
from slurmlens.slurm.states import happened_times, parse_state


@pytest.mark.parametrize(
    ("words", "state", "flags", "by"),
    [
        ("RUNNING", JobState.RUNNING, (), None),
        (["COMPLETED", "COMPLETING"], JobState.COMPLETED, ("COMPLETING",), None),
        ("CANCELLED by 2000", JobState.CANCELLED, (), "2000"),
        ("CANCELLED+", JobState.CANCELLED, (), None),
        ("COMPLETING", JobState.RUNNING, ("COMPLETING",), None),
        ("CONFIGURING", JobState.RUNNING, ("CONFIGURING",), None),
        ("REQUEUE_HOLD", JobState.PENDING, ("REQUEUE_HOLD",), None),
        (["PENDING", "REQUEUED"], JobState.PENDING, ("REQUEUED",), None),
        ("REQUEUED", JobState.REQUEUED, (), None),
        ("OUT_OF_MEMORY", JobState.OUT_OF_MEMORY, (), None),
        ("SOMETHING_NEW", JobState.UNKNOWN, ("SOMETHING_NEW",), None),
        ("", JobState.UNKNOWN, (), None),
    ],
)
def test_words_are_taken_apart(words: str | list[str], state: JobState, flags: tuple[str, ...], by: str | None) -> None:
    assert parse_state(words) == (state, flags, by)


def test_every_state_that_slurm_has_is_told_apart() -> None:
    for state in JobState:
        if state is not JobState.UNKNOWN:
            assert parse_state(state.value).state is state


def test_a_pending_jobs_start_is_expected_and_a_running_jobs_end_is_not_an_end() -> None:
    assert happened_times(JobState.PENDING, False, 50, 90) == (50, None, None)
    assert happened_times(JobState.RUNNING, True, 50, 90) == (None, 50, None)
    assert happened_times(JobState.COMPLETED, True, 50, 90) == (None, 50, 90)


def test_a_job_cancelled_while_it_waited_never_started() -> None:
    assert happened_times(JobState.CANCELLED, False, 90, 90) == (None, None, 90)
    assert happened_times(JobState.CANCELLED, True, 50, 90) == (None, 50, 90)
