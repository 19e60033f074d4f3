"""Who is a member, and what is done about it: pure, by tables."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.discovery.answers import Registered
from slurmlens.membership.member import Member, members
from slurmlens.membership.plan import LEAVING, Known, plan, remember
from slurmlens.slurm.records import NodeRecord

NOW_NS = 1_800_000_000 * NS_PER_S
LATER_NS = NOW_NS + 31 * NS_PER_S


def registered(name: str, host: str = "10.0.0.1", port: int = 6818, **meta: str) -> Registered:
    return Registered(f"id-{name}-{host}", host, port, {"node": name, **meta})


def node(
    name: str, state: str = "IDLE", *flags: str, address: str = "10.0.0.1", reason: str | None = None
) -> NodeRecord:
    return NodeRecord(name=name, address=address, state=state, state_flags=flags, reason=reason)


def gone_for_long(name: str) -> dict[str, Known]:
    return {name: Known(Member(name, "10.0.0.1"), NOW_NS)}


def test_a_service_is_a_member_with_what_its_metadata_says() -> None:
    found = members([registered("c1", cpus="8", memory_mib="64000", features="compute,odd")], {})
    assert found.by_name == {"c1": Member("c1", "10.0.0.1", 6818, 8, 64_000, "compute,odd")}
    assert found.refused == ()


def test_what_cannot_be_a_word_of_slurm_is_refused_with_its_reason_and_spoils_no_other() -> None:
    bad = [
        registered("c[1-99999]"),
        registered("c1 State=DOWN"),
        registered("c2", features="a b"),
        registered("c3", cpus="many"),
        registered("c4", host="10.0.0.1 x"),
        Registered("nameless", "10.0.0.1", 1, {}),
    ]
    found = members([*bad, registered("good")], {})
    assert list(found.by_name) == ["good"]
    assert len(found.refused) == len(bad)
    assert any("many" in problem for problem in found.refused)


def test_a_name_that_is_taken_stays_with_the_node_that_slurm_has() -> None:
    twice = [registered("c1", "10.0.0.1"), registered("c1", "10.0.0.9")]
    assert members(twice, {}).by_name["c1"].address == "10.0.0.1"
    found = members(twice, {"c1": "10.0.0.9"})
    assert found.by_name["c1"].address == "10.0.0.9"
    assert found.refused == ("c1 at 10.0.0.1: the name is taken by 10.0.0.9",)


@given(st.dictionaries(st.sampled_from(["node", "cpus", "memory_mib", "features"]), st.text()), st.text())
def test_whatever_is_registered_no_word_of_a_member_can_begin_another(meta: dict[str, str], host: str) -> None:
    for member in members([Registered("id", host, 1, meta)], {}).by_name.values():
        words = f"{member.name}{member.address}{member.features}"
        assert set(words) <= {*string.ascii_letters, *string.digits, *"._-:,"}


def test_a_node_that_registered_gets_its_address_and_then_work() -> None:
    known: dict[str, Known] = {}
    remember(known, {"c1": Member("c1", "10.0.0.7")}, NOW_NS)
    steps = plan(known, [node("c1", "IDLE", "DRAIN", "DYNAMIC_NORM", address="127.0.0.1")], NOW_NS, 30)
    assert (steps.addresses, steps.resume) == ((Member("c1", "10.0.0.7"),), ("c1",))
    assert plan(known, [node("c1", address="10.0.0.7")], NOW_NS, 30).are_none


def test_a_node_that_an_operator_drained_stays_drained() -> None:
    known = {"c1": Known(Member("c1", "10.0.0.1"))}
    assert plan(known, [node("c1", "IDLE", "DRAIN", reason="disk is broken")], NOW_NS, 30).are_none


def test_a_member_that_is_missing_for_a_moment_disturbs_nothing() -> None:
    known = {"c1": Known(Member("c1", "10.0.0.1"))}
    remember(known, {}, NOW_NS)
    assert plan(known, [node("c1")], NOW_NS + 29 * NS_PER_S, 30).are_none
    remember(known, {"c1": Member("c1", "10.0.0.1")}, LATER_NS)
    assert plan(known, [node("c1")], LATER_NS + 60 * NS_PER_S, 30).are_none


def test_a_node_that_left_is_drained_then_taken_away_when_nothing_runs_there() -> None:
    known = gone_for_long("c1")
    assert plan(known, [node("c1", "ALLOCATED")], LATER_NS, 30).drain == ("c1",)
    assert plan(known, [node("c1", "ALLOCATED", "DRAIN", reason=LEAVING)], LATER_NS, 30).are_none
    assert plan(known, [node("c1", "IDLE", "COMPLETING", "DRAIN", reason=LEAVING)], LATER_NS, 30).are_none
    assert plan(known, [node("c1", "IDLE", "DRAIN", reason=LEAVING)], LATER_NS, 30).remove == ("c1",)
    assert plan(known, [], LATER_NS, 30).gone == ("c1",)


def test_a_node_that_comes_back_before_it_was_gone_works_again() -> None:
    known = gone_for_long("c1")
    remember(known, {"c1": Member("c1", "10.0.0.1")}, LATER_NS)
    assert plan(known, [node("c1", "IDLE", "DRAIN", reason=LEAVING)], LATER_NS, 30).resume == ("c1",)


def test_a_node_that_was_never_a_member_is_never_touched() -> None:
    assert plan({}, [node("login1"), node("c9", "DOWN", "DRAIN")], LATER_NS, 0).are_none
