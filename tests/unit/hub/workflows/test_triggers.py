"""Each trigger starts its workflow once, whatever dies or stalls; failures are retried by policy and never loop."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from slurmlens.clock import NS_PER_S
from slurmlens.config.workflows import WorkflowsConfig
from slurmlens.errors import ConfigError
from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.views.workflow.build import build_workflows_view, render_workflows, workflows_csv
from slurmlens.hub.workflows.due import EndedRun, FoundJob, failed_tickets, scheduled_ticket, slots
from slurmlens.hub.workflows.galaxy import GalaxyApi, WorkflowService, paused_workflow
from slurmlens.hub.workflows.runner import WorkflowRunner
from slurmlens.hub.workflows.store import TriggerStore
from slurmlens.hub.workflows.trigger import Trigger, TriggerState
from slurmlens.shown.terminal import Sheet
from slurmlens.slurm.records import JobState
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.checkout import ROOT
from testkit.fake_galaxy import KEY, FakeGalaxy, ServedGalaxy
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S

WORKFLOW = (ROOT / "galaxy/assess.gxwf.yml").read_text()
SETTINGS = WorkflowsConfig(poll_interval_s=1.0, retry_s=10.0, attempts=3)


class Killed(BaseException):
    """The hub dies here."""


class Mortal:
    """Calls that pass through until the n-th, before or after which the hub dies."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.count = 0
        self._dies_at = dies_at

    def step(self) -> None:
        self.count += 1
        if self.count == self._dies_at:
            raise Killed

    def around(self, inner: object, names: tuple[str, ...]) -> object:
        mortal = self

        class Around:
            def __getattr__(self, name: str) -> object:
                found = getattr(inner, name)
                if name not in names:
                    return found

                async def call(*args: object) -> object:
                    mortal.step()
                    answer = await found(*args)
                    mortal.step()
                    return answer

                return call

        return Around()


@pytest.fixture
def galaxy() -> Iterator[FakeGalaxy]:
    with ServedGalaxy(FakeGalaxy()) as served:
        yield served


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    opened = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", ManualClock())
    yield opened
    await opened.close()


def api(galaxy: FakeGalaxy, timeout_s: float = 30.0) -> GalaxyApi:
    return GalaxyApi(galaxy.url, KEY, WORKFLOW, timeout_s)


def runner_of(
    history: History,
    service: WorkflowService,
    settings: WorkflowsConfig = SETTINGS,
    store: TriggerStore | None = None,
) -> WorkflowRunner:
    store = store or TriggerStore(history.store, "demo")
    reporter = Reporter(Counters(), history.clock)
    return WorkflowRunner(store, service, settings, "demo", history.news, history.clock, reporter)


async def fail_a_job(history: History, job_id: int = 42, user: str = "alice") -> None:
    since_s = history.clock.wall_ns() // NS_PER_S - BEGIN_S
    told = record(JobState.FAILED, job_id=job_id, submit=since_s - 5, start=since_s - 4, end=since_s)
    await history.learn(msgspec.structs.replace(told, user=user))


async def turns(runner: WorkflowRunner, clock: ManualClock, count: int = 6) -> None:
    for _ in range(count):
        await runner.turn()
        clock.advance(61)


async def only_trigger(history: History, job_id: int = 42) -> Trigger:
    (found,) = await TriggerStore(history.store, "demo").of_run(EVERYBODY, job_id, 1)
    return found


async def test_a_failed_job_is_assessed_once_and_its_report_is_kept(history: History, galaxy: FakeGalaxy) -> None:
    runner = runner_of(history, api(galaxy))
    await runner.turn()
    await fail_a_job(history)
    await turns(runner, history.clock)
    trigger = await only_trigger(history)
    assert trigger.state is TriggerState.DONE
    assert trigger.report is not None
    assert trigger.report.headline == "it failed"
    assert galaxy.first_jobs == {trigger.ticket.key: 1}
    await turns(runner, history.clock)
    await turns(runner_of(history, api(galaxy)), history.clock)
    assert galaxy.first_jobs == {trigger.ticket.key: 1}


async def test_jobs_that_failed_before_the_rule_held_are_left_alone(history: History, galaxy: FakeGalaxy) -> None:
    await fail_a_job(history)
    history.clock.advance(10)
    await turns(runner_of(history, api(galaxy)), history.clock)
    assert galaxy.first_jobs == {}


async def test_a_job_that_failed_while_the_hub_was_down_is_not_forgotten(history: History, galaxy: FakeGalaxy) -> None:
    await runner_of(history, api(galaxy)).turn()
    await fail_a_job(history)
    await turns(runner_of(history, api(galaxy)), history.clock)
    assert sum(galaxy.first_jobs.values()) == 1


