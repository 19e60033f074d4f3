"""No phantom running jobs: who is closed, why, and who is left alone."""

from __future__ import annotations

import pytest

from slurmlens.clock import NS_PER_S
from slurmlens.events import AnyEvent, Witness
from slurmlens.hub.history.facts import ClosedReason, NodeState, TimeSource
from slurmlens.hub.history.record.node_beats import NodeBeats
from slurmlens.slurm.records import JobState, RecordSource
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import Told, at_ns

ONE = Told(node="n1")
OTHER = Told(job_id=8, node="n2")


async def closed(history: History, seconds: float, scheduler: float | None = None) -> list[ClosedReason]:
    """What is closed at that time; `scheduler` is when it last gave its queue."""
    found = await history.reconciler.reconcile(at_ns(seconds), None if scheduler is None else at_ns(scheduler))
    await history.refresh()
    return [verdict.reason for verdict in found.closed]


async def test_a_sighting_that_its_node_no_longer_lists_is_closed_once(history: History, clock: ManualClock) -> None:
    await history.hear(ONE.start(1))
    clock.advance(10)
    await history.hear(ONE.beat(10))
    assert await closed(history, 11) == [ClosedReason.NOT_LISTED]
    assert await closed(history, 12) == []
    facts = await history.facts()
    assert (facts.nodes[0].state, facts.nodes[0].reconciled_reason) == (NodeState.RECONCILED, "not-listed")
    assert not facts.is_live


async def test_a_sighting_that_its_node_lists_stays_open(history: History, clock: ManualClock) -> None:
    await history.hear(ONE.start(1))
    clock.advance(10)
    await history.hear(ONE.beat(10, ONE.sighting))
    assert await closed(history, 11) == []


async def test_a_heartbeat_older_than_the_start_closes_nothing(history: History) -> None:
    await history.hear(ONE.start(20), ONE.beat(10))
    assert await closed(history, 21) == []


async def test_a_node_that_was_booted_anew_ended_everything(history: History, clock: ManualClock) -> None:
    await history.hear(ONE.start(1))
    clock.advance(300)
    await history.hear(Told(node="n1", boot_id="second").beat(300))
    assert await closed(history, 301) == [ClosedReason.NODE_BOOTED]


async def test_a_lost_nodes_sighting_is_closed_some_time_after_the_scheduler_ended_the_run(history: History) -> None:
    await history.hear(ONE.start(1), ONE.beat(2, ONE.sighting))
    await history.learn(record(JobState.NODE_FAIL, end=30, nodes=("n1",)))
    assert await closed(history, 60) == []
    assert await closed(history, 200) == [ClosedReason.RUN_ENDED]
    facts = await history.facts()
    assert facts.outcome.label == "NODE_FAIL"
    assert facts.nodes[0].end_ns == at_ns(30)


async def test_a_node_that_still_cleans_up_is_left_alone(history: History, clock: ManualClock) -> None:
    await history.hear(ONE.start(1))
    await history.learn(record(JobState.COMPLETED, end=30, nodes=("n1",)))
    clock.advance(195)
    await history.hear(ONE.beat(195, ONE.sighting))
    assert await closed(history, 200) == []


async def test_an_end_whose_summary_never_comes_is_closed_and_says_so(history: History) -> None:
    await history.hear(ONE.start(1), ONE.end(5))
    assert await closed(history, 60) == []
    assert await closed(history, 200) == [ClosedReason.NO_SUMMARY]
    facts = await history.facts()
    assert facts.nodes[0].state is NodeState.ENDED
    assert facts.nodes[0].end_ns == at_ns(5)


@pytest.mark.parametrize("late", [60.0, 5000.0])
async def test_an_end_that_comes_after_all_wins(history: History, clock: ManualClock, late: float) -> None:
    await history.hear(ONE.start(1))
    clock.advance(10)
    await history.hear(ONE.beat(10))
    await closed(history, 11)
    clock.advance(late)
    await history.hear(ONE.end(9.5), ONE.summary(1, 9.5))
    facts = await history.facts()
    assert (facts.nodes[0].state, facts.nodes[0].end_ns) == (NodeState.ENDED, at_ns(9.5))


