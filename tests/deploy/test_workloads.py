"""What the demo submits: seeded, printed as it is run, with an end that is known beforehand."""

from __future__ import annotations

import shlex

from deploy.accounts import USERS
from deploy.workloads.generate import Fault, submissions
from deploy.workloads.scenario import Planned, Role, expected_end, jobs
from hypothesis import given
from hypothesis import strategies as st

NODES = ("d000-compute0", "d000-compute1", "d000-compute2")
FAULT = Fault(NODES[-1], 5)


@given(st.integers(), st.integers(0, 30), st.integers(1, 5))
def test_the_same_seed_gives_the_same_work_of_known_users_within_the_nodes(seed: int, count: int, nodes: int) -> None:
    first, second = (list(submissions(seed, count, nodes, FAULT)) for _ in range(2))
    assert first == second
    assert len(first) == count
    for submission in first:
        assert submission.user in {user.name for user in USERS}
        assert submission.options[0] in {f"--nodes={number}" for number in range(1, nodes + 1)}


def test_two_seeds_give_different_work() -> None:
    assert list(submissions(1, 10, 3, FAULT)) != list(submissions(2, 10, 3, FAULT))


def test_what_is_shown_is_what_is_run_with_the_faulty_node_in_it() -> None:
    for submission in submissions(1, 10, 3, FAULT):
        user, shown = submission.shown("/work loads").split("$ ", 1)
        assert user == submission.user
        assert shlex.split(shown) == submission.command("/work loads")
        assert submission.command("/w")[-2:] == ["d000-compute2", "5"]


def test_a_random_job_must_fail_exactly_when_it_gets_the_faulty_node() -> None:
    random_job = next(planned for planned in jobs(NODES, seed=1, random_count=1) if planned.role is Role.RANDOM)
    assert expected_end(random_job, NODES[1:], NODES[-1]) == ("FAILED", "42:0")
    assert expected_end(random_job, NODES[:2], NODES[-1]) == ("COMPLETED", "0:0")


def test_every_kind_of_end_is_among_the_jobs() -> None:
    planned: list[Planned] = jobs(NODES, seed=1, random_count=0)
    assert {each.role for each in planned} == set(Role) - {Role.RANDOM}
    assert {each.state for each in planned} == {"COMPLETED", "FAILED", "OUT_OF_MEMORY", "CANCELLED"}
