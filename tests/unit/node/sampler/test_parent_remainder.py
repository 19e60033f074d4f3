"""What the dead used after their last reading is what their parent counts beyond the living: exact for one, a shared
sum for several."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from slurmlens.events import FigureSource
from slurmlens.node.sampler.parent_remainder import ParentRemainder

Counters = tuple[int | None, ...]


def cpu(usage: int, kills: int = 0) -> Counters:
    """Usage, user, system (three quarters of it in user mode), and OOM kills."""
    return usage, usage * 3 // 4, usage - usage * 3 // 4, kills


def tree_of(*children: str) -> ParentRemainder:
    """A parent older than we are that counts 1000 of its own, and newborn children."""
    tree = ParentRemainder()
    tree.add("parent", None, 0, newborn=False)
    tree.note("parent", cpu(1000), 0)
    tree.balance("parent")
    for child in children:
        tree.add(child, "parent", 0, newborn=True)
    return tree


def test_one_dead_childs_rest_is_exact() -> None:
    tree = tree_of("a", "b")
    tree.note("a", cpu(40), 10)
    tree.note("b", cpu(100), 10)
    departures = tree.settle("parent", {"parent": cpu(1000 + 70 + 160), "b": cpu(160)}, 20)
    assert departures["a"].counters == cpu(70)
    assert departures["a"].source is FigureSource.PARENT_REST
    assert "a" not in tree
    assert "b" in tree


def test_a_child_that_was_never_read_gets_all_it_used() -> None:
    tree = tree_of("a")
    (departure,) = tree.settle("parent", {"parent": cpu(1300)}, 20).values()
    assert departure.counters == cpu(300)


def test_several_dead_share_an_exact_sum_and_it_is_marked() -> None:
    tree = tree_of("a", "b")
    tree.note("a", cpu(30), 10)
    tree.note("b", cpu(10), 10)
    departures = tree.settle("parent", {"parent": cpu(1000 + 100)}, 20)
    assert {departure.source for departure in departures.values()} == {FigureSource.PARENT_REST_SPLIT}
    usages = {name: departure.counters[0] for name, departure in departures.items()}
    assert sum(usages.values()) == 100
    assert usages["a"] > usages["b"]  # it was the busier one


def jobs_of(*jobs: str) -> ParentRemainder:
    """A user's folder with newborn jobs, each with the steps batch and extern, all read at 10."""
    tree = tree_of(*jobs)
    for job in jobs:
        for step in ("extern", "batch"):
            tree.add(f"{job}/{step}", job, 0, newborn=True, sleeps=step == "extern")
            tree.note(f"{job}/{step}", cpu(1_000_000), 10)
        tree.note(job, cpu(2_000_000), 10)
    return tree


def test_what_a_job_used_unseen_is_its_batch_steps_and_not_externs_that_sleeps() -> None:
    tree = jobs_of("a")
    departures = tree.settle("parent", {"parent": cpu(1000 + 2_000_000 + 50_000_000)}, 20)
    used = {name: departure.counters[0] or 0 for name, departure in departures.items()}
    assert used["a"] == 52_000_000
    assert abs(used["a/batch"] - 51_000_000) < 10_000
    assert abs(used["a/extern"] - 1_000_000) < 10_000


def test_of_two_jobs_the_one_whose_batch_step_died_before_has_no_part_in_what_the_other_used() -> None:
    tree = jobs_of("a", "b")
    alive = {"a": cpu(52_000_000), "a/extern": cpu(1_000_000)}
    assert tree.settle("a", alive, 15)["a/batch"].source is FigureSource.PARENT_REST
    departures = tree.settle("parent", {"parent": cpu(1000 + 52_000_000 + 2_000_000 + 40_000_000)}, 20)
    used = {name: departure.counters[0] or 0 for name, departure in departures.items()}
    assert abs(used["a"] - 52_000_000) < 10_000
    assert abs(used["b"] - 42_000_000) < 10_000
    assert departures["b"].source is FigureSource.PARENT_REST_SPLIT


def test_an_extern_that_was_seen_to_work_shares_like_any_other() -> None:
    tree = jobs_of("a")
    tree.note("a/extern", cpu(500_000_000), 11)
    tree.note("a", cpu(501_000_000), 11)
    departures = tree.settle("parent", {"parent": cpu(1000 + 501_000_000 + 90_000_000)}, 20)
    assert (departures["a/extern"].counters[0] or 0) > 500_000_000 + 45_000_000


def test_several_dead_with_nothing_left_to_share_are_each_exact() -> None:
    tree = tree_of("a", "b")
    tree.note("a", cpu(30), 10)
    tree.note("b", cpu(10), 10)
    departures = tree.settle("parent", {"parent": cpu(1040)}, 20)
    assert {departure.source for departure in departures.values()} == {FigureSource.PARENT_REST}


