"""What stands around the text of a line, in every way in which a release writes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.log_lines import JobMention, Severity
from slurmlens.slurm.log_envelope import SlurmLine, open_envelope, time_of

READ_AT = datetime(2026, 8, 20, 12, 0, tzinfo=UTC)
AT_NS = int(datetime(2026, 8, 20, 11, 50, 52, tzinfo=UTC).timestamp()) * NS_PER_S + 123_000_000
CET = timezone(timedelta(hours=2))


def opened(line: str) -> SlurmLine:
    return open_envelope(line, UTC, READ_AT)


@pytest.mark.parametrize(
    ("line", "means"),
    [
        ("[2026-08-20T11:50:52.123] error: x", SlurmLine("x", Severity.ERROR, AT_NS)),
        ("[2026-08-20T13:50:52.123+02:00] debug:  x", SlurmLine("x", Severity.DEBUG, AT_NS)),
        ("[2026-08-20T11:50:52.123] sched: Allocate", SlurmLine("Allocate", Severity.INFO, AT_NS)),
        ("sched: [2026-08-20T11:50:52.123] Allocate", SlurmLine("Allocate", Severity.INFO, AT_NS)),
        ("[2026-08-20T11:50:52.123] error: sched: x", SlurmLine("x", Severity.ERROR, AT_NS)),
        (
            "[2026-08-20T11:50:52.123] [3.batch] error: *** JOB 3",
            SlurmLine("*** JOB 3", Severity.ERROR, AT_NS, "slurmstepd", JobMention(3, step="batch")),
        ),
        (
            "[2026-08-20T11:50:52.123] [s8AB01CDE23FGH.0 stepmgr] x",
            SlurmLine("x", Severity.INFO, AT_NS, "slurmstepd", JobMention(step="0", sluid="s8AB01CDE23FGH")),
        ),
        ("slurmstepd: error: x", SlurmLine("x", Severity.ERROR, None, "slurmstepd")),
        ("srun: error: n01: task 0: Killed", SlurmLine("n01: task 0: Killed", Severity.ERROR, None, "srun")),
        ("slurmd-n01: fatal: x", SlurmLine("x", Severity.CRITICAL, None, "slurmd")),
        ("[Aug 20 11:50:52.123456 1234 slurmctld    0x7f] x", SlurmLine("x", Severity.INFO, AT_NS + 456_000)),
        ("[123456] x", SlurmLine("x", Severity.INFO)),
        ("[no time] x", SlurmLine("[no time] x", Severity.INFO)),
        ("just text: error", SlurmLine("just text: error", Severity.INFO)),
        ("", SlurmLine("", Severity.INFO)),
    ],
)
def test_an_envelope_is_opened(line: str, means: SlurmLine) -> None:
    assert opened(line) == means


def test_a_time_without_zone_is_the_daemons_own() -> None:
    assert time_of("2026-08-20T13:50:52.123", CET, READ_AT) == AT_NS


def test_a_time_without_year_is_the_nearest() -> None:
    after_new_year = datetime(2027, 1, 1, 0, 5, tzinfo=UTC)
    found = time_of("Dec 31 23:59:59", UTC, after_new_year)
    assert found == int(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()) * NS_PER_S
    leap = time_of("Feb 29 10:00:00", UTC, datetime(2028, 3, 1, tzinfo=UTC))
    assert leap == int(datetime(2028, 2, 29, 10, tzinfo=UTC).timestamp()) * NS_PER_S


@given(st.text(max_size=200))
def test_no_line_is_refused_and_none_of_its_text_is_invented(line: str) -> None:
    assert opened(line).text in line
