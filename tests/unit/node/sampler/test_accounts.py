"""From readings to totals: absolute from the start, whatever falls or is missing."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from slurmlens.cgroup.reading import reading_of
from slurmlens.node.sampler.accounts import Account


def test_the_newest_reading_is_the_total_even_for_a_daemon_that_came_late() -> None:
    account = Account()
    account.take(reading_of({"cpu_usage_ns": 5_000}), 1)
    assert account.total("cpu_usage_ns") == 5_000
    assert account.samples == 1


def test_what_was_never_read_is_unavailable_and_not_zero() -> None:
    account = Account()
    account.take(reading_of({"cpu_usage_ns": 5}), 1)
    assert account.total("io_read_bytes") is None
    assert account.current("memory_rss_bytes") is None
    assert account.highest("pids_current") is None


def test_a_field_that_one_reading_lacks_keeps_its_value() -> None:
    account = Account()
    account.take(reading_of({"cpu_usage_ns": 5, "memory_rss_bytes": 70}), 1)
    account.take(reading_of({"cpu_usage_ns": 6}), 2)
    assert account.current("memory_rss_bytes") == 70


def test_a_counter_that_falls_is_carried_on() -> None:
    account = Account()
    for value in (100, 250, 10, 40):
        account.take(reading_of({"io_read_bytes": value}), 1)
    assert account.total("io_read_bytes") == 280
    assert account.falls == 1


def test_a_part_of_a_counter_that_goes_and_comes_back_counts_once() -> None:
    """A device that leaves io.stat and is there again, with what it had counted."""
    account = Account()
    for value in (1000, 400, 450, 1060, 1100):
        account.take(reading_of({"io_read_bytes": value}), 1)
    assert account.total("io_read_bytes") == 1100
    assert account.falls == 1


def test_a_cgroup_made_anew_after_a_fall_adds_to_all_that_was_counted() -> None:
    account = Account()
    for value in (1000, 400):
        account.take(reading_of({"io_read_bytes": value}), 1)
    account.renew()
    account.take(reading_of({"io_read_bytes": 700}), 2)
    assert account.total("io_read_bytes") == 1700


def test_a_gauge_may_fall_and_its_highest_is_kept() -> None:
    account = Account()
    for value in (100, 250, 10):
        account.take(reading_of({"memory_current_bytes": value}), 1)
    assert account.current("memory_current_bytes") == 10
    assert account.highest("memory_current_bytes") == 250


def test_a_cgroup_that_served_an_earlier_run_counts_from_its_first_reading() -> None:
    account = Account(from_zero=False)
    account.take(reading_of({"cpu_usage_ns": 1_000}), 1)
    account.take(reading_of({"cpu_usage_ns": 1_300}), 2)
    assert account.total("cpu_usage_ns") == 300


def test_a_cgroup_made_anew_adds_to_what_the_last_one_used() -> None:
    account = Account()
    account.take(reading_of({"cpu_usage_ns": 100}), 1)
    account.renew()
    assert account.total("cpu_usage_ns") == 100
    account.take(reading_of({"cpu_usage_ns": 30}), 2)
    assert account.total("cpu_usage_ns") == 130


def test_the_parents_word_is_the_last_one_and_never_takes_away() -> None:
    account = Account()
    account.take(reading_of({"cpu_usage_ns": 100}), 1)
    account.correct("cpu_usage_ns", 90)
    assert account.total("cpu_usage_ns") == 100
    account.correct("cpu_usage_ns", 160)
    assert account.total("cpu_usage_ns") == 160


@given(st.lists(st.integers(0, 2**63), min_size=1))
def test_a_total_never_falls(values: list[int]) -> None:
    account = Account()
    before = 0
    for value in values:
        account.take(reading_of({"cpu_usage_ns": value}), 1)
        total = account.total("cpu_usage_ns")
        assert total is not None
        assert total >= before
        before = total


def test_a_peak_of_zero_is_known_to_be_zero() -> None:
    """The extern step of a job whose users never log in keeps nothing in memory."""
    account = Account()
    account.take(reading_of({"memory_peak_bytes": 0}), 1)
    assert account.highest("memory_peak_bytes") == 0
    assert account.highest("memory_current_bytes") is None
