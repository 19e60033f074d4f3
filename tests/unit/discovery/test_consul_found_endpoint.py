"""An endpoint that moves: what it says, whatever Consul tells it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.discovery.answers import Instance
from slurmlens.discovery.found_endpoint import FoundEndpoint

FIXED = ("carbon.example", 2003)
INSTANCES = st.lists(
    st.builds(Instance, st.sampled_from(["a", "b", "c", "d"]), st.integers(0, 3), st.booleans()), max_size=6
)


def test_it_is_where_the_settings_say_until_consul_has_told() -> None:
    where = FoundEndpoint(FIXED, "demo/n0")
    assert where.addresses() == (FIXED,)
    assert not where.told([])
    assert where.addresses() == (FIXED,)
    assert where.told([Instance("a", 1, True)])
    assert (where.addresses(), where.is_fresh) == ((("a", 1),), True)


def test_what_an_earlier_program_knew_comes_before_the_settings() -> None:
    where = FoundEndpoint(FIXED, "demo/n0", known=[("b", 2)])
    assert (where.addresses(), where.is_fresh) == ((("b", 2),), False)


def test_without_a_usable_instance_it_stays_where_it_was() -> None:
    where = FoundEndpoint(FIXED, "demo/n0")
    where.told([Instance("a", 1, True)])
    assert not where.told([])
    assert where.addresses() == (("a", 1),)


def test_a_service_without_a_port_has_the_one_of_the_settings() -> None:
    where = FoundEndpoint(FIXED, "demo/n0")
    where.told([Instance("a", 0, True)])
    assert where.addresses() == (("a", 2003),)


def test_instances_that_warn_come_after_those_that_pass() -> None:
    for name in ("n0", "n1", "n2", "n3", "n4", "n5"):
        where = FoundEndpoint(FIXED, name)
        where.told([Instance("ill", 1, False), Instance("well", 1, True)])
        assert where.addresses() == (("well", 1), ("ill", 1))


def test_programs_spread_over_equal_instances_and_one_that_goes_moves_only_its_own() -> None:
    three = [Instance(host, 1, True) for host in "abc"]
    firsts = {}
    for number in range(300):
        where = FoundEndpoint(FIXED, f"demo/n{number}")
        where.told(three)
        firsts[number] = where.addresses()[0]
        where.told(three[:2])
        assert firsts[number] == ("c", 1) or where.addresses()[0] == firsts[number]
    shares = [sum(first == (host, 1) for first in firsts.values()) for host in "abc"]
    assert min(shares) > 70


@given(st.lists(INSTANCES, max_size=6))
def test_it_is_never_nowhere_and_names_no_address_twice(told: list[list[Instance]]) -> None:
    where = FoundEndpoint(FIXED, "demo/n0")
    for instances in told:
        before = where.addresses()
        changed = where.told(instances)
        addresses = where.addresses()
        assert addresses
        assert len(set(addresses)) == len(addresses)
        if instances:
            assert set(addresses) == {(one.host, one.port or 2003) for one in instances}
            assert changed or addresses == before
        else:
            assert addresses == before
