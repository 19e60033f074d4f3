"""Names in the order in which people count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.hub.views.natural_order import natural


def test_digits_count_as_numbers_and_a_longer_name_follows_a_shorter_one() -> None:
    names = ["rack2-n1", "n10", "n", "n2b", "rack10-n1", "n2", "m3", "rack2-n01x"]

    assert sorted(names, key=natural) == ["m3", "n2", "n2b", "n10", "n", "rack2-n1", "rack2-n01x", "rack10-n1"]


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.text("ab-_é٣", max_size=3))
def test_nodes_of_one_prefix_stand_in_the_order_of_their_numbers(one: int, other: int, prefix: str) -> None:
    assert (natural(f"{prefix}{one}") < natural(f"{prefix}{other}")) == (one < other)


@given(st.text("ab-é٣", max_size=4), st.text("ab-é٣", max_size=4))
def test_names_without_numbers_stand_in_the_order_of_their_letters(one: str, other: str) -> None:
    assert (natural(one) < natural(other)) == (one < other)
