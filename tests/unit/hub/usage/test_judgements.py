"""What was promised is judged by stated formulas, and habits by stated rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.config.management import ManagementConfig
from slurmlens.hub.inventory.entities import FOREVER
from slurmlens.hub.usage.facts import (
    NodeTimeFacts,
    Outage,
    SubmitBurst,
    UsageBacklog,
    UsageWindow,
    UserHabits,
    WaitCount,
)
from slurmlens.hub.usage.habits import concerns, wilson_low
from slurmlens.hub.usage.node_time import CLUSTER, NodeSums, UnitState
from slurmlens.hub.usage.outages import _Fact, outages_of_node
from slurmlens.hub.usage.service_levels import availability, quantile, reaction, wait_levels

RULES = ManagementConfig()
MACHINES = ("root", "slurm")


@given(st.lists(st.integers(0, 50), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[int], share: float) -> None:
    found = quantile({value: values.count(value) for value in values}, share)
    assert found is not None
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


def test_waits_are_judged_by_partition_and_size_with_goals_of_their_own() -> None:
    waits = [WaitCount("long", 0, 60, 90), WaitCount("long", 0, 90_000, 10), WaitCount("short", 1, 60, 3)]
    levels = wait_levels(waits, 3_600, {"long": 100_000})
    assert [(one.about, one.figure, one.is_met, one.median, one.of) for one in levels] == [
        ("long/0", 90_000, True, 60, 100),
        ("short/1", 60, True, 60, 3),
    ]
    assert [one.is_met for one in wait_levels(waits, 3_600, {})] == [False, True]


def test_maintenance_is_not_held_against_availability_and_nothing_is_judged_of_nothing() -> None:
    states = {UnitState.IDLE: 90, UnitState.DOWN: 5, UnitState.DRAINED: 5, UnitState.MAINTENANCE: 1_000}
    totals = {(CLUSTER, state): NodeSums(node_s=seconds) for state, seconds in states.items()}
    assert availability(NodeTimeFacts(window=UsageWindow(0, 100), totals=totals, course={}), 0.9).figure == 0.9
    empty = availability(NodeTimeFacts(window=UsageWindow(0, 100), totals={}, course={}), 0.9)
    assert (empty.figure, empty.is_met) == (None, None)


def test_a_failure_that_nobody_looked_at_counts_until_now_and_one_that_healed_itself_not_at_all() -> None:
    def outage(**told: object) -> Outage:
        values: dict[str, object] = {"node": "n1", "from_s": 100, "to_s": 400, "state": "DOWN", "is_fault": True}
        return Outage(**(values | told))

    found = [outage(reacted_s=160), outage(to_s=None), outage(), outage(is_fault=False, reacted_s=150)]
    level = reaction(found, 3_600, 1_000)
    assert (level.figure, level.median, level.of) == (900, 60, 2)


def node_fact(attribute: str, value: str, from_s: int, to_s: int | None) -> _Fact:
    return _Fact("n1", attribute, value, from_s * NS_PER_S, FOREVER if to_s is None else to_s * NS_PER_S)


def test_states_without_a_gap_are_one_outage_and_a_persons_reason_is_the_reaction() -> None:
    facts = [
        node_fact("state", "DOWN+NOT_RESPONDING", 100, 200),
        node_fact("reason", "Not responding", 100, 180),
        node_fact("reason_by", "slurm", 100, 180),
        node_fact("reason", "DIMM replaced", 180, 300),
        node_fact("reason_by", "carla", 180, 300),
        node_fact("state", "IDLE+DRAIN", 200, 300),
        node_fact("state", "IDLE", 300, 400),
        node_fact("state", "IDLE+DRAIN", 400, None),
    ]
    first, second = outages_of_node(facts, MACHINES)
    assert (first.from_s, first.to_s, first.is_fault, first.reacted_s, first.reacted_by) == (
        100,
        300,
        True,
        180,
        "carla",
    )
    assert (first.reason, second.is_fault, second.to_s, second.reacted_s) == ("DIMM replaced", False, None, None)


def habits(**told: int) -> UserHabits:
    values = dict.fromkeys((name for name in UserHabits.__struct_fields__ if name != "user"), 0)
    return UserHabits(user="bob", **(values | told))


def test_each_rule_names_whom_it_is_for_with_figure_and_limit() -> None:
    hour = 3_600
    cases = {
        "low CPU use": habits(measured_core_s=200 * hour, cpu_ms=100 * hour * 1000, core_s=200 * hour),
        "held idle": habits(idle_core_s=150 * hour),
        "unused memory": habits(core_s=200 * hour, given_mib_s=10**12, peak_mib_s=10**11),
        "long time limits": habits(core_s=200 * hour, limit_core_s=10**7, limited_core_s=10**6),
        "many short runs": habits(runs=100, short=50),
    }
    for rule, one in cases.items():
        assert [concern.rule for concern in concerns([one], [], RULES)] == [rule]
    (storm,) = concerns([], [SubmitBurst("eve", 0, 400)], RULES)
    assert (storm.rule, storm.figure, storm.limit) == ("submit storm", 400, 100)
    assert concerns([], [SubmitBurst("eve", 0, 99)], RULES) == []


def test_nobody_is_named_for_little() -> None:
    little = habits(runs=5, short=5, failed=5, core_s=60, measured_core_s=60, cpu_ms=1, given_mib_s=10, limit_core_s=99)
    assert concerns([little], [], RULES) == []


def test_failures_are_many_only_where_they_are_more_than_everybodys_for_certain() -> None:
    calm = habits(runs=1_000, failed=50)
    assert concerns([calm, habits(runs=20, failed=2)], [], RULES) == []
    (named,) = concerns([calm, habits(runs=40, failed=20)], [], RULES)
    assert named.rule == "many failures"


@given(st.integers(0, 200), st.integers(1, 200))
def test_wilsons_lower_end_is_below_the_share(hits: int, more: int) -> None:
    assert 0 <= wilson_low(hits, hits + more) <= hits / (hits + more)


@pytest.mark.parametrize(
    ("backlog", "words"),
    [
        (UsageBacklog(), ""),
        (UsageBacklog(jobs=1), "1 job"),
        (UsageBacklog(hours=2), "2 hours of the nodes"),
        (UsageBacklog(jobs=3, hours=1), "3 jobs, 1 hour of the nodes"),
    ],
)
def test_what_is_still_to_be_counted_is_named_and_nothing_else(backlog: UsageBacklog, words: str) -> None:
    assert backlog.words == words
