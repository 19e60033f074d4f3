"""The scheduler's record of one execution, put together from answers in any order; and the outcome that it gives."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.events import JobIdentity
from slurmlens.hub.history.conclude.executions import awaits_accounting, is_over, merge_records, superseded, vanished
from slurmlens.hub.history.conclude.outcome import outcome_of
from slurmlens.hub.history.facts import OutcomeSource
from slurmlens.slurm.records import JobRecord, JobState, RecordSource
from testkit.hub_history import record
from testkit.told_events import BEGIN_S

QUEUE, ACCOUNTING = RecordSource.QUEUE, RecordSource.ACCOUNTING


def merged(*answers: JobRecord) -> JobRecord:
    known: JobRecord | None = None
    for answer in answers:
        known = merge_records(known, answer)
    assert known is not None
    return known


def test_accounting_that_lags_behind_makes_no_ended_job_run_again() -> None:
    ended = record(JobState.FAILED, end=31, exit_code=42, exit_signal=0, source=QUEUE)
    found = merged(ended, record(JobState.RUNNING, source=ACCOUNTING))
    assert (found.state, found.exit_code, found.end_s) == (JobState.FAILED, 42, BEGIN_S + 31)


def test_each_source_adds_what_only_it_knows() -> None:
    in_queue = record(JobState.CANCELLED, end=5, source=QUEUE, restart_count=0, exit_code=0, exit_signal=15)
    in_accounting = record(JobState.CANCELLED, end=5, cancelled_by="3001", exit_code=0, exit_signal=0)
    for answers in ((in_queue, in_accounting), (in_accounting, in_queue)):
        found = merged(*answers)
        assert (found.restart_count, found.cancelled_by, found.exit_signal) == (0, "3001", 0)


def test_an_expected_start_ends_with_the_wait() -> None:
    waits = record(JobState.PENDING, start=None, source=QUEUE, expected_start_s=99, reason="Resources")
    found = merged(waits, record(JobState.RUNNING, source=QUEUE))
    assert (found.expected_start_s, found.start_s, found.reason) == (None, BEGIN_S, None)


def test_the_queues_reason_is_the_newer_one() -> None:
    waits = record(JobState.PENDING, start=None, source=QUEUE, reason="Resources")
    found = merged(waits, record(JobState.PENDING, start=None, reason="Priority"))
    assert found.reason == "Resources"


def test_the_next_runs_restart_count_that_is_shown_while_a_run_is_requeued_is_not_this_runs() -> None:
    first = record(JobState.RUNNING, source=QUEUE, restart_count=0)
    for answers in ((first, record(JobState.REQUEUED, end=5, source=QUEUE, restart_count=1)),):
        assert merged(*answers).restart_count == 0
        assert merged(*reversed(answers)).restart_count == 0


def test_accounting_that_lags_behind_makes_no_running_job_wait_again() -> None:
    """slurmdbd tells of a job as waiting for some seconds after its nodes have begun with it."""
    runs = record(JobState.RUNNING, source=QUEUE)
    found = merged(runs, record(JobState.PENDING, start=None, expected_start_s=BEGIN_S))
    assert (found.state, found.start_s, found.expected_start_s) == (JobState.RUNNING, BEGIN_S, None)
    lost = merged(runs, record(JobState.PENDING, start=None, source=QUEUE))
    assert lost.state is JobState.PENDING, "a slurmctld that came back with older state is believed"


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.PENDING])
def test_the_start_that_moves_while_a_requeued_run_is_cleaned_up_is_not_its_start(state: JobState) -> None:
    """slurmctld tells the present second, under the old submit time, until the last Epilog has run."""
    runs = record(JobState.RUNNING, source=QUEUE, restart_count=0)
    cleans_up = record(state, start=90, source=QUEUE, restart_count=1, state_flags=("COMPLETING",))
    found = merged(runs, cleans_up)
    assert (found.state, found.start_s, found.restart_count) == (JobState.RUNNING, BEGIN_S, 0)


def test_an_end_that_accounting_knows_before_its_start_is_not_its_last_word() -> None:
    partial = msgspec.structs.replace(record(JobState.CANCELLED, end=5), partition=None)
    assert awaits_accounting(partial, BEGIN_S + 10)
    assert not awaits_accounting(record(JobState.CANCELLED, end=5), BEGIN_S + 10)
    assert not awaits_accounting(partial, BEGIN_S + 500)


def test_a_run_that_was_followed_by_another_counts_as_requeued() -> None:
    first = record(JobState.RUNNING, source=QUEUE)
    second = record(JobState.PENDING, submit=40, start=None, source=QUEUE)
    found = superseded([second, first])
    assert [(one.state, one.end_s) for one in found] == [
        (JobState.REQUEUED, BEGIN_S + 40),
        (JobState.PENDING, None),
    ]


def test_a_vanished_execution_is_over_until_somebody_tells_its_end() -> None:
    gone = vanished(record(JobState.RUNNING, source=QUEUE))
    assert is_over(gone)
    assert "does not say" in outcome_of(gone, None, True, None).label
    found = merged(gone, record(JobState.COMPLETED, end=31))
    assert (found.state, found.state_flags) == (JobState.COMPLETED, ())
    back = merged(gone, record(JobState.RUNNING, source=QUEUE))
    assert not is_over(back)


def test_accounting_that_goes_on_believing_in_a_lost_job_does_not_bring_it_back() -> None:
    """Slurm's runaway jobs: slurmctld has lost them, slurmdbd has them running for ever."""
    gone = vanished(record(JobState.RUNNING, source=QUEUE))
    assert is_over(merged(gone, record(JobState.RUNNING, source=ACCOUNTING)))


