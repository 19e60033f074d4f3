"""What `sacct` says that jobs used, read from its text: CPU times of all lengths, peaks, jobs without steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.slurm.accounted_use import FIELDS, accounted_use, cpu_time_s
from slurmlens.slurm.records import JobState

S = "<sep>"


def text(*rows: tuple[str, ...]) -> list[bytes]:
    return ["".join(f"{S.join(row)}\n" for row in rows).encode()]


def row(job: str, cpu: str, peak: str = "", tasks: str = "", state: str = "COMPLETED") -> tuple[str, ...]:
    return (job, "90", "100", "200", state, cpu, peak, tasks, "" if "." in job else "alice")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:00.304", 0.304),
        ("01:02.500", 62.5),
        ("01:02:03", 3723.0),
        ("2-01:02:03", 176_523.0),
        ("100:00", 6000.0),
        ("", None),
        ("UNLIMITED", None),
        ("-1:00", None),
        ("1:00:00:00", None),
    ],
)
def test_cpu_times_are_seconds(text: str, seconds: float | None) -> None:
    assert cpu_time_s(text) == seconds


def test_the_jobs_row_has_the_cpu_time_and_the_largest_task_of_any_step_the_peak() -> None:
    found = accounted_use(
        text(
            row("7", "01:00.250"),
            row("7.batch", "00:10.000", "1024K", "1"),
            row("7.0", "00:50.250", "300M", "4"),
            row("8", "00:00:00", state="CANCELLED by 3001"),
            row("9", "00:00:00"),
            row("9.batch", "00:00:00", "", "1"),
        ),
        S,
    )
    seven, eight, nine = found.records
    assert (seven.cpu_s, seven.peak_task_bytes, seven.tasks, seven.user) == (60.25, 300 << 20, 4, "alice")
    assert (eight.state, eight.cpu_s, eight.steps) == (JobState.CANCELLED, None, 0)
    assert (nine.cpu_s, nine.peak_task_bytes, nine.steps) == (None, None, 1)


def test_a_row_that_is_none_is_counted_and_costs_itself_alone() -> None:
    found = accounted_use(text(row("x", "00:01"), row("7", "00:01.000"), row("7.batch", "00:01.000", "1K", "1")), S)
    assert (found.refused, [one.job_id for one in found.records]) == (1, [7])


@given(st.lists(st.tuples(*[st.text(max_size=12)] * len(FIELDS)), max_size=8))
def test_any_text_is_read_without_a_failure(rows: list[tuple[str, ...]]) -> None:
    accounted_use(text(*rows), S)