@pytest.mark.thorough
async def test_killed_at_any_step_it_runs_once_and_is_told_once(tmp_path: Path) -> None:
    """Before and after each call to Galaxy and each write; then a new hub goes on."""
    calls = ("prepare", "invoke", "release", "progress", "cancel_others")
    number, ended = 0, False
    while not ended:
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        history = await History.open(f"sqlite:///{folder}/hub.sqlite3", ManualClock())
        with ServedGalaxy(FakeGalaxy()) as galaxy:
            await runner_of(history, api(galaxy)).turn()
            await fail_a_job(history)
            mortal = Mortal(number)
            service = mortal.around(api(galaxy), calls)
            store = mortal.around(TriggerStore(history.store, "demo"), ("make", "change"))
            try:
                await turns(runner_of(history, service, store=store), history.clock)  # type: ignore[arg-type]
                ended = True
            except Killed:
                await turns(runner_of(history, api(galaxy)), history.clock)
            trigger = await only_trigger(history)
            assert trigger.state is TriggerState.DONE, number
            assert galaxy.first_jobs == {trigger.ticket.key: 1}, number
            alive = [one for one in galaxy.invocations.values() if one["state"] != "cancelled"]
            assert len(alive) == 1, number
        await history.close()
    assert number > 12


@pytest.mark.parametrize("path", ["/invocations", "/histories", "/fetch", "/steps/"])
@pytest.mark.parametrize("when", ["early", "late"])
async def test_a_galaxy_that_stalls_runs_it_once(history: History, galaxy: FakeGalaxy, path: str, when: str) -> None:
    """The answer does not come in time; what was asked for happens, at once or after the next question."""
    stalls = [1.0]

    def stall(method: str, asked: str) -> float:
        return stalls.pop() if stalls and method in ("POST", "PUT") and path in asked else 0.0

    setattr(galaxy, when, stall)
    runner = runner_of(history, api(galaxy, timeout_s=0.3))
    await runner.turn()
    await fail_a_job(history)
    await turns(runner, history.clock, 12)
    assert not stalls
    trigger = await only_trigger(history)
    assert trigger.state is TriggerState.DONE
    assert galaxy.first_jobs == {trigger.ticket.key: 1}


async def test_a_galaxy_that_is_away_costs_no_attempt(history: History, galaxy: FakeGalaxy) -> None:
    runner = runner_of(history, api(galaxy))
    await runner.turn()
    await fail_a_job(history)
    galaxy.is_away = True
    await turns(runner, history.clock, 20)
    trigger = await only_trigger(history)
    assert (trigger.state, trigger.attempt) == (TriggerState.WAITING, 1)
    assert trigger.problem is not None
    assert "503" in trigger.problem
    galaxy.is_away = False
    await turns(runner, history.clock)
    assert (await only_trigger(history)).state is TriggerState.DONE


async def test_a_key_that_was_revoked_is_said_and_waited_for(history: History, galaxy: FakeGalaxy) -> None:
    runner = runner_of(history, api(galaxy))
    await runner.turn()
    await fail_a_job(history)
    galaxy.wrong_key = True
    await turns(runner, history.clock)
    trigger = await only_trigger(history)
    assert trigger.attempt == 1
    assert "not valid" in (trigger.problem or "")


async def test_a_workflow_that_fails_is_tried_as_often_as_the_settings_say_and_then_no_more(
    history: History, galaxy: FakeGalaxy
) -> None:
    runner = runner_of(history, api(galaxy))
    await runner.turn()
    galaxy.job_state = "error"
    await fail_a_job(history)
    await turns(runner, history.clock, 40)
    trigger = await only_trigger(history)
    assert (trigger.state, trigger.attempt) == (TriggerState.FAILED, SETTINGS.attempts)
    assert trigger.problem == "jobs of the workflow are in state error"
    assert galaxy.first_jobs == {trigger.ticket.key: SETTINGS.attempts}


async def test_a_workflow_that_never_ends_is_given_up(history: History, galaxy: FakeGalaxy) -> None:
    settings = WorkflowsConfig(poll_interval_s=1.0, retry_s=1.0, attempts=2, give_up_s=100.0)
    runner = runner_of(history, api(galaxy), settings)
    await runner.turn()
    galaxy.job_state, galaxy.never_ends = "running", True
    await fail_a_job(history)
    await turns(runner, history.clock, 10)
    trigger = await only_trigger(history)
    assert trigger.state is TriggerState.FAILED
    assert "not ended after" in (trigger.problem or "")


async def test_a_storm_is_cut_off_and_said_to_be(history: History, galaxy: FakeGalaxy) -> None:
    settings = WorkflowsConfig(poll_interval_s=1.0, most_an_hour=3, at_once=10)
    runner = runner_of(history, api(galaxy), settings)
    await runner.turn()
    for job_id in range(100, 110):
        await fail_a_job(history, job_id)
    await turns(runner, history.clock)
    assert sum(galaxy.first_jobs.values()) == 3
    store = TriggerStore(history.store, "demo")
    states = [one.state for job_id in range(100, 110) for one in await store.of_run(EVERYBODY, job_id, 1)]
    assert states.count(TriggerState.LEFT_OUT) == 7


async def test_galaxys_own_jobs_are_never_assessed(history: History, galaxy: FakeGalaxy) -> None:
    runner = runner_of(history, api(galaxy))
    await runner.turn()
    await fail_a_job(history, user="galaxy")
    await turns(runner, history.clock)
    assert galaxy.first_jobs == {}