def test_a_job_id_that_was_given_to_another_job_makes_no_requeue_of_the_lost_one() -> None:
    first = vanished(record(JobState.RUNNING, source=QUEUE))
    for later in (
        record(JobState.RUNNING, submit=9000, source=QUEUE, restart_count=0),
        record(JobState.COMPLETED, submit=9000, end=9010),
    ):
        (old, _) = superseded([first, later])
        assert (old.state, old.end_s, is_over(old)) == (JobState.UNKNOWN, None, True)


def test_a_requeue_that_is_told_as_one_ends_the_run_before_it_even_if_that_was_given_up() -> None:
    first = vanished(record(JobState.RUNNING, source=QUEUE))
    (old, _) = superseded([first, record(JobState.PENDING, submit=40, start=None, source=QUEUE, restart_count=1)])
    assert old.state is JobState.REQUEUED


_answers = st.builds(
    lambda state, source, end, code: record(
        state, source=source, end=end if state.has_ended else None, exit_code=code if state.has_ended else None
    ),
    st.sampled_from([JobState.PENDING, JobState.RUNNING, JobState.FAILED, JobState.CANCELLED]),
    st.sampled_from(RecordSource),
    st.integers(1, 9),
    st.none() | st.integers(0, 255),
)


@given(st.lists(_answers, min_size=1, max_size=6))
def test_what_has_ended_stays_ended_and_the_same_answer_twice_is_nothing_new(answers: list[JobRecord]) -> None:
    known: JobRecord | None = None
    for answer in answers:
        was_over = known is not None and is_over(known)
        known = merge_records(known, answer)
        assert is_over(known) or not was_over
        assert merge_records(known, known) == known


@pytest.mark.parametrize(("told", "cut", "kept"), [(139, 11, 139), (255, 127, 255), (42, 42, 42), (2, 1, 1)])
def test_an_exit_code_that_accounting_cut_by_128_stays_as_the_queue_told_it(told: int, cut: int, kept: int) -> None:
    queue = record(JobState.FAILED, source=RecordSource.QUEUE, end=9, exit_code=told)
    accounting = record(JobState.FAILED, source=RecordSource.ACCOUNTING, end=9, exit_code=cut)
    known = merge_records(queue, accounting)
    assert known.exit_code == kept
    assert merge_records(known, accounting).exit_code == kept
    assert merge_records(known, queue).exit_code == kept


# --- outcomes

OUTCOMES = {
    JobState.COMPLETED: "COMPLETED",
    JobState.TIMEOUT: "TIMEOUT",
    JobState.OUT_OF_MEMORY: "OUT_OF_MEMORY",
    JobState.NODE_FAIL: "NODE_FAIL",
    JobState.PREEMPTED: "PREEMPTED",
    JobState.REQUEUED: "REQUEUED",
    JobState.BOOT_FAIL: "BOOT_FAIL",
    JobState.DEADLINE: "DEADLINE",
    JobState.PENDING: "PENDING",
    JobState.RUNNING: "RUNNING",
}


@pytest.mark.parametrize(("state", "label"), OUTCOMES.items())
def test_real_outcomes_are_told_apart(state: JobState, label: str) -> None:
    found = outcome_of(record(state, end=5), None, True, None)
    assert (found.label, found.source) == (label, OutcomeSource.SCHEDULER)


def test_an_exit_code_is_part_of_a_failure() -> None:
    assert outcome_of(record(JobState.FAILED, exit_code=42, exit_signal=0), None, True, None).label == "FAILED 42:0"
    assert outcome_of(record(JobState.FAILED, exit_code=0, exit_signal=9), None, True, None).label == "FAILED 0:9"
    assert outcome_of(record(JobState.FAILED), None, True, None).label == "FAILED"


@pytest.mark.parametrize(("by", "name"), [("3001", "alice"), ("0", "root"), ("777", "uid 777"), ("bob", "bob")])
def test_who_cancelled_is_named_where_that_can_be_known(by: str, name: str) -> None:
    found = outcome_of(record(JobState.CANCELLED, cancelled_by=by), None, True, None)
    assert (found.label, found.cancelled_by) == (f"CANCELLED by {name}", name)


def test_while_the_scheduler_is_silent_an_epilog_tells_whether_the_script_succeeded() -> None:
    failed = JobIdentity(job_id=7, exit_code=3, exit_signal=0)
    assert outcome_of(None, failed, True, None).label == "FAILED 3:0"
    well = msgspec.structs.replace(failed, exit_code=0)
    assert outcome_of(None, well, True, None).state is JobState.COMPLETED
    assert outcome_of(None, well, True, None).source is OutcomeSource.HOOK


def test_what_nobody_told_is_unknown() -> None:
    assert outcome_of(None, None, True, None).state is JobState.UNKNOWN
    assert outcome_of(None, None, False, None).state is JobState.RUNNING