# --- nothing that runs is ended


async def test_a_prolog_that_is_read_after_the_first_heartbeat_is_not_closed_by_it(history: History) -> None:
    """A daemon starts at 20 and says so at once; the Prolog of 10 waited for it in the dropbox."""
    await history.hear(ONE.beat(20))
    await history.hear(ONE.start(10))
    assert await closed(history, 25) == []


async def test_a_heartbeat_of_the_same_batch_as_a_start_closes_nothing(history: History) -> None:
    await history.hear(ONE.beat(20), ONE.start(10))
    assert await closed(history, 25) == []


async def test_what_was_closed_too_early_is_opened_again_by_the_node_that_lists_it(
    history: History, clock: ManualClock
) -> None:
    await history.hear(ONE.start(1))
    clock.advance(10)
    await history.hear(ONE.beat(10))
    assert await closed(history, 11) == [ClosedReason.NOT_LISTED]
    clock.advance(10)
    await history.hear(ONE.beat(20, ONE.sighting))
    facts = await history.facts()
    assert (facts.nodes[0].state, facts.nodes[0].reconciled_reason) == (NodeState.RUNNING, None)
    assert await closed(history, 21) == []


async def test_a_hub_that_was_away_does_not_take_it_for_the_nodes_silence(history: History, clock: ManualClock) -> None:
    await history.hear(ONE.start(1), ONE.beat(2, ONE.sighting))
    await history.learn(record(JobState.COMPLETED, end=30, nodes=("n1",)))
    history.listens_since(at_ns(3600))
    assert await closed(history, 3605, scheduler=3601) == []
    clock.advance(3606)
    await history.hear(ONE.end(30.2), ONE.summary(1, 30.2))
    assert await closed(history, 3900, scheduler=3900) == []
    assert (await history.facts()).nodes[0].reconciled_reason is None


async def test_while_the_scheduler_is_silent_nothing_is_ended_by_guess(history: History, clock: ManualClock) -> None:
    """The node fell silent, too: nobody knows, and the page says so."""
    await history.hear(ONE.start(1), ONE.beat(2, ONE.sighting))
    await history.learn(record(JobState.RUNNING, nodes=("n1",)))
    clock.advance(7200)
    assert await closed(history, 7200, scheduler=30) == []
    facts = await history.facts()
    assert (facts.outcome.state, facts.nodes[0].state) == (JobState.RUNNING, NodeState.SILENT)


async def test_a_sighting_that_was_closed_for_another_run_is_judged_anew(history: History, clock: ManualClock) -> None:
    """It seemed to belong to the run that had ended, until the scheduler told of the next one."""
    await history.hear(ONE.start(40, witness=Witness.CGROUP))
    await history.learn(record(JobState.PREEMPTED, end=30, nodes=("n1",)))
    assert await closed(history, 200, scheduler=199) == [ClosedReason.RUN_ENDED]
    await history.learn(record(JobState.RUNNING, submit=30, start=39, nodes=("n1",)))
    facts = await history.facts()
    assert (facts.run, facts.nodes[0].reconciled_reason) == (2, None)


async def test_a_node_whose_clock_went_back_over_a_boot_is_believed_after_a_while(
    history: History, clock: ManualClock
) -> None:
    before = Told(node="n1", boot_id="before")
    await history.hear(before.start(5000), before.beat(5001, before.sighting))
    clock.advance(60)
    after = Told(node="n1", boot_id="after", sighting="s2")
    await history.hear(after.beat(60))
    assert await closed(history, 61) == []
    clock.advance(200)
    await history.hear(after.beat(260))
    assert await closed(history, 261) == [ClosedReason.NODE_BOOTED]


# --- no phantom


