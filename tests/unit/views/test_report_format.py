"""Numbers, durations and times as people read them."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.shown import format as fmt

AMOUNTS = st.floats(min_value=0, max_value=1e18, allow_nan=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.004, "<0.01"),
        (0.0312, "0.031"),
        (0.2849, "0.28"),
        (0.996, "1.0"),
        (2, "2.0"),
        (82.24, "82.2"),
        (99.97, "100"),
        (124.3, "124"),
    ],
)
def test_a_number_has_two_or_three_significant_digits(value: float, text: str) -> None:
    assert fmt.digits(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0 s"),
        (0.31, "0.31 s"),
        (3.3, "3.3 s"),
        (9.96, "10 s"),
        (31.2, "31 s"),
        (59.6, "1 min"),
        (125, "2 min 05 s"),
        (600, "10 min"),
        (3_599.6, "1 h"),
        (3_720, "1 h 02 min"),
        (86_400, "1 d"),
        (273_600, "3 d 04 h"),
        (-5, "-5.0 s"),
    ],
)
def test_a_duration_is_in_the_units_people_use(seconds: float | None, text: str) -> None:
    assert fmt.duration(seconds) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (None, "–"),
        (0, "0 %"),
        (0.0001, "<0.1 %"),
        (0.004, "0.4 %"),
        (0.66, "66 %"),
        (0.9996, "100 %"),
        (1.04, "104 %"),
    ],
)
def test_a_share_never_rounds_something_to_nothing(ratio: float | None, text: str) -> None:
    assert fmt.percent(ratio) == text


def test_memory_is_binary_and_volume_decimal() -> None:
    assert fmt.memory(2 * 1024**3) == "2.0 GiB"
    assert fmt.memory(287 * 1024**2) == "287 MiB"
    assert fmt.volume(310e6) == "310 MB"
    assert fmt.volume(999.7e6) == "1.0 GB"
    assert fmt.memory(None) == fmt.volume(None) == "–"


def test_a_pair_has_one_unit_and_a_tiny_part_keeps_its_own() -> None:
    assert fmt.memory_pair(0.28 * 1024**3, 2 * 1024**3) == "0.28 of 2.0 GiB"
    assert fmt.memory_pair(5 * 1024**2, 64 * 1024**3) == "5.0 MiB of 64 GiB"
    assert fmt.memory_pair(5 * 1024**2, None) == "5.0 MiB"
    assert fmt.memory_pair(None, 1024**3) == "–"
    assert fmt.core_time_pair(82.2, 124) == "82.2 of 124 core-seconds"
    assert fmt.core_time_pair(360, 36_000) == "0.10 of 10.0 core-hours"
    assert fmt.core_time_pair(3, 0) == "3.0 core-seconds"


@given(AMOUNTS)
def test_every_amount_is_short_and_never_scientific(amount: float) -> None:
    for text in (fmt.memory(amount), fmt.volume(amount), fmt.duration(amount)):
        number = text.split(" ")[0]
        assert "e" not in number
        assert number not in ("", "-0")
        assert len(number) <= 15 if text.endswith("d") or "d " in text else len(number) <= 9


@given(st.floats(min_value=1024, max_value=2**59))
def test_memory_below_the_largest_unit_stays_below_1024(size: float) -> None:
    number, _ = fmt.memory(size).split(" ")
    assert float(number) <= 1024


@given(st.integers(min_value=1, max_value=2**50))
def test_the_mem_option_is_never_less_than_what_is_needed(size: int) -> None:
    text = fmt.mem_option(size)
    assert int(text[:-1]) * {"M": 1024**2, "G": 1024**3}[text[-1]] >= size


@given(st.integers(min_value=1, max_value=60 * 86_400))
def test_the_time_option_is_never_less_than_what_is_needed(seconds: int) -> None:
    days, _, rest = fmt.time_option(seconds).rpartition("-")
    hours, minutes, _ = (int(part) for part in rest.split(":"))
    total = int(days or 0) * 86_400 + hours * 3_600 + minutes * 60
    assert seconds <= total < seconds + 60


def test_a_moment_has_its_date_only_on_another_day() -> None:
    noon, evening = 1_795_435_200 * 10**9, 1_795_460_000 * 10**9
    assert fmt.moment(noon, datetime.UTC, near_ns=evening) == "12:00:00"
    assert fmt.moment(noon, datetime.UTC, near_ns=evening + 86_400 * 10**9) == "2026-11-23 12:00:00"
    assert fmt.moment(None, datetime.UTC) == "–"
    assert fmt.iso(noon) == "2026-11-23T12:00:00.000Z"
    assert fmt.iso(None) == ""
