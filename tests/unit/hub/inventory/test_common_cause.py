"""The common cause of failures: what is named, what is only suspected, and why."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.hub.inventory.common_cause import Candidate, Cause, CommonCause, Remark, Trial, common_cause
from slurmlens.hub.inventory.contingency import (
    Table,
    false_discovery_rates,
    fisher_p,
    odds_ratio,
    stratified_p,
)

COUNT = st.integers(min_value=0, max_value=60)


def trial(failed: bool, *nodes: str, user: str = "alice", name: str = "gemm", **more: str) -> Trial:
    candidates = {Candidate("node", node) for node in nodes} | {Candidate("user", user)}
    candidates |= {Candidate(kind, value) for kind, value in more.items()}
    return Trial(failed=failed, user=user, job_name=name, node_count=len(nodes), candidates=frozenset(candidates))


def of(answer: CommonCause, kind: str, name: str) -> Cause:
    return next(cause for cause in answer.causes if (cause.kind, cause.name) == (kind, name))


def exact_p(table: Table) -> float:
    """The tail by binomial coefficients in exact arithmetic."""
    with_it, failed, total = table.a + table.b, table.a + table.c, table.total
    ways = sum(
        math.comb(with_it, k) * math.comb(total - with_it, failed - k) for k in range(table.a, min(with_it, failed) + 1)
    )
    return float(Fraction(ways, math.comb(total, failed)))


@given(COUNT, COUNT, COUNT, COUNT)
def test_fishers_p_is_that_of_exact_arithmetic(a: int, b: int, c: int, d: int) -> None:
    table = Table(a, b, c, d)
    assert fisher_p(table) == pytest.approx(exact_p(table), rel=1e-9)


def test_ten_runs_of_which_three_failed_and_all_on_one_node_have_a_p_of_one_in_120() -> None:
    assert fisher_p(Table(3, 0, 0, 7)) == pytest.approx(1 / 120)


@given(st.lists(st.floats(min_value=0, max_value=1), max_size=30))
def test_rates_of_false_discovery_follow_the_step_up_rule(p_values: list[float]) -> None:
    found = false_discovery_rates(p_values)
    ordered = sorted(p_values)
    for p, q in zip(p_values, found, strict=True):
        ranks = [i for i, other in enumerate(ordered, start=1) if other >= p]
        assert q == pytest.approx(min(1.0, *(ordered[i - 1] * len(ordered) / i for i in ranks)))


def test_the_interval_of_an_odds_ratio_holds_it_and_narrows_with_more_runs() -> None:
    few, many = odds_ratio(Table(3, 1, 1, 57)), odds_ratio(Table(30, 10, 10, 570))
    assert few.low < few.value < few.high
    assert many.high / many.low < few.high / few.low


def test_a_stratum_without_both_outcomes_tells_nothing() -> None:
    assert stratified_p([Table(3, 0, 0, 0), Table(0, 0, 0, 5)]) is None


def a_window_with_a_bad_node() -> list[Trial]:
    rng = random.Random(7)
    nodes = [f"n{number:02}" for number in range(12)]
    runs = []
    for number in range(80):
        own = rng.sample(nodes, 2)
        runs.append(trial("n03" in own, *own, user=("alice", "bob", "carol")[number % 3], name=f"job{number % 5}"))
    return runs


def test_the_node_that_fails_every_job_comes_first_and_is_named() -> None:
    answer = common_cause(a_window_with_a_bad_node())
    first = answer.causes[0]
    assert (first.kind, first.name, first.is_named) == ("node", "n03", True)
    assert first.q < 0.05
    assert (first.failed, first.failed_without) == (answer.failed, 0)
    assert first.coverage == 1.0
    assert [cause.name for cause in answer.causes if cause.is_named] == ["n03"]


def test_nodes_that_only_shared_jobs_with_the_bad_one_are_explained_by_it() -> None:
    runs = [trial(True, "bad", f"s{number % 2}", user=f"u{number % 3}") for number in range(8)]
    runs += [trial(False, f"s{number % 2}", "s2", user=f"u{number % 3}") for number in range(2)]
    runs += [trial(False, f"x{number % 4}", user=f"u{number % 3}") for number in range(40)]
    answer = common_cause(runs)
    assert answer.causes[0].name == "bad"
    for name in ("s0", "s1"):
        sibling = of(answer, "node", name)
        assert Remark.EXPLAINED in sibling.remarks
        assert "node bad" in sibling.by
        assert not sibling.is_named


def test_a_node_alone_on_its_switch_cannot_be_told_from_it_and_both_say_so() -> None:
    runs = [trial(True, "n1", user=f"u{n % 2}", switch="s1") for n in range(4)]
    runs += [trial(False, "n2", user=f"u{n % 2}", switch="s2") for n in range(30)]
    answer = common_cause(runs)
    node, switch = of(answer, "node", "n1"), of(answer, "switch", "s1")
    assert node.is_named
    assert "switch s1" in node.by
    assert "node n1" in switch.by
    assert Remark.SAME_RUNS in node.remarks


def test_one_users_bug_is_not_blamed_on_the_nodes_that_this_user_has() -> None:
    """The user fails everywhere, and mostly runs on n1; there, others do well."""
    runs = [trial(True, "n1", user="eve", name=f"e{n}") for n in range(12)]
    runs += [trial(True, "n2", user="eve", name=f"e{n}") for n in range(3)]
    runs += [trial(False, "n2", user="eve", name="e0"), trial(False, "n1", user="eve", name="e1")]
    runs += [trial(False, "n1", user=f"u{n % 4}") for n in range(12)]
    runs += [trial(False, "n2", user=f"u{n % 4}") for n in range(40)]
    answer = common_cause(runs)
    node = of(answer, "node", "n1")
    assert Remark.ONE_USER in node.remarks
    assert "user eve" in node.by
    assert not node.is_named
    assert of(answer, "user", "eve").q < 0.05


def test_two_failures_are_suspects_and_no_cause() -> None:
    runs = [trial(True, "n1", user=f"u{n}") for n in range(2)] + [
        trial(False, "n2", user=f"u{n % 2}") for n in range(40)
    ]
    node = of(common_cause(runs), "node", "n1")
    assert Remark.TOO_FEW in node.remarks
    assert not node.is_named


@pytest.mark.parametrize("runs", [[], [trial(True, "n1")] * 3, [trial(False, "n1")] * 3])
def test_where_nothing_can_be_compared_nothing_is_named(runs: list[Trial]) -> None:
    assert common_cause(runs).causes == ()


@given(st.lists(st.tuples(st.booleans(), st.sets(st.sampled_from("abcdef"), max_size=3)), max_size=40))
def test_the_counts_of_every_cause_are_those_of_the_window(drawn: list[tuple[bool, set[str]]]) -> None:
    runs = [trial(failed, *sorted(nodes)) for failed, nodes in drawn]
    answer = common_cause(runs)
    for cause in answer.causes:
        mine = [run for run in runs if Candidate(cause.kind, cause.name) in run.candidates]
        assert cause.failed == sum(run.failed for run in mine)
        assert cause.failed + cause.succeeded == len(mine)
        assert cause.failed + cause.failed_without == answer.failed
        assert cause.succeeded + cause.succeeded_without == answer.succeeded


@given(
    st.lists(st.frozensets(st.sampled_from("abcdefgh"), max_size=5), min_size=1, max_size=4),
    st.lists(st.tuples(st.booleans(), st.sets(st.sampled_from("xyzab"), max_size=2), st.sets(st.integers(0, 3)))),
)
def test_a_set_that_many_runs_had_counts_as_if_each_run_had_all_of_it(
    drawn: list[frozenset[str]], runs: list[tuple[bool, set[str], set[int]]]
) -> None:
    sets = [frozenset(Candidate("software", name) for name in one) for one in drawn]
    shared, apart = [], []
    for failed, own, had in runs:
        one = trial(failed, *sorted(own))
        of_run = tuple(sets[place] for place in sorted(had) if place < len(sets))
        shared.append(msgspec.structs.replace(one, sets=of_run))
        apart.append(msgspec.structs.replace(one, candidates=one.candidates.union(*of_run)))
    assert common_cause(shared) == common_cause(apart)


def test_healthy_windows_name_nothing_in_nine_of_ten() -> None:
    """With q below 0.05 for each of three kinds, chance alone may name something now and then, and not often."""
    named = 0
    for seed in range(60):
        rng = random.Random(seed)
        runs = [
            trial(rng.random() < 0.1, *rng.sample([f"n{n}" for n in range(20)], 2), user=f"u{rng.randrange(6)}")
            for _ in range(200)
        ]
        named += any(cause.is_named for cause in common_cause(runs).causes)
    assert named <= 6


def test_a_stratum_of_two_runs_proves_nothing_and_takes_nothing_away() -> None:
    """Each user has one run on the bad node and one elsewhere: little to compare with, and all of it speaks for it."""
    runs = [trial(True, "bad", user=user, name=user) for user in "abcd"]
    runs += [trial(False, "good", user=user, name=user) for user in "abcdefg"]
    first = of(common_cause(runs), "node", "bad")
    assert first.is_named
    assert Remark.ONE_USER not in first.remarks


@given(COUNT, COUNT, COUNT, COUNT)
def test_at_worst_all_failures_that_could_be_are_with_the_candidate(a: int, b: int, c: int, d: int) -> None:
    table, worst = Table(a, b, c, d), Table(a, b, c, d).at_worst
    assert min(worst) >= 0
    assert (worst.a + worst.b, worst.a + worst.c, worst.total) == (a + b, a + c, table.total)
    assert 0 in (worst.b, worst.c)
