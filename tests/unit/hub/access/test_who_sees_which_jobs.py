"""Who sees which jobs, by every read of history, on a real database."""

from __future__ import annotations

import msgspec
import pytest

from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.history.facts import JobFilter, StateFilter
from slurmlens.slurm.records import JobState
from testkit.access_people import tell_jobs, viewer_named
from testkit.hub_history import History, record
from testkit.told_events import Told

SEEN = {
    "alice": {41, 43, 44},
    "carl": {41, 43, 44},
    "bob": {42, 44},
    "carol": {41, 43, 44},
    "olga": {41, 42, 43, 44, 45},
    "root": {41, 42, 43, 44, 45},
    "max": set(),
    "ada": set(),
    "o'x\"": {45},
    "alice' OR '1'='1": set(),
}

LATEST_IS_BOBS = {"alice", "carl", "carol"}
"""Lists show a job id once, by its latest run: number 44 is bob's there."""


def listed(name: str) -> set[int]:
    """What this one's list shows."""
    return SEEN[name] - {44} if name in LATEST_IS_BOBS else SEEN[name]


@pytest.fixture
async def told(history: History) -> History:
    await tell_jobs(history)
    return history


async def test_lists_and_single_jobs_and_their_events_show_the_same_jobs(told: History) -> None:
    for name, seen in SEEN.items():
        viewer = await viewer_named(told, name)
        assert {row.job_id for row in (await told.queries.jobs(viewer, JobFilter())).rows} == listed(name), name
        for job_id in range(40, 47):
            facts = await told.queries.job_facts(viewer, job_id)
            assert (facts is not None) == (job_id in seen), (name, job_id)
            assert bool(await told.queries.job_events(viewer, job_id)) == (job_id in seen), (name, job_id)


@pytest.mark.parametrize(
    "which",
    [
        JobFilter(user="alice"),
        JobFilter(account="bio"),
        JobFilter(node="n1"),
        JobFilter(partition="all"),
        JobFilter(state=StateFilter.FAILED),
    ],
)
async def test_no_filter_widens_or_narrows_what_is_seen(told: History, which: JobFilter) -> None:
    everything = {row.job_id for row in (await told.queries.jobs(EVERYBODY, which)).rows}
    assert everything
    for name in SEEN:
        viewer = await viewer_named(told, name)
        rows = [row.job_id for row in (await told.queries.jobs(viewer, which)).rows]
        assert set(rows) == everything & listed(name), name
        first = await told.queries.jobs(viewer, msgspec.structs.replace(which, limit=1))
        assert [row.job_id for row in first.rows] == rows[:1]


async def test_a_list_is_walked_by_its_cursor_without_gap_or_double(told: History) -> None:
    for name in ("alice", "carol", "olga"):
        viewer = await viewer_named(told, name)
        walked: list[int] = []
        page = (await told.queries.jobs(viewer, JobFilter(limit=1))).rows
        while page:
            walked += [row.job_id for row in page]
            page = (await told.queries.jobs(viewer, JobFilter(limit=1, after=page[-1].place))).rows
        assert len(walked) == len(set(walked))
        assert set(walked) == listed(name)


async def test_users_may_be_shown_their_own_alone_or_all(told: History) -> None:
    own = await viewer_named(told, "alice", users_see="own")
    assert {row.job_id for row in (await told.queries.jobs(own, JobFilter())).rows} == {41}
    everything = await viewer_named(told, "bob", users_see="all")
    assert {row.job_id for row in (await told.queries.jobs(everything, JobFilter())).rows} == {41, 42, 43, 44, 45}
    coordinator = await viewer_named(told, "carol", users_see="own")
    assert {row.job_id for row in (await told.queries.jobs(coordinator, JobFilter())).rows} == {41, 43}


async def test_other_jobs_that_failed_on_a_node_are_those_that_may_be_seen(told: History) -> None:
    for name, others in (("alice", {43, 44}), ("olga", {42, 43, 44, 45})):
        viewer = await viewer_named(told, name)
        facts = await told.queries.job_facts(viewer, 41)
        assert facts is not None
        assert set(facts.nodes[0].other_failed_jobs_today) == others


async def test_a_job_id_that_was_given_twice_shows_each_user_his_own(told: History) -> None:
    alice, bob = await viewer_named(told, "alice"), await viewer_named(told, "bob")
    first, second = [await told.queries.job_facts(viewer, 44) for viewer in (alice, bob)]
    assert first is not None
    assert second is not None
    assert (first.run, second.run) == (1, 2)
    assert await told.queries.job_facts(alice, 44, 2) is None
    assert [run.number for run in first.runs] == [1]
    events = {name: await told.queries.job_events(viewer, 44) for name, viewer in (("a", alice), ("b", bob))}
    assert all(events.values())
    assert not set(events["a"]) & set(events["b"])


async def test_what_no_run_fits_yet_is_shown_to_whoever_sees_all_runs_of_its_id(told: History) -> None:
    stray = Told(job_id=44, node="n9", sighting="late")
    await told.hear(stray.start(90_000.0), stray.summary(90_000.0, 90_001.0))
    seen = {}
    for name in ("alice", "bob", "olga"):
        facts = await told.queries.job_facts(await viewer_named(told, name), 44)
        assert facts is not None
        seen[name] = len(facts.held)
    assert seen == {"alice": 0, "bob": 0, "olga": 1}


async def test_a_job_of_nobody_known_is_seen_by_those_alone_who_see_all(told: History) -> None:
    unnamed = record(JobState.RUNNING, job_id=50, nodes=("n1",))
    await told.learn(msgspec.structs.replace(unnamed, user=None, account=None))
    assert await told.queries.job_facts(await viewer_named(told, "alice"), 50) is None
    assert await told.queries.job_facts(await viewer_named(told, "olga"), 50) is not None


async def test_whoever_has_no_role_sees_nothing(told: History) -> None:
    nobody = Viewer("alice", frozenset())
    assert (await told.queries.jobs(nobody, JobFilter())).rows == ()
    assert await told.queries.job_facts(nobody, 41) is None


async def test_the_hub_s_own_state_names_no_job_to_who_does_not_see_all(told: History) -> None:
    await told.hear(Told(job_id=41).beat(100, "s0"))
    running = {}
    for name in ("alice", "max", "ada", "olga"):
        status = await told.queries.status(await viewer_named(told, name))
        running[name] = [node.running for node in status.nodes]
    assert running == {"alice": [], "max": [()], "ada": [()], "olga": [(41,)]}


async def test_roles_are_those_of_the_rules_and_of_the_groups(told: History) -> None:
    roles = {name: (await viewer_named(told, name)).roles for name in ("alice", "carol", "olga", "max", "ada", "root")}
    assert roles == {
        "alice": {Role.USER},
        "carol": {Role.USER, Role.COORDINATOR},
        "olga": {Role.USER, Role.OPERATOR},
        "max": {Role.USER, Role.MANAGEMENT},
        "ada": {Role.USER, Role.AUDITOR},
        "root": {Role.USER, Role.OPERATOR},
    }