async def test_an_epilog_that_was_lost_on_a_node_without_a_cgroup_does_not_keep_the_job_for_days(
    history: History, clock: ManualClock
) -> None:
    """The daemon lists it for as long as it hears no Epilog; the scheduler knows better, but must be asked lately."""
    await history.hear(ONE.start(1))
    await history.learn(record(JobState.COMPLETED, end=30, nodes=("n1",)))
    clock.advance(275)
    await history.hear(ONE.beat(275, ONE.sighting))
    assert await closed(history, 280, scheduler=90) == []
    assert await closed(history, 280, scheduler=270) == [ClosedReason.RUN_ENDED]
    clock.advance(60)
    await history.hear(ONE.beat(335, ONE.sighting))
    facts = await history.facts()
    assert (facts.nodes[0].state, facts.is_live) == (NodeState.RECONCILED, False)


async def test_a_run_that_the_scheduler_forgot_ends_on_a_silent_node(history: History, clock: ManualClock) -> None:
    await history.hear(ONE.start(1), ONE.beat(2, ONE.sighting))
    await history.learn(record(JobState.RUNNING, nodes=("n1",)))
    (key,) = await history.records.open_executions()
    await history.records.forget([key], clock.wall_ns())
    await history.refresh()
    assert await closed(history, 60) == []
    assert await closed(history, 300) == [ClosedReason.RUN_FORGOTTEN]
    facts = await history.facts()
    assert not facts.is_live
    assert facts.end_source is TimeSource.RECONCILED


async def forgotten(history: History, clock: ManualClock, *after: AnyEvent) -> None:
    """A run of which the node told no more than `after` its begin, and that the scheduler has forgotten."""
    await history.hear(ONE.start(1), *after)
    await history.learn(record(JobState.RUNNING, nodes=("n1",), source=RecordSource.QUEUE))
    (key,) = await history.records.open_executions()
    clock.advance(30)
    await history.records.forget([key], clock.wall_ns())
    await history.refresh()


async def listed(history: History, clock: ManualClock, *seconds: float) -> None:
    """The node's heartbeats list it at these times."""
    for at in seconds:
        clock.advance((at_ns(at) - clock.wall_ns()) / NS_PER_S)
        await history.hear(ONE.beat(at, ONE.sighting))


async def test_a_run_that_the_scheduler_forgot_goes_on_where_its_node_sees_a_cgroup(
    history: History, clock: ManualClock
) -> None:
    """Figures come of a cgroup alone, and its node ends it when that goes."""
    await forgotten(history, clock, ONE.points(2, 1.0))
    await listed(history, clock, 290, 900)
    assert await closed(history, 910, scheduler=909) == []
    assert (await history.facts()).nodes[0].state is NodeState.RUNNING


async def test_a_run_that_the_scheduler_forgot_ends_where_its_node_only_waits_for_an_epilog(
    history: History, clock: ManualClock
) -> None:
    """It ended at the latest when the scheduler was found to have forgotten it, and no heartbeat begins it again."""
    await forgotten(history, clock)
    await listed(history, clock, 149)
    assert await closed(history, 149, scheduler=149) == []
    assert await closed(history, 151, scheduler=20) == []  # a scheduler that does not answer is not believed
    assert await closed(history, 151, scheduler=149) == [ClosedReason.RUN_FORGOTTEN]
    await listed(history, clock, 160, 220)
    facts = await history.facts()
    assert (facts.nodes[0].state, facts.nodes[0].end_ns, facts.is_live) == (NodeState.RECONCILED, at_ns(30), False)
    assert await closed(history, 221, scheduler=220) == []


async def test_a_hub_that_starts_again_does_not_open_what_only_an_epilog_is_waited_for(
    history: History, clock: ManualClock
) -> None:
    await forgotten(history, clock)
    await listed(history, clock, 149)
    await closed(history, 151, scheduler=149)
    beats = NodeBeats()
    await history.store.read(beats.load)
    assert not beats.closed


async def test_a_forgotten_run_goes_on_when_the_scheduler_lists_it_again(history: History, clock: ManualClock) -> None:
    """A controller that was restarted without its newest state, or a list that lacked jobs for some minutes."""
    await forgotten(history, clock)
    await listed(history, clock, 149)
    assert await closed(history, 151, scheduler=149) == [ClosedReason.RUN_FORGOTTEN]
    await history.learn(record(JobState.RUNNING, nodes=("n1",), source=RecordSource.QUEUE))
    facts = await history.facts()
    assert (facts.outcome.state, facts.nodes[0].state, facts.is_live) == (JobState.RUNNING, NodeState.RUNNING, True)
    assert await closed(history, 600, scheduler=599) == []


