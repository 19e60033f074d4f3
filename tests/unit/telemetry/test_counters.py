"""Counters add up, under any number of threads and any number of label values."""

from __future__ import annotations

import threading

import pytest

from slurmlens.telemetry.counters import Counters


def test_a_counter_without_labels_is_shown_from_the_start() -> None:
    counters = Counters()
    counters.counter("ticks_total", "ticks")
    assert counters.snapshot() == {"ticks_total": 0}


def test_values_are_kept_by_label_set_and_spelled_as_prometheus_reads_them() -> None:
    counters = Counters()
    sent = counters.counter("sent_bytes_total", "bytes", ("sink",))
    sent.add(5, "hub")
    sent.add(2, "hub")
    sent.add(1, 'we"ird\n')
    assert counters.snapshot() == {'sent_bytes_total{sink="hub"}': 7, 'sent_bytes_total{sink="we\\"ird\\n"}': 1}
    assert (sent.value("hub"), sent.value("never")) == (7, 0)


def test_the_same_name_is_the_same_counter() -> None:
    counters = Counters()
    counters.counter("a_total", "a").add()
    counters.counter("a_total", "a").add()
    assert counters.snapshot() == {"a_total": 2}


def test_a_gauge_holds_the_last_value() -> None:
    counters = Counters()
    lag = counters.gauge("lag_s", "lag", ("sink",))
    lag.set(3.5, "hub")
    lag.set(1.0, "hub")
    assert counters.snapshot() == {'lag_s{sink="hub"}': 1.0}


def test_label_sets_beyond_the_bound_are_counted_as_other() -> None:
    counters = Counters(label_sets_limit=2)
    seen = counters.counter("seen_total", "seen", ("user",))
    for user in ("a", "b", "c", "d", "a"):
        seen.add(1, user)
    assert counters.snapshot() == {'seen_total{user="a"}': 2, 'seen_total{user="b"}': 1, 'seen_total{user="other"}': 2}


def test_a_wrong_number_of_labels_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="has the labels"):
        Counters().counter("a_total", "a", ("sink",)).add(1)


def test_no_count_is_lost_between_threads() -> None:
    counter = Counters().counter("a_total", "a")

    def add_many() -> None:
        for _ in range(5000):
            counter.add()

    threads = [threading.Thread(target=add_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.value() == 20_000