def test_a_users_folder_that_went_with_its_last_job_is_solved_from_the_nodes() -> None:
    tree = ParentRemainder()
    tree.add("node", None, 0, newborn=False)
    tree.note("node", cpu(5000), 0)
    tree.balance("node")
    tree.add("user", "node", 0, newborn=True)
    tree.add("job", "user", 0, newborn=True)
    tree.add("batch", "job", 0, newborn=True)
    for name in ("user", "job", "batch"):
        tree.note(name, cpu(200), 10)
    departures = tree.settle("node", {"node": cpu(5316)}, 20)
    assert {name: departure.counters for name, departure in departures.items()} == dict.fromkeys(
        ("user", "job", "batch"), cpu(316)
    )
    assert all(departure.source is FigureSource.PARENT_REST for departure in departures.values())
    assert "node" in tree


def test_what_belongs_to_nobody_we_watch_is_not_given_to_the_dead() -> None:
    tree = tree_of("a")
    tree.note("a", cpu(50), 10)
    tree.note("parent", cpu(1000 + 400 + 50), 10)  # a stranger used 400
    tree.balance("parent")
    (departure,) = tree.settle("parent", {"parent": cpu(1000 + 400 + 80)}, 20).values()
    assert departure.counters == cpu(80)


def test_an_oom_kill_that_nobody_saw_is_the_dead_childs_where_one_died_alone() -> None:
    tree = tree_of("a", "b")
    (departure,) = tree.settle("parent", {"parent": cpu(1000, kills=1), "b": cpu(0)}, 20).values()
    assert departure.counters[3] == 1


def test_whose_an_oom_kill_was_is_unknown_where_several_died_and_none_is_known_to_be_none() -> None:
    tree = tree_of("a", "b", "c", "d")
    first = tree.settle("parent", {"parent": cpu(1000, kills=1), "c": cpu(0), "d": cpu(0)}, 20)
    assert [departure.counters[3] for departure in first.values()] == [None, None]
    second = tree.settle("parent", {"parent": cpu(1000, kills=1)}, 30)
    assert [departure.counters[3] for departure in second.values()] == [0, 0]


def test_an_unbalanced_parent_can_tell_nothing() -> None:
    tree = ParentRemainder()
    tree.add("parent", None, 0, newborn=False)
    tree.add("a", "parent", 0, newborn=False)
    tree.note("a", cpu(50), 10)
    (departure,) = tree.settle("parent", {"parent": cpu(9000)}, 20).values()
    assert departure.counters == (*cpu(50)[:3], None)
    assert departure.source is FigureSource.LAST_SAMPLE


def test_a_child_found_late_was_in_what_its_parent_seemed_to_count_for_itself() -> None:
    tree = tree_of("a")
    tree.add("late", "parent", 0, newborn=False)
    tree.note("late", cpu(300), 10)
    assert not tree.is_balanced("parent")
    tree.note("parent", cpu(1000), 10)
    tree.note("a", cpu(0), 10)
    tree.balance("parent")
    (departure,) = tree.settle("parent", {"parent": cpu(1050), "a": cpu(0)}, 20).values()
    assert departure.counters == cpu(350)


def test_a_child_that_is_set_apart_lives_on_when_its_parent_is_gone() -> None:
    tree = tree_of("a", "b")
    tree.set_apart("a")
    tree.remove("parent")
    assert "a" in tree
    assert tree.parent("a") is None
    assert "b" not in tree


def test_a_field_that_the_parent_lacks_stays_as_the_child_told_it() -> None:
    tree = tree_of("a")
    tree.note("a", (50, 30, None, 0), 10)
    (departure,) = tree.settle("parent", {"parent": (1080, None, None, 0)}, 20).values()
    assert departure.counters[0] == 80
    assert departure.counters[2] is None or departure.counters[2] >= 0


def test_clocks_that_tick_apart_never_make_a_negative_rest() -> None:
    tree = tree_of("a")
    tree.note("a", cpu(50), 10)
    (departure,) = tree.settle("parent", {"parent": cpu(1040)}, 20).values()
    assert departure.counters == cpu(50)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """What happens to up to four children of one parent: uses, reads, deaths."""
    return draw(
        st.lists(
            st.tuples(st.sampled_from(["use", "read", "die"]), st.integers(0, 3), st.integers(1, 1000)), max_size=40
        )
    )


@given(histories())
def test_nothing_a_child_used_is_ever_lost_or_counted_twice(history: list[tuple[str, int, int]]) -> None:
    tree = tree_of("c0", "c1", "c2", "c3")
    used = {f"c{index}": 0 for index in range(4)}
    living = set(used)
    reported: dict[str, int] = {}
    now_ns = 0
    for what, index, amount in history:
        now_ns += 1000
        name = f"c{index}"
        if name not in living:
            continue
        if what == "use":
            used[name] += amount
        elif what == "read":
            tree.note(name, cpu(used[name]), now_ns)
        else:
            living.discard(name)
            alive = {"parent": cpu(1000 + sum(used.values())), **{one: cpu(used[one]) for one in living}}
            departures = tree.settle("parent", alive, now_ns)
            reported |= {one: departure.counters[0] or 0 for one, departure in departures.items()}
    assert reported == {name: used[name] for name in used if name not in living}
