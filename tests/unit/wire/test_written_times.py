"""Times as text: exact to the microsecond, in the zone that they name or else the one that is given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.wire.written_times import nanoseconds_of, written_ns

CEST = timezone(timedelta(hours=2))
AT_NS = 1_787_226_652 * NS_PER_S + 123_456_000


@pytest.mark.parametrize("text", ["2026-08-20T11:50:52.123456Z", "2026-08-20T13:50:52.123456+02:00"])
def test_a_zone_that_is_named_counts(text: str) -> None:
    assert written_ns(text, CEST) == written_ns(text, UTC) == AT_NS


def test_a_time_without_zone_is_in_the_one_that_is_given() -> None:
    assert written_ns("2026-08-20T13:50:52.123456", CEST) == AT_NS


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "1e9"])
def test_what_is_no_moment_is_none(text: str) -> None:
    assert written_ns(text, UTC) is None


MOMENTS = st.datetimes(
    min_value=datetime.fromisoformat("1970-01-02"),
    max_value=datetime.fromisoformat("2200-01-01"),
    timezones=st.just(UTC),
)


@given(MOMENTS)
def test_no_microsecond_is_lost(moment: datetime) -> None:
    made = nanoseconds_of(moment, CEST)
    assert made is not None
    since = timedelta(microseconds=made % NS_PER_S // 1000)
    assert datetime.fromtimestamp(made // NS_PER_S, UTC) + since == moment


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_none(text: str) -> None:
    assert isinstance(written_ns(text, UTC), int | None)


@given(st.datetimes(timezones=st.sampled_from((UTC, CEST, timezone(-timedelta(hours=14))))))
def test_every_moment_that_is_read_fits_into_a_database(moment: datetime) -> None:
    made = written_ns(moment.isoformat(), UTC)
    assert made is None or 0 <= made < 2**63
