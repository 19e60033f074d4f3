"""Accounts and their people out of what sacctmgr prints."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.slurm.associations import AccountPerson, account_people, associations, coordinators

ASSOCIATIONS = b"""root|root|
root||root
science|root|
physics|science|
physics||alice
physics||carl
bio|root|
bio||bob
"""
COORDINATORS = b"bio|\nphysics|carl\nroot|\nscience|carol,dora\n"


def people(told: bytes, leading: bytes = b"") -> set[AccountPerson]:
    return set(account_people(associations([told]), coordinators([leading])))


def test_members_are_those_of_their_account_alone_and_coordinators_those_of_all_below() -> None:
    assert people(ASSOCIATIONS, COORDINATORS) == {
        AccountPerson("root", "root", False),
        AccountPerson("alice", "physics", False),
        AccountPerson("carl", "physics", False),
        AccountPerson("bob", "bio", False),
        AccountPerson("carl", "physics", True),
        *(AccountPerson(user, account, True) for user in ("carol", "dora") for account in ("science", "physics")),
    }


def test_a_tree_that_has_a_loop_is_walked_once() -> None:
    found = people(b"a|b|\nb|a|\n", b"a|carol\n")
    assert found == {AccountPerson("carol", "a", True), AccountPerson("carol", "b", True)}


def test_lines_that_are_no_rows_are_counted_and_the_others_taken() -> None:
    told = associations([b"a|b\nphysics||alice\n||x\n|||\nwhat is this\n\n"])
    assert told.members == (AccountPerson("alice", "physics", False),)
    assert told.refused == 4


def test_names_with_quotes_are_names() -> None:
    assert people(b"bi'o\"||o'x\"\n") == {AccountPerson("o'x\"", "bi'o\"", False)}


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_no_bytes_at_all_break_it(told: bytes, leading: bytes) -> None:
    for person in people(told, leading):
        assert person.account
        assert person.user
