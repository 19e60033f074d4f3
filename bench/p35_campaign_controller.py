"""P35: what the campaign's controller costs: one decision with 10,000 points told, and a core's share with 500 running.

A decision is what happens between a run's end and the next submission: the end and the verdict committed to a journal
that is a list, the optimiser told, the next point asked and its intent decided; median CPU time of 51. The idle share
is the CPU time of a turn with 500 runs at work and nothing to decide, in which every run's course grew by a line since
the last one, over the interval that the default settings have grown to by then; squeue's own process is not in it.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from bench.campaign_examples import example
from bench.result import Goal, Result, Row
from bench.setting import Setting
from slurmlens.campaign import record
from slurmlens.campaign.controller import Controller, Submit, Write
from slurmlens.campaign.fold import Attempt, AttemptId
from slurmlens.campaign.optimisers import make_optimiser
from slurmlens.campaign.record import AttemptOutcome, PointVerdict
from slurmlens.campaign.runner import Runner
from slurmlens.campaign.seen import Finish, QueuedJob, Sight
from slurmlens.campaign.settings import Campaign, LimitSettings, OptimiserSettings
from slurmlens.campaign.watch import QueueWatch

TOLD = 10_000
RUNNING = 500
ROWS = (
    Row("P35", "decision with 10,000 points told, design", Goal(50, "< 50 ms"), Goal(5, "< 5 ms"), "absolute", " ms"),
    Row("P35", "decision with 10,000 points told, TPE", Goal(500, "< 500 ms"), Goal(50, "< 50 ms"), "absolute", " ms"),
    Row("P35", "idle share of a core, 500 running", Goal(0.5, "< 0.5 %"), Goal(0.2, "< 0.2 %"), "one core", " %"),
)


def measure(setting: Setting) -> list[Result]:
    told = setting.choose(TOLD, 1_000)
    design, tpe = (_decision_ms(use, told) for use in ("latin-hypercube", "optuna:tpe"))
    idle, note = _idle_share(setting.new_folder())
    return [
        ROWS[0].measured(design, f"{told} points"),
        ROWS[1].measured(tpe, f"{told} points"),
        ROWS[2].measured(idle, note),
    ]


def _campaign(use: str, points: int, at_once: int) -> Campaign:
    return dataclasses.replace(
        example("aerofoil"),
        # TPE begins to model behind its start points: those told before are many, and cheap to make.
        optimiser=OptimiserSettings(use=use, start_points=points if use == "latin-hypercube" else points - 200),
        limits=LimitSettings(at_once=at_once, points=points),
    )


def _decision_ms(use: str, told: int) -> float:
    campaign = _campaign(use, told + 200, 1)
    controller = Controller(campaign, make_optimiser(campaign))
    times_ms: list[float] = []
    for number in range(1, told + 52):
        _until_submission(controller, Sight({}))
        if number > told:
            before_ns = time.process_time_ns()
            _end(controller, number)
            _until_submission(controller, Sight({}))
            times_ms.append((time.process_time_ns() - before_ns) / 1e6)
        else:
            _end(controller, number)
    controller.close()
    return statistics.median(times_ms)


def _until_submission(controller: Controller, sight: Sight) -> None:
    while isinstance(decision := controller.decide(0.0, sight), Write):
        controller.apply(decision.event)
    assert isinstance(decision, Submit)


def _end(controller: Controller, number: int) -> None:
    """The run of the one living attempt ends with a value that depends on its number."""
    (attempt,) = controller.state.live.values()
    values = {"cd": 0.01 + (number * 7919 % 1000) / 1000, "cl": 0.6}
    finish = Finish(AttemptOutcome.FINE, "", "n1", 60.0, "job", values)
    point, tries = attempt.id
    controller.apply(record.AttemptHeld(at_s=0, point=point, attempt=tries, job_id=number))
    decision = controller.decide(0.0, Sight({}, {attempt.id: finish}))
    assert isinstance(decision, Write)
    controller.apply(decision.event)
    told = controller.decide(0.0, Sight({}))
    assert isinstance(told, Write)
    assert isinstance(told.event, record.PointTold)
    assert told.event.verdict is PointVerdict.FINE
    controller.apply(told.event)


class _Queue:
    """What squeue would say: all at work."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self.attempts: list[Attempt] = []

    def queue(self) -> dict[int, QueuedJob]:
        return {
            one.job_id: QueuedJob(one.job_id, self._campaign.key(*one.id), "RUNNING", "None", "n1", 0.0, 60.0, 1)
            for one in self.attempts
            if one.job_id
        }


class _Nowhere:
    def append(self, event: record.Event) -> None:
        """Nothing is kept."""


def _idle_share(folder: Path) -> tuple[float, str]:
    campaign = _campaign("latin-hypercube", RUNNING, RUNNING)
    controller = Controller(campaign, make_optimiser(campaign))
    queue = _Queue(campaign)
    folder_of: Callable[[AttemptId], Path] = lambda attempt: folder / f"{attempt[0]}.{attempt[1]}"  # noqa: E731
    watch = QueueWatch(campaign, queue, folder_of, lambda job, figure: 0.0)  # type: ignore[arg-type]
    runner = Runner(controller, _Nowhere(), queue, watch, lambda: 60.0, folder_of)  # type: ignore[arg-type]
    _fill(runner, queue, folder_of)
    turns_ms: list[float] = []
    for step in range(11):
        for one in queue.attempts:
            with (folder_of(one.id) / "course.txt").open("a") as course:
                course.write(f"{step} cd {1 + 1 / (step + 1)}\n")
        before_ns = time.process_time_ns()
        wait_s = runner.turn()
        turns_ms.append((time.process_time_ns() - before_ns) / 1e6)
    controller.close()
    turn_ms = statistics.median(turns_ms[1:])
    return 100 * turn_ms / 1e3 / wait_s, f"{turn_ms:.1f} ms a turn, one every {wait_s:.0f} s"


def _fill(runner: Runner, queue: _Queue, folder_of: Callable[[AttemptId], Path]) -> None:
    controller = runner.controller
    for job_id in range(1, RUNNING + 1):
        for event in (
            record.Asked(at_s=0, point=job_id, parameters=controller._search.proposal() or {}),
            record.Intent(at_s=0, point=job_id, attempt=1, nodes=1, limit_s=1200),
            record.AttemptHeld(at_s=0, point=job_id, attempt=1, job_id=job_id),
            record.Released(at_s=0, point=job_id, attempt=1),
            record.AttemptRunning(at_s=0, point=job_id, attempt=1, started_s=0.0),
        ):
            controller.apply(event)
        folder_of((job_id, 1)).mkdir()
    queue.attempts = list(controller.state.live.values())
