"""The controller on a simulated scheduler: limits hold, no point runs twice and none is lost, whatever dies when."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from bench.simulated_campaign import MemoryJournal, new_runner
from bench.simulated_slurm import Run, SimulatedSlurm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmlens.campaign import record
from slurmlens.campaign.fold import ENFORCEMENT_S, fold
from slurmlens.campaign.record import AttemptOutcome, Event, PointVerdict
from slurmlens.campaign.runner import Runner
from slurmlens.campaign.settings import Campaign
from slurmlens.campaign.space import Parameters, canonical
from slurmlens.errors import CampaignError, JournalBusy, SourceError
from testkit.campaigns import bowl


class Died(BaseException):
    """The controller's process ends here."""


class Mortal:
    """A world in which the controller dies before or after any of its effects, when `fate` says so."""

    def __init__(
        self, campaign: Campaign, behave: object, fate: random.Random, deaths: int, mishaps: float = 0.0
    ) -> None:
        self.fate, self.deaths_left, self.mishaps = fate, deaths, mishaps
        self.slurm = SimulatedSlurm(campaign, behave, 3, lose_answer=lambda command: fate.random() < mishaps)  # type: ignore[arg-type]
        self.journal = MemoryJournal()
        self.died = 0
        inner = self.journal.append
        self.journal.append = lambda event: self.around(inner, event)  # type: ignore[method-assign]
        for name in ("submit_held", "release", "end", "find"):
            setattr(self.slurm, name, self.wrapped(getattr(self.slurm, name)))

    def wrapped(self, call: object) -> object:
        return lambda *arguments: self.around(call, *arguments)

    def around(self, call: object, *arguments: object) -> object:
        self.maybe_die()
        result = call(*arguments)  # type: ignore[operator]
        self.maybe_die()
        return result

    def maybe_die(self) -> None:
        if self.deaths_left and self.fate.random() < 0.05:
            self.deaths_left -= 1
            self.died += 1
            raise Died

    def live(self, campaign: Campaign, turns: int = 3000) -> Runner:
        runner = new_runner(campaign, self.slurm, self.journal)
        for _ in range(turns):
            try:
                self.slurm.away = self.fate.random() < self.mishaps
                runner.turn()
            except Died:
                runner.controller.close()
                runner = new_runner(campaign, self.slurm, self.journal)
            if runner.controller.state.closed is not None:
                runner.controller.close()
                return runner
            self.slurm.advance(self.fate.choice([1.0, 10.0, 30.0]))
        raise AssertionError(f"not closed after {turns} turns: {runner.controller.state.stopping}")


def behave(parameters: Parameters, attempt: int) -> Run:
    y = (float(parameters["x"]) - 0.5) ** 2 + (float(parameters["n"]) - 4) ** 2
    return Run(20.0 + 40 * (int(1000 * y) % 5), {"y": y})


def asked(events: list[Event]) -> list[str]:
    return [canonical(event.parameters) for event in events if isinstance(event, record.Asked)]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9), mishaps=st.sampled_from([0.0, 0.15]))
