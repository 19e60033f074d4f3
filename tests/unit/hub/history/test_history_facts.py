"""History in a real SQLite file: events and records in, in any order and any number of times, facts out."""

from __future__ import annotations

import tempfile

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmlens.events import AnyEvent, EventKind, Witness
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.history.facts import (
    HeldReason,
    JobFacts,
    JobFilter,
    NodeState,
    OutcomeSource,
    StateFilter,
    TimeSource,
)
from slurmlens.hub.history.read.queries import Queries
from slurmlens.hub.history.record import concluding
from slurmlens.hub.history.record.concluding import JobKey, mark_stale
from slurmlens.hub.news import RunsChanged
from slurmlens.slurm.records import JobState, RecordSource
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S, Told, at_ns, profile

ONE, TWO = Told(node="n1"), Told(node="n2")
LIFE: tuple[AnyEvent, ...] = (
    ONE.start(0.2),
    TWO.start(0.3),
    ONE.points(0, 1.0, 2.0),
    ONE.end(31.4, exit_code=42, exit_signal=0),
    TWO.end(31.5, exit_code=42, exit_signal=0),
    ONE.summary(0.2, 31.4, cpu_s=20.0),
    TWO.summary(0.3, 31.5, cpu_s=10.0, oom_kills=1),
)
FAILED = record(JobState.FAILED, end=31, exit_code=42, exit_signal=0)


async def test_a_jobs_life_on_two_nodes_becomes_one_run(history: History) -> None:
    await history.hear(*LIFE)
    await history.learn(FAILED)
    facts = await history.facts()
    assert (facts.outcome.label, facts.outcome.source) == ("FAILED 42:0", OutcomeSource.SCHEDULER)
    assert (facts.start_ns, facts.start_source) == (at_ns(0.2), TimeSource.HOOK)
    assert (facts.end_ns, facts.end_source) == (at_ns(31.5), TimeSource.HOOK)
    assert [(node.node, node.state, node.samples) for node in facts.nodes] == [
        ("n1", NodeState.ENDED, 4),
        ("n2", NodeState.ENDED, 4),
    ]
    assert facts.outcome.oom_kills == 1
    assert not facts.is_live
    assert facts.held == ()
    assert [entry.kind for entry in facts.timeline] == [EventKind.JOB_START] * 2 + [EventKind.JOB_END] * 2


async def test_the_scheduler_is_silent_at_first_and_what_hooks_told_is_shown(history: History) -> None:
    await history.hear(*LIFE)
    facts = await history.facts()
    assert (facts.outcome.label, facts.outcome.source) == ("FAILED 42:0", OutcomeSource.HOOK)
    assert {held.reason for held in facts.held} == {HeldReason.NO_RECORD}
    assert facts.record is None
    assert facts.identity is not None
    assert facts.identity.user_name == "alice"


async def test_a_batch_that_comes_twice_changes_nothing(history: History) -> None:
    first = await history.hear(*LIFE)
    await history.learn(FAILED)
    before = await history.facts()
    again = await history.hear(*LIFE)
    assert (len(first.new), first.known) == (len(LIFE), 0)
    assert (len(again.new), again.known) == (0, len(LIFE))
    assert await history.facts() == before
    assert await history.learn(FAILED) == set()


async def test_an_id_of_another_nodes_event_takes_nothing_from_it(history: History) -> None:
    stolen = msgspec.structs.replace(TWO.start(0.3), id=ONE.start(0.2).id)
    await history.hear(stolen)
    applied = await history.hear(ONE.start(0.2))
    assert len(applied.new) == 1


@pytest.mark.thorough
@given(st.permutations(range(len(LIFE))), st.lists(st.integers(0, len(LIFE) - 1), max_size=4), st.booleans())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_the_order_of_arrival_does_not_matter(
    order: list[int], repeated: list[int], scheduler_first: bool
) -> None:
    expected = await _facts_of([LIFE[index] for index in range(len(LIFE))], scheduler_first=False)
    found = await _facts_of([LIFE[index] for index in [*order, *repeated]], scheduler_first)
    assert found == expected


