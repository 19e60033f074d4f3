"""Requeues and losses as real clusters have them: each run ends once, and none goes on for ever."""

from __future__ import annotations

import msgspec
import pytest

from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.history.facts import JobFilter, NodeState, StateFilter
from slurmlens.slurm.records import JobRecord, JobState, RecordSource
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import Told, at_ns
from testkit.whole_cluster import MIN_JOB_AGE_S, STEP_S, Cluster

QUEUE = RecordSource.QUEUE
ONE, OTHER = Told(node="n1"), Told(node="n2")


async def running(history: History) -> list[int]:
    return sorted(row.job_id for row in await history.listed(JobFilter(state=StateFilter.RUNNING)))


async def run_states(history: History, job_id: int = 7) -> list[str]:
    return [run.label for run in (await history.facts(job_id)).runs]


def queued(state: JobState, **fields: object) -> JobRecord:
    return record(state, source=QUEUE, **{"nodes": ("n1",), **fields})  # type: ignore[arg-type]


# --- by hand, as recorded from a 22.05


async def test_a_requeued_run_that_is_cleaned_up_for_minutes_keeps_its_start_and_its_nodes(history: History) -> None:
    """Without accounting: the queue tells the old submit time and a start that moves until the last Epilog has run."""
    await history.learn(queued(JobState.RUNNING, restart_count=0))
    await history.hear(ONE.start(0.2))
    for second in (40, 100, 160):
        cleans_up = queued(JobState.RUNNING, start=second, restart_count=1, state_flags=("COMPLETING",))
        await history.learn(cleans_up)
    await history.hear(ONE.end(161), ONE.summary(0.2, 161))
    await history.learn(queued(JobState.PENDING, submit=162, start=None, restart_count=1))
    first = await history.facts(run=1)
    assert (first.outcome.state, first.start_ns, first.held) == (JobState.REQUEUED, at_ns(0.2), ())
    assert [node.state for node in first.nodes] == [NodeState.ENDED]
    assert await running(history) == []


async def test_a_node_that_boots_in_the_middle_of_a_requeue_leaves_each_run_its_own_part(
    history: History, clock: ManualClock
) -> None:
    """Its Epilog never ran; the next run begins on the same node under the next boot."""
    await history.learn(queued(JobState.RUNNING, restart_count=0))
    await history.hear(ONE.start(0.2), ONE.beat(5, ONE.sighting))
    await history.learn(queued(JobState.RUNNING, start=30, restart_count=1, state_flags=("COMPLETING",)))
    clock.advance(130)
    after = Told(node="n1", sighting="s2", boot_id="second")
    await history.hear(after.beat(130))
    await history.reconciler.reconcile(at_ns(131), at_ns(125))
    await history.learn(queued(JobState.PENDING, submit=132, start=None, restart_count=1))
    await history.learn(queued(JobState.RUNNING, submit=132, start=253, restart_count=1))
    clock.advance(125)
    await history.hear(after.start(253.2, restart_count=1), after.beat(255, after.sighting))
    await history.reconciler.reconcile(at_ns(256), at_ns(254))
    await history.refresh()
    first, second = await history.facts(run=1), await history.facts(run=2)
    assert [(node.state, node.reconciled_reason) for node in first.nodes] == [(NodeState.RECONCILED, "node-booted")]
    assert [(node.state, node.start_ns) for node in second.nodes] == [(NodeState.RUNNING, at_ns(253.2))]
    assert (first.outcome.state, second.outcome.state) == (JobState.REQUEUED, JobState.RUNNING)


async def test_one_task_of_an_array_that_is_requeued_leaves_the_others_alone(history: History) -> None:
    """Tasks have ids of their own, the last one that of the array; all share their submit time until a requeue."""
    tasks = {2: 1, 1: 2}
    for job_id, task in tasks.items():
        await history.learn(queued(JobState.RUNNING, job_id=job_id, array_job_id=1, array_task_id=task))
        await history.hear(Told(job_id).start(0.3))
    array = {"array_job_id": 1, "array_task_id": 1, "restart_count": 1}
    cleans_up = queued(JobState.RUNNING, job_id=2, start=9, state_flags=("COMPLETING",), **array)
    await history.learn(cleans_up, record(JobState.REQUEUED, job_id=2, end=4, nodes=("n1",)))
    await history.hear(Told(2).end(8), Told(2).summary(0.3, 8))
    await history.learn(queued(JobState.PENDING, job_id=2, submit=8, start=None, **array))
    again = Told(2, sighting="s2")
    await history.hear(again.start(129.4, restart_count=1))
    await history.learn(queued(JobState.RUNNING, job_id=2, submit=8, start=129, **array))
    assert await run_states(history, 2) == ["REQUEUED", "RUNNING"]
    assert await run_states(history, 1) == ["RUNNING"]
    await history.learn(queued(JobState.COMPLETED, job_id=2, submit=8, start=129, end=140, **array))
    assert await running(history) == [1]


