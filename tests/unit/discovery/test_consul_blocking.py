"""The index of a blocking query, its wait, and how fast it may go round."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.discovery.blocking import QueryPace, next_index, time_limit, wait_of

INDEX = st.integers(min_value=0, max_value=2**64 - 1)


@pytest.mark.parametrize(
    ("previous", "returned", "wanted"),
    [(0, 7, 7), (7, 7, 7), (7, 9, 9), (65, 17, 0), (0, 0, 1), (7, 0, 1), (1, 0, 1)],
)
def test_an_index_goes_on_begins_anew_or_is_mended(previous: int, returned: int, wanted: int) -> None:
    assert next_index(previous, returned) == wanted


@given(st.lists(INDEX, max_size=30))
def test_whatever_a_server_returns_the_watch_never_waits_for_more_than_was_told_last(returned: list[int]) -> None:
    index = 0
    for one in returned:
        index = next_index(index, one)
        assert index <= max(one, 1)


@given(st.lists(INDEX, min_size=1, max_size=30))
def test_no_answer_in_a_row_of_zeros_makes_a_query_that_does_not_block(returned: list[int]) -> None:
    index = 0
    for one in [*returned, 0]:
        index = next_index(index, one)
    assert index == 1


def test_a_wait_is_jittered_downwards_and_the_limit_is_beyond_the_servers_own_jitter() -> None:
    assert wait_of(300, 0.0) == 300
    assert wait_of(300, 1.0) == pytest.approx(270)
    assert time_limit(300, 10) == pytest.approx(300 * (1 + 1 / 16) + 10)


def test_a_few_answers_in_a_row_are_free_and_then_one_each_refill() -> None:
    pace = QueryPace(burst=3, refill_s=2.0)
    assert [pace.take(0) for _ in range(5)] == [0, 0, 0, 2, 4]
    assert pace.take(100 * NS_PER_S) == 0


@given(st.lists(st.integers(min_value=0, max_value=5 * NS_PER_S), max_size=50))
def test_in_any_stretch_no_more_queries_begin_than_burst_and_refill_allow(pauses: list[int]) -> None:
    pace, now_ns, begun = QueryPace(burst=3, refill_s=2.0), 0, []
    for pause_ns in pauses:
        now_ns += pause_ns
        now_ns += round(pace.take(now_ns) * NS_PER_S)
        begun.append(now_ns)
    for first, begin_ns in enumerate(begun):
        for last in range(first, len(begun)):
            assert last - first + 1 <= 3 + (begun[last] - begin_ns) / (2 * NS_PER_S) + 1