async def _facts_of(events: list[AnyEvent], scheduler_first: bool) -> JobFacts:
    with tempfile.TemporaryDirectory() as folder:
        history = await History.open(f"sqlite:///{folder}/hub.sqlite3", ManualClock())
        try:
            if scheduler_first:
                await history.learn(FAILED)
            for event in events:
                await history.hear(event)
            await history.learn(FAILED)
            return await history.facts()
        finally:
            await history.close()


async def test_a_requeue_makes_two_runs_each_with_its_own_nodes(history: History) -> None:
    await history.hear(ONE.start(0.1, restart_count=0), ONE.end(8.1, restart_count=1), ONE.summary(0.1, 8.1))
    await history.learn(record(JobState.RUNNING, source=RecordSource.QUEUE, restart_count=0))
    await history.learn(
        record(JobState.PENDING, submit=8, start=None, source=RecordSource.QUEUE, reason="BeginTime", restart_count=1)
    )
    waiting = await history.facts()
    assert (waiting.run, waiting.outcome.state) == (2, JobState.PENDING)
    assert (await history.facts(run=1)).outcome.state is JobState.REQUEUED  # accounting has not even spoken
    again = Told(node="n2", sighting="s2")
    await history.hear(again.start(130.2, restart_count=1), again.summary(130.2, 140.1))
    await history.learn(record(JobState.REQUEUED, end=8), record(JobState.COMPLETED, submit=8, start=130, end=140))
    second, first = await history.facts(), await history.facts(run=1)
    assert [(run.number, run.label) for run in second.runs] == [(1, "REQUEUED"), (2, "COMPLETED")]
    assert [node.node for node in first.nodes if node.sightings] == ["n1"]
    assert [node.node for node in second.nodes if node.sightings] == ["n2"]
    assert not second.reused_id


async def test_a_reused_id_shows_the_new_job_alone(history: History) -> None:
    await history.learn(record(JobState.COMPLETED, end=8, name="old"))
    await history.learn(record(JobState.COMPLETED, submit=9000, start=9001, end=9010, name="new"))
    facts = await history.facts()
    assert facts.reused_id
    assert [run.number for run in facts.runs] == [2]
    assert facts.record is not None
    assert facts.record.name == "new"


async def test_a_restarted_daemons_sighting_is_merged_into_the_node(history: History, clock: ManualClock) -> None:
    later = Told(node="n1", sighting="s2")
    await history.hear(ONE.start(0.2), ONE.points(0, 1.0, 2.0))
    summary = later.summary(40, 60.3, cpu_s=50.0, means=(5.0, 6.0), start_witness=Witness.CGROUP)
    await history.hear(later.start(40, witness=Witness.CGROUP), summary)
    clock.advance(1)
    await history.hear(ONE.beat(60.5))
    await history.learn(record(JobState.COMPLETED, end=60, nodes=("n1",)))
    await history.reconciler.reconcile(at_ns(61))
    await history.refresh()
    (node,) = (await history.facts()).nodes
    assert (node.sightings, node.state, node.complete) == (2, NodeState.ENDED, False)
    assert node.profile is not None
    assert list(node.profile.mean["cpu_cores"]) == [1.0, 2.0, -1.0, -1.0, 5.0, 6.0]
    assert node.totals is not None
    assert node.totals.cpu_s is not None
    assert node.totals.cpu_s.value == 50.0


async def test_a_node_of_the_job_that_told_nothing_is_named(history: History) -> None:
    await history.hear(ONE.start(0.2))
    await history.learn(record(JobState.RUNNING))
    states = {node.node: node.state for node in (await history.facts()).nodes}
    assert states == {"n1": NodeState.RUNNING, "n2": NodeState.UNHEARD}


async def test_a_node_that_falls_silent_is_said_to_be(history: History, clock: ManualClock) -> None:
    await history.hear(ONE.start(0.2), ONE.beat(1, ONE.sighting))
    await history.learn(record(JobState.RUNNING))
    clock.advance(89)
    assert (await history.facts()).nodes[0].state is NodeState.RUNNING
    clock.advance(3)
    assert (await history.facts()).nodes[0].state is NodeState.SILENT