@pytest.mark.parametrize("late", [ONE, OTHER], ids=["n1 is cut off", "n2 is cut off"])
@pytest.mark.parametrize("scheduler_first", [True, False])
async def test_an_end_that_comes_before_another_nodes_start_ends_nothing_twice(
    history: History, clock: ManualClock, late: Told, scheduler_first: bool
) -> None:
    early = OTHER if late is ONE else ONE
    ended = record(JobState.COMPLETED, end=30)
    if scheduler_first:
        await history.learn(ended)
    await history.hear(early.start(0.2), early.end(30.1), early.summary(0.2, 30.1))
    clock.advance(200)
    await history.hear(late.start(0.2), late.end(30.2), late.summary(0.2, 30.2))
    await history.learn(ended)
    facts = await history.facts()
    assert (facts.outcome.label, facts.end_ns, facts.held) == ("COMPLETED", at_ns(30.2), ())
    assert {node.node: node.state for node in facts.nodes} == {"n1": NodeState.ENDED, "n2": NodeState.ENDED}


async def test_an_end_of_a_sighting_whose_start_comes_later_is_not_undone_by_it(history: History) -> None:
    await history.hear(ONE.end(30.1))
    await history.hear(ONE.start(0.2))
    await history.learn(record(JobState.COMPLETED, end=30, nodes=("n1",)))
    facts = await history.facts()
    assert (facts.nodes[0].state, facts.start_ns, facts.end_ns) == (NodeState.ENDED, at_ns(0.2), at_ns(30.1))


# --- by the cluster in one process


@pytest.fixture
async def cluster(history: History) -> Cluster:
    made = Cluster(history, ("n1", "n2"))
    for node in made.nodes.values():
        node.start_daemon(remembers=False, beats_first=True)
    await made.start_hub()
    return made


async def wait(cluster: Cluster, seconds: float) -> None:
    for _ in range(round(seconds / STEP_S)):
        await cluster.step()


async def test_a_hub_that_dies_between_storing_and_answering_counts_nothing_twice(cluster: Cluster) -> None:
    cluster.start(("n1", "n2"))
    await wait(cluster, 60)
    (run,) = cluster.running()
    cluster.end(run, JobState.COMPLETED, epilog=True)
    for node in cluster.nodes.values():
        node.look()
    await cluster.kill_hub()
    stored = await cluster.history.queries.job_events(EVERYBODY, run.job_id)
    assert len({msgspec.json.decode(event)["event"]["id"] for event in stored}) == len(stored) >= 4
    await cluster.start_hub()
    await wait(cluster, 120)
    assert set(stored) <= set(await cluster.history.queries.job_events(EVERYBODY, run.job_id))
    facts = await cluster.history.facts(run.job_id)
    assert [(node.state, node.sightings) for node in facts.nodes] == [(NodeState.ENDED, 1)] * 2
    assert not facts.is_live


@pytest.mark.parametrize("epilog", [True, False])
async def test_a_scheduler_that_forgot_the_job_without_accounting_leaves_no_phantom(
    cluster: Cluster, epilog: bool
) -> None:
    """The hub was away for longer than MinJobAge: nobody can say how the job ended, only that it did."""
    cluster.controller.accounting_is_up = False
    cluster.start(("n1",))
    await wait(cluster, 60)
    (run,) = cluster.running()
    cluster.stop_hub()
    cluster.end(run, JobState.CANCELLED, epilog=epilog)
    await wait(cluster, MIN_JOB_AGE_S + 60)
    await cluster.start_hub()
    await wait(cluster, 300)
    facts = await cluster.history.facts(run.job_id)
    assert await running(cluster.history) == []
    assert (facts.outcome.state, facts.is_live) == (JobState.UNKNOWN, False)


@pytest.mark.thorough
async def test_a_scheduler_that_is_away_for_hours_leaves_no_phantom_and_has_the_last_word(cluster: Cluster) -> None:
    cluster.start(("n1", "n2"))
    cluster.start(("n1",))
    await wait(cluster, 60)
    both, single = cluster.running()
    cluster.controller.is_up = cluster.controller.accounting_is_up = False
    await wait(cluster, 60)
    cluster.end(both, JobState.CANCELLED, epilog=True)
    await wait(cluster, 300)
    assert await running(cluster.history) == [single.job_id]
    await wait(cluster, 3600)
    assert await running(cluster.history) == [single.job_id]
    cluster.controller.is_up = cluster.controller.accounting_is_up = True
    await wait(cluster, 60)
    assert (await cluster.history.facts(both.job_id)).outcome.state is JobState.CANCELLED
    assert await running(cluster.history) == [single.job_id]


async def test_a_job_that_waits_again_is_not_ended_with_the_run_before(cluster: Cluster) -> None:
    cluster.start(("n1",), cgroup=False)
    await wait(cluster, 60)
    (run,) = cluster.running()
    cluster.requeue(run, epilog=False, cleanup_s=90)
    await wait(cluster, 200)
    assert (await cluster.history.facts(run.job_id)).outcome.state is JobState.PENDING
    cluster.launch(cluster.waiting()[0], ("n2",))
    await wait(cluster, 600)
    facts = await cluster.history.facts(run.job_id)
    assert (facts.outcome.state, [node.node for node in facts.nodes]) == (JobState.RUNNING, ["n2"])
    assert [node.state for node in (await cluster.history.facts(run.job_id, 1)).nodes] == [NodeState.RECONCILED]
