"""Whose turn it is among several addresses of one receiver."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.runtime.endpoint import Address, AddressRotation, FixedEndpoint

A, B, C = ("a", 1), ("b", 2), ("c", 3)


class Told:
    """An endpoint that says what the test wants."""

    def __init__(self, *told: Address) -> None:
        self.told = told

    def addresses(self) -> tuple[Address, ...]:
        return self.told


def test_the_turn_goes_round_as_addresses_fail_and_stays_as_long_as_none_does() -> None:
    rotation = AddressRotation(Told(A, B, C))
    assert rotation.addresses() == rotation.addresses() == (A, B, C)
    assert rotation.failed(A)
    assert rotation.addresses() == rotation.addresses() == (B, C, A)
    assert rotation.failed(B)
    assert rotation.failed(C)
    assert rotation.addresses() == (A, B, C)


def test_one_that_comes_back_does_not_take_the_turn_from_one_that_works() -> None:
    told = Told(A, B)
    rotation = AddressRotation(told)
    rotation.addresses()
    rotation.failed(A)
    told.told = (B,)
    assert rotation.addresses() == (B,)
    told.told = (A, C, B)
    assert rotation.addresses()[0] == B


def test_where_the_one_whose_turn_it_was_is_gone_the_preferred_one_is_tried() -> None:
    told = Told(A, B)
    rotation = AddressRotation(told)
    rotation.addresses()
    rotation.failed(A)
    told.told = (C, A)
    assert rotation.addresses() == (C, A)
    assert not rotation.failed(B), "that one is not asked any more, whatever it does"
    assert rotation.addresses() == (C, A)


def test_with_one_address_there_is_no_other() -> None:
    rotation = AddressRotation(FixedEndpoint("a", 1))
    assert rotation.addresses() == (A,)
    assert not rotation.failed(A)
    assert not rotation.failed(None)
    assert rotation.addresses() == (A,)


@given(count=st.integers(1, 5), dead=st.sets(st.integers(0, 4)), begins=st.integers(0, 4))
def test_whoever_tries_as_often_as_there_are_addresses_finds_one_that_works(
    count: int, dead: set[int], begins: int
) -> None:
    addresses = [("host", number) for number in range(count)]
    rotation = AddressRotation(Told(*addresses))
    for _ in range(begins):
        rotation.failed(rotation.addresses()[0])
    tried = []
    for _ in range(count):
        tried.append(rotation.addresses()[0])
        if tried[-1][1] not in dead:
            break
        rotation.failed(tried[-1])
    assert len(set(tried)) == len(tried)
    assert (tried[-1][1] not in dead) == any(number not in dead for number in range(count))