async def test_other_jobs_that_failed_on_the_node_that_day_are_known(history: History) -> None:
    await history.learn(FAILED)
    await history.learn(record(JobState.TIMEOUT, job_id=8, end=100, nodes=("n2",)))
    await history.learn(record(JobState.FAILED, job_id=9, end=200))
    await history.learn(record(JobState.CANCELLED, job_id=10, end=200))
    await history.learn(record(JobState.FAILED, job_id=11, submit=-90_003, start=-90_000, end=-89_000))
    failed = {node.node: node.other_failed_jobs_today for node in (await history.facts()).nodes}
    assert failed == {"n1": (9,), "n2": (9, 8)}


async def test_deltas_that_a_summary_contains_are_kept_as_sent_and_stay_known(history: History) -> None:
    early, late = ONE.points(0.2, 1.0), ONE.points(10, 2.0)
    await history.hear(ONE.start(0.2), early)
    assert len(await history.queries.job_events(EVERYBODY, 7)) == 2
    await history.hear(ONE.summary(0.2, 31.4))
    await history.hear(late)
    assert len(await history.queries.job_events(EVERYBODY, 7)) == 4
    assert (await history.hear(early, late)).known == 2


async def test_deltas_of_before_a_restart_stay_and_the_time_without_a_daemon_is_a_gap(history: History) -> None:
    """A daemon that goes on with a sighting has no profile of what it did not see; its summary begins later."""
    await history.learn(FAILED)
    await history.hear(ONE.start(0.2), ONE.points(0, 1.0))
    late = ONE.summary(0.2, 31.4)
    later_profile = profile(20, 2.0)
    await history.hear(msgspec.structs.replace(late, profile=later_profile))
    (node,) = (node for node in (await history.facts()).nodes if node.node == "n1")
    assert node.profile is not None
    assert list(node.profile.mean["cpu_cores"]) == [1.0, -1.0, 2.0]


async def test_a_summary_without_a_profile_leaves_what_was_told_of_it_before(history: History) -> None:
    """Of a daemon that went on after a kill: it has the totals, and the profile went with the one before it."""
    await history.learn(FAILED)
    await history.hear(ONE.start(0.2), ONE.points(0, 1.0))
    await history.hear(msgspec.structs.replace(ONE.summary(0.2, 31.4), profile=None))
    (node,) = (node for node in (await history.facts()).nodes if node.node == "n1")
    assert node.profile is not None
    assert list(node.profile.mean["cpu_cores"]) == [1.0]


async def test_lists_are_filtered_and_show_what_needs_attention_first(history: History) -> None:
    await history.hear(*LIFE)
    await history.learn(
        FAILED,
        record(JobState.RUNNING, job_id=8, submit=5, start=6),
        record(JobState.PENDING, job_id=9, submit=7, start=None, reason="Resources", array_tasks="1-3%1"),
        record(JobState.COMPLETED, job_id=10, submit=1, start=2, end=3, nodes=("n3",)),
    )
    every = await history.listed(JobFilter())
    assert [row.job_id for row in every] == [8, 9, 10, 7]
    assert every[3].cpu_s == 30.0
    assert every[3].memory_peak_bytes == 5e6
    assert [row.job_id for row in await history.listed(JobFilter(state=StateFilter.FAILED))] == [7]
    assert [row.job_id for row in await history.listed(JobFilter(state=StateFilter.FINISHED))] == [
        10,
        7,
    ]
    assert [row.job_id for row in await history.listed(JobFilter(state=JobState.PENDING))] == [9]
    assert [row.job_id for row in await history.listed(JobFilter(node="n3"))] == [10]
    assert [row.job_id for row in await history.listed(JobFilter(limit=1))] == [8]
    assert await history.listed(JobFilter(user="bob' OR 1=1 --")) == ()


async def test_what_nobody_knows_is_not_there(history: History) -> None:
    assert await history.queries.job_facts(EVERYBODY, 99) is None
    await history.learn(FAILED)
    assert await history.queries.job_facts(EVERYBODY, 7, run=2) is None
    assert await history.queries.job_facts(EVERYBODY, 7, cluster="other") is None