def test_whenever_it_dies_no_point_runs_twice_and_none_is_lost(tmp_path: Path, seed: int, mishaps: float) -> None:
    campaign = bowl(tmp_path, points=20)
    undisturbed = Mortal(campaign, behave, random.Random(0), deaths=0)
    undisturbed.live(campaign)
    world = Mortal(campaign, behave, random.Random(seed), deaths=25, mishaps=mishaps)
    state = world.live(campaign).controller.state

    runs = Counter(name for name, _ in world.slurm.ledger)
    assert set(runs.values()) == {1}, "a job's name is one attempt, and it ran once"
    assert all(len(point.attempts) <= 1 for point in state.points), "nothing failed, so nothing was tried again"
    assert all(point.told is not None for point in state.points)
    assert asked(world.journal.events) == asked(undisturbed.journal.events), "the same points as without a death"
    held = [job for job in world.slurm.jobs.values() if job.ended_s is None]
    assert held == [], "nothing is left in the queue"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**9),
    at_once=st.integers(1, 5),
    node_hours=st.floats(0.4, 3.0),
    deadline_s=st.one_of(st.none(), st.integers(700, 6000)),
)
def test_limits_hold_whatever_happens(
    tmp_path: Path, seed: int, at_once: int, node_hours: float, deadline_s: int | None
) -> None:
    from datetime import UTC, datetime

    source = random.Random(seed)
    begin_s = 1_800_000_000
    limits = f"node_hours = {node_hours}\n"
    if deadline_s is not None:
        limits += f'deadline = "{datetime.fromtimestamp(begin_s + deadline_s, UTC):%Y-%m-%dT%H:%M:%SZ}"\n'
    campaign = bowl(tmp_path, at_once=at_once, points=30, limits=limits)

    def unruly(parameters: Parameters, attempt: int) -> Run:
        outcome = source.choice(
            [AttemptOutcome.FINE] * 3 + [AttemptOutcome.NODE, AttemptOutcome.APPLICATION, AttemptOutcome.GAVE_WAY]
        )
        return behave(parameters, attempt)._replace(duration_s=source.uniform(1, 900), outcome=outcome)

    world = Mortal(campaign, unruly, source, deaths=10, mishaps=0.1)
    world.live(campaign)
    assert world.slurm.most_at_once <= at_once
    assert world.slurm.used_s <= node_hours * 3600
    if deadline_s is not None:
        ends = [job.ended_s for job in world.slurm.jobs.values() if job.started_s is not None and job.ended_s]
        assert all(end_s <= begin_s + deadline_s + 1200 for end_s in ends)
        assert all(
            event.at_s + event.limit_s + ENFORCEMENT_S <= begin_s + deadline_s
            for event in world.journal.events
            if isinstance(event, record.Intent)
        )


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_every_prefix_of_a_journal_folds_to_a_legal_state(tmp_path: Path, seed: int) -> None:
    campaign = bowl(tmp_path, points=12)
    world = Mortal(campaign, behave, random.Random(seed), deaths=5, mishaps=0.1)
    world.live(campaign)
    for cut in range(len(world.journal.events) + 1):
        state = fold(campaign, world.journal.events[:cut])
        assert state.reserved_s == pytest.approx(sum(attempt.reserved_s for attempt in state.live.values()))
        assert len(state.live) <= campaign.limits.at_once


def closed(campaign: Campaign, behaviour: object, *, turns: int = 2000) -> tuple[Runner, Mortal]:
    world = Mortal(campaign, behaviour, random.Random(0), deaths=0)
    return world.live(campaign, turns), world


def test_a_node_failure_runs_the_same_point_elsewhere(tmp_path: Path) -> None:
    campaign = bowl(tmp_path, points=4)

    def first_node_fails(parameters: Parameters, attempt: int) -> Run:
        run = behave(parameters, attempt)
        return run._replace(outcome=AttemptOutcome.NODE, values={}) if attempt == 1 else run

    runner, _ = closed(campaign, first_node_fails)
    for point in runner.controller.state.points:
        assert [one.ended.outcome for one in point.attempts if one.ended] == [AttemptOutcome.NODE, AttemptOutcome.FINE]
        assert point.attempts[1].intent.exclude
        assert point.told is not None
        assert point.told.verdict is PointVerdict.FINE


def test_a_timeout_gets_more_time_once_and_is_then_infeasible(tmp_path: Path) -> None:
    campaign = bowl(tmp_path, points=2)
    runner, _ = closed(campaign, lambda parameters, attempt: Run(10_000.0, {"y": 1.0}))
    for point in runner.controller.state.points:
        assert [one.intent.limit_s for one in point.attempts] == [600.0, 1200.0]
        assert point.told is not None
        assert point.told.verdict is PointVerdict.INFEASIBLE


def test_an_application_failure_is_infeasible_with_its_reason(tmp_path: Path) -> None:
    campaign = bowl(tmp_path, points=2)
    runner, _ = closed(campaign, lambda parameters, attempt: Run(10.0, {}, AttemptOutcome.APPLICATION))
    told = runner.controller.state.points[0].told
    assert told is not None
    assert (told.verdict, told.reason) == (PointVerdict.INFEASIBLE, "failed")


def test_what_someone_cancels_is_not_tried_again_and_three_pause_the_campaign(tmp_path: Path) -> None:
    campaign = bowl(tmp_path, points=10)
    world = Mortal(campaign, lambda p, a: Run(1e5, {"y": 1.0}), random.Random(0), deaths=0)
    runner = new_runner(campaign, world.slurm, world.journal)
    for _ in range(6):
        runner.turn()
        world.slurm.advance(10)
        world.slurm.end([job.job_id for job in world.slurm.jobs.values() if job.started_s and not job.ended_s], None)
    state = runner.controller.state
    assert state.paused is not None
    assert all(len(point.attempts) <= 1 for point in state.points)
    assert {point.told.verdict for point in state.points if point.told} == {PointVerdict.WITHDRAWN}