async def test_a_report_is_seen_by_whoever_may_see_the_run(history: History, galaxy: FakeGalaxy) -> None:
    runner = runner_of(history, api(galaxy))
    await runner.turn()
    await fail_a_job(history)
    await turns(runner, history.clock)
    store = TriggerStore(history.store, "demo")
    assert len(await store.of_run(Viewer("alice", frozenset({Role.USER})), 42, 1)) == 1
    assert await store.of_run(Viewer("bob", frozenset({Role.USER})), 42, 1) == []


async def test_what_was_started_is_listed_for_whoever_may_see_the_runs(history: History, galaxy: FakeGalaxy) -> None:
    runner = runner_of(history, api(galaxy))
    await runner.turn()
    for job_id, user in ((42, "alice"), (43, "bob")):
        await fail_a_job(history, job_id, user)
    await turns(runner, history.clock)
    store = TriggerStore(history.store, "demo")
    alice = Viewer("alice", frozenset({Role.USER}))
    assert sorted(one.ticket.job_id for one in await store.latest(EVERYBODY)) == [42, 43]
    assert [one.ticket.job_id for one in await store.latest(alice)] == [42]
    view = build_workflows_view("demo", await store.latest(EVERYBODY), history.clock.wall_ns())
    assert view.sentence == "2 workflows, 0 under way, 0 given up."
    assert {(one.state, one.attempt) for one in view.rows} == {("done", 1)}
    assert all(one.report and one.invocation for one in view.rows)
    assert "failed-job, job 42, done" in render_workflows(view, Sheet(zone=datetime.UTC))
    assert workflows_csv(view).count("\n") == 3


def run_of(job_id: int, end_s: int, cpu_s: float = 1.0, user: str = "alice") -> EndedRun:
    return EndedRun(job_id, 1, end_s - 9, user, (end_s - 8) * NS_PER_S, end_s * NS_PER_S, cpu_s)


@pytest.mark.parametrize(("catch_up", "count"), [("none", 1), ("last", 1), ("all", 5)])
def test_stretches_that_passed_while_the_hub_was_down_are_caught_up_as_the_settings_say(
    catch_up: str, count: int
) -> None:
    settings = WorkflowsConfig(schedule_s=3600.0, catch_up=catch_up)
    found = slots(3600 * NS_PER_S, (6 * 3600 + 60) * NS_PER_S, settings)
    assert len(found) == count
    assert found[-1] == (5 * 3600 * NS_PER_S, 6 * 3600 * NS_PER_S)


def test_a_stretch_assesses_its_largest_run_under_one_key() -> None:
    settings = WorkflowsConfig(schedule_s=3600.0)
    slot = (0, 3600 * NS_PER_S)
    runs = [run_of(1, 100, 5.0), run_of(2, 200, 50.0), run_of(3, 300, 500.0, "galaxy"), run_of(4, 9000, 900.0)]
    ticket = scheduled_ticket(runs, slot, "demo", settings)
    assert ticket is not None
    assert (ticket.job_id, ticket.key) == (2, "schedule:demo:0")
    assert scheduled_ticket([], slot, "demo", settings) is None


async def test_a_finding_has_its_job_assessed_once(history: History, galaxy: FakeGalaxy) -> None:
    settings = WorkflowsConfig(failed_jobs=False, findings=True, poll_interval_s=1.0)

    async def found() -> list[FoundJob]:
        return [FoundJob(7, 42), FoundJob(8, 4242)]

    reporter = Reporter(Counters(), history.clock)
    store = TriggerStore(history.store, "demo")
    runner = WorkflowRunner(store, api(galaxy), settings, "demo", history.news, history.clock, reporter, found)
    await turns(runner, history.clock)
    assert galaxy.first_jobs == {}
    await fail_a_job(history)
    await turns(runner, history.clock)
    assert galaxy.first_jobs == {"finding:demo:7": 1}


def test_runs_of_one_job_id_have_keys_of_their_own() -> None:
    first, again = run_of(1, 100), run_of(1, 200)
    tickets = failed_tickets([first, again], "demo", WorkflowsConfig())
    assert len({ticket.key for ticket in tickets}) == 2


def test_short_failures_can_be_left_out() -> None:
    settings = WorkflowsConfig(failed_least_s=60.0)
    assert failed_tickets([run_of(1, 100)], "demo", settings) == []


def test_the_shipped_workflow_waits_before_its_first_tool() -> None:
    import yaml

    steps = yaml.safe_load(paused_workflow(WORKFLOW))["steps"]
    assert next(iter(steps)) == "slurmlens_release"
    sources = [source for name, step in steps.items() if name != "slurmlens_release" for source in step["in"].values()]
    assert "ticket" not in sources
    assert sources.count("slurmlens_release/output") == 4


@pytest.mark.parametrize("text", ["", "[]", "class: x", "class: GalaxyWorkflow\nsteps: []\ninputs: {}", ": :"])
def test_a_file_that_is_no_such_workflow_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="format 2"):
        paused_workflow(text)