async def test_heartbeats_move_forward_only_and_are_not_kept(history: History) -> None:
    first, second = ONE.beat(10, "a"), ONE.beat(20, "b")
    assert len((await history.hear(second)).new) == 1
    assert len((await history.hear(first, second)).new) == 0
    rebooted = Told(node="n1", boot_id="other").beat(30)
    assert len((await history.hear(rebooted)).new) == 1
    (node,) = (await history.queries.status(EVERYBODY)).nodes
    assert (node.boot_id, node.running, node.skew_s) == ("other", (), None)


async def test_the_database_is_still_there_after_closing(database_url: str, clock: ManualClock) -> None:
    history = await History.open(database_url, clock)
    await history.hear(*LIFE)
    await history.close()
    history = await History.open(database_url, clock)
    try:
        assert len((await history.facts()).nodes) == 2
    finally:
        await history.close()


async def test_a_record_without_a_submit_time_is_passed_over(history: History) -> None:
    assert await history.learn(msgspec.structs.replace(FAILED, submit_s=None)) == set()


async def test_a_job_whose_facts_cannot_be_put_together_spoils_no_other(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = concluding.assign

    def fails_for_one(seen: object, executions: object) -> object:
        if any(one.sighting.startswith("n1-7-") for one in seen):  # type: ignore[attr-defined]
            raise ArithmeticError("odd")
        return real(seen, executions)  # type: ignore[arg-type]

    monkeypatch.setattr(concluding, "assign", fails_for_one)
    changed = history.news.subscribe(RunsChanged)
    await history.apply([ONE.start(0), Told(job_id=8).start(0)], BEGIN_S)
    assert changed.take_all() == [RunsChanged(8)]
    assert history.reporter.counters.snapshot()["runs_refresh_failed_total"] == 1
    assert await history.queries.job_facts(EVERYBODY, 8) is not None


async def test_a_node_that_contradicts_itself_about_a_sightings_job_leaves_no_phantom(history: History) -> None:
    late, early = ONE.end(5), ONE.start(1)
    await history.hear(late)
    other = msgspec.structs.replace(early, job=msgspec.structs.replace(early.job, job_id=99))
    await history.hear(other)
    assert await history.queries.job_facts(EVERYBODY, 7) is None
    assert (await history.facts(99)).nodes[0].end_ns == late.time_ns


async def test_a_page_stays_live_until_accounting_has_had_its_word_or_long_enough(
    history: History, clock: ManualClock
) -> None:
    await history.learn(record(JobState.CANCELLED, end=0, source=RecordSource.QUEUE))
    assert (await history.facts()).is_live
    clock.advance(91)
    assert not (await history.facts()).is_live
    clock.advance(-91)
    await history.learn(record(JobState.CANCELLED, end=0, cancelled_by="3001"))
    facts = await history.facts()
    assert (facts.is_live, facts.outcome.label) == (False, "CANCELLED by alice")


async def test_without_accounting_the_queue_has_the_last_word(history: History) -> None:
    await history.learn(record(JobState.CANCELLED, end=0, source=RecordSource.QUEUE))
    facts = await Queries(history.store, history.beats, history.clock, "demo", accounting=False).job_facts(EVERYBODY, 7)
    assert facts is not None
    assert not facts.is_live


@pytest.mark.parametrize(
    ("epilog", "source"), [(33.5, TimeSource.HOOK), (55.0, TimeSource.HOOK), (120.0, TimeSource.SCHEDULER)]
)
async def test_a_killed_jobs_end_is_its_epilogs_within_the_time_slurm_gives_it_to_go(
    history: History, epilog: float, source: TimeSource
) -> None:
    await history.hear(ONE.start(0.2), ONE.end(epilog), ONE.summary(0.2, epilog))
    await history.learn(record(JobState.CANCELLED, end=31, nodes=("n1",)))
    facts = await history.facts()
    assert facts.end_source is source
    assert facts.end_ns == (at_ns(epilog) if source is TimeSource.HOOK else at_ns(31))


async def test_a_page_is_live_while_something_that_was_told_is_not_yet_part_of_the_run(
    history: History,
) -> None:
    await history.learn(record(JobState.CANCELLED, end=0))
    assert not (await history.facts()).is_live
    await history.store.write(lambda transaction: mark_stale(transaction, [JobKey("demo", 7)]))
    assert (await history.facts()).is_live
    await history.refresh()
    assert not (await history.facts()).is_live