async def test_a_forgotten_run_goes_on_when_its_node_tells_figures_of_it(history: History, clock: ManualClock) -> None:
    """It was young: the node sends figures every five minutes, and these are the first."""
    await forgotten(history, clock)
    await listed(history, clock, 149)
    assert await closed(history, 151, scheduler=149) == [ClosedReason.RUN_FORGOTTEN]
    await history.hear(ONE.points(300, 1.0))
    await listed(history, clock, 310, 900)
    assert (await history.facts()).nodes[0].state is NodeState.RUNNING
    assert await closed(history, 910, scheduler=909) == []


async def test_a_run_that_the_scheduler_never_knew_ends_where_its_node_only_waits_for_an_epilog(
    history: History, clock: ManualClock
) -> None:
    await history.hear(ONE.start(1))
    await listed(history, clock, 238)
    assert await closed(history, 239, scheduler=238) == []
    assert await closed(history, 242, scheduler=90) == []
    assert await closed(history, 242, scheduler=238) == [ClosedReason.NO_RUN]
    await listed(history, clock, 300)
    assert not (await history.facts()).is_live


async def test_a_run_that_the_scheduler_knows_after_all_goes_on(history: History, clock: ManualClock) -> None:
    await history.hear(ONE.start(1))
    await listed(history, clock, 238)
    assert await closed(history, 242, scheduler=238) == [ClosedReason.NO_RUN]
    await history.learn(record(JobState.RUNNING, nodes=("n1",), source=RecordSource.QUEUE))
    facts = await history.facts()
    assert (facts.nodes[0].state, facts.nodes[0].reconciled_reason) == (NodeState.RUNNING, None)
    assert await closed(history, 900, scheduler=899) == []


@pytest.mark.parametrize("silent_for_s", [600, 86_400])
async def test_a_job_without_a_cgroup_runs_on_while_the_scheduler_is_silent(
    history: History, clock: ManualClock, silent_for_s: float
) -> None:
    """Whether the scheduler knew it before or not."""
    await history.hear(ONE.start(1), OTHER.start(1))
    await history.learn(record(JobState.RUNNING, nodes=("n1",), source=RecordSource.QUEUE))
    clock.advance(silent_for_s)
    await history.hear(ONE.beat(silent_for_s, ONE.sighting), OTHER.beat(silent_for_s, OTHER.sighting))
    assert await closed(history, silent_for_s + 1, scheduler=10) == []
    assert (await history.facts(7)).is_live
    assert (await history.facts(8)).is_live


async def test_a_sighting_of_a_job_that_the_scheduler_does_not_know_ends_when_its_node_is_silent(
    history: History,
) -> None:
    """slurmdbd was purged, or the id belongs to another job by now."""
    await history.hear(ONE.start(1), ONE.beat(2, ONE.sighting))
    assert await closed(history, 1000) == []  # the scheduler was never heard of
    assert await closed(history, 1000, scheduler=500) == []  # not lately
    assert await closed(history, 1000, scheduler=990) == [ClosedReason.NO_RUN]
    assert not (await history.facts()).is_live


async def test_an_old_sighting_under_a_reused_job_id_ends_and_stays_out_of_the_new_job(
    history: History, clock: ManualClock
) -> None:
    await history.hear(ONE.start(1), ONE.beat(2, ONE.sighting))
    clock.advance(90_000)
    await history.learn(record(JobState.RUNNING, submit=90_000, start=90_001, nodes=("n2",), restart_count=0))
    assert await closed(history, 90_010, scheduler=90_000) == [ClosedReason.NO_RUN]
    facts = await history.facts()
    assert (facts.outcome.state, [node.node for node in facts.nodes]) == (JobState.RUNNING, ["n2"])