def test_a_job_that_slurmctld_forgot_is_lost_and_its_point_runs_once_more(tmp_path: Path) -> None:
    campaign = bowl(tmp_path, points=1)
    world = Mortal(campaign, behave, random.Random(0), deaths=0)
    runner = new_runner(campaign, world.slurm, world.journal)
    runner.turn()
    world.slurm.jobs.clear()
    world.slurm._active.clear()
    for _ in range(300):
        runner.turn()
        world.slurm.advance(10)
        if runner.controller.state.closed:
            break
    outcomes = [one.ended.outcome for one in runner.controller.state.points[0].attempts if one.ended]
    assert outcomes == [AttemptOutcome.LOST, AttemptOutcome.FINE]


def test_a_late_submission_is_swept_and_never_let_go(tmp_path: Path) -> None:
    campaign = bowl(tmp_path, points=1)
    world = Mortal(campaign, behave, random.Random(0), deaths=0)
    runner = new_runner(campaign, world.slurm, world.journal)
    runner.turn()
    attempt = next(iter(runner.controller.state.live.values()))
    late = world.slurm.submit_held(attempt, Path(), None)  # type: ignore[misc]
    for _ in range(100):
        runner.turn()
        world.slurm.advance(10)
        if runner.controller.state.closed:
            break
    assert world.slurm.jobs[late].state == "CANCELLED"
    assert [name for name, _ in world.slurm.ledger] == ["sl.bowl.1.1"]


def test_while_the_journal_takes_nothing_nothing_is_submitted(tmp_path: Path) -> None:
    campaign = bowl(tmp_path, points=3)
    slurm = SimulatedSlurm(campaign, behave, 3)

    def full(event: Event) -> None:
        raise JournalBusy("database or disk is full")

    journal = MemoryJournal(full)
    runner = new_runner(campaign, slurm, journal)
    for _ in range(5):
        with pytest.raises(JournalBusy):
            runner.turn()
    assert slurm.jobs == {}


def test_an_id_that_cannot_be_written_down_is_not_released(tmp_path: Path) -> None:
    campaign = bowl(tmp_path, points=1)
    slurm = SimulatedSlurm(campaign, behave, 3)

    def full(event: Event) -> None:
        if isinstance(event, record.AttemptHeld):
            raise JournalBusy("database or disk is full")

    journal = MemoryJournal(full)
    runner = new_runner(campaign, slurm, journal)
    with pytest.raises(JournalBusy):
        runner.turn()
    assert slurm.ledger == []
    journal.before = lambda event: None
    runner = new_runner(campaign, slurm, journal)
    for _ in range(60):
        runner.turn()
        slurm.advance(10)
    assert [name for name, _ in slurm.ledger] == ["sl.bowl.1.1"]
    assert len(slurm.jobs) == 1


def test_a_refusal_by_a_count_limit_means_later(tmp_path: Path) -> None:
    campaign = bowl(tmp_path, points=2, at_once=2)
    world = Mortal(campaign, behave, random.Random(0), deaths=0)
    inner, left = world.slurm.submit_held, [8]

    def limited(*arguments: object) -> int:
        if left[0]:
            left[0] -= 1
            raise SourceError("sbatch: error: QOSMaxSubmitJobPerUserLimit: Job violates accounting/QOS policy")
        return inner(*arguments)  # type: ignore[arg-type]

    world.slurm.submit_held = limited  # type: ignore[assignment]
    state = world.live(campaign).controller.state
    assert state.counts[PointVerdict.FINE] == 2
    assert not any(isinstance(event, record.Paused) for event in world.journal.events)


def test_a_refusal_that_does_not_pass_pauses_the_campaign_and_says_why(tmp_path: Path) -> None:
    campaign = bowl(tmp_path, points=2)
    slurm = SimulatedSlurm(campaign, behave, 3, lose_answer=lambda command: False)

    def refuse(*arguments: object) -> int:
        raise SourceError("sbatch: error: invalid partition specified: nowhere")

    slurm.submit_held = refuse  # type: ignore[method-assign]
    runner = new_runner(campaign, slurm, MemoryJournal())
    for _ in range(60):
        runner.turn()
        slurm.advance(10)
    assert runner.controller.state.paused == "sbatch refuses: sbatch: error: invalid partition specified: nowhere"


def test_an_event_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    campaign = bowl(tmp_path)
    first = record.Asked(at_s=0, point=1, parameters={"x": 0.5, "n": 4})
    intent = record.Intent(at_s=0, point=1, attempt=1, nodes=1, limit_s=60)
    held = record.AttemptHeld(at_s=0, point=1, attempt=1, job_id=7)
    with pytest.raises(CampaignError, match="has job 7 already"):
        fold(campaign, [first, intent, held, held])
    with pytest.raises(CampaignError, match="never asked for"):
        fold(campaign, [intent])
    with pytest.raises(CampaignError, match="out of turn"):
        fold(campaign, [first, intent, intent])
