"""Optimisers: they find a known optimum, and come back from the journal with the same points."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.simulated_campaign import MemoryJournal, new_runner, run_to_end
from bench.simulated_slurm import Run, SimulatedSlurm

from slurmlens.campaign import record
from slurmlens.campaign.controller import Controller
from slurmlens.campaign.file import read_campaign
from slurmlens.campaign.optimisers import make_optimiser
from slurmlens.campaign.record import AttemptOutcome, PointVerdict
from slurmlens.campaign.settings import OPTIMISERS, Campaign
from slurmlens.campaign.space import Parameters, canonical
from slurmlens.errors import CampaignError
from testkit.campaigns import bowl

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

TOLERANCES = {
    "latin-hypercube": 20.0, "compass": 0.01, "scipy:cobyqa": 0.6,
    "scipy:direct": 0.2, "scipy:differential-evolution": 0.6,
    "optuna:tpe": 1.0, "optuna:cma-es": 1.1, "optuna:nsga2": 1.1, "openmdao:cobyla": 3.0, "openmdao:slsqp": 0.01,
}  # fmt: skip
"""How near to 0 each comes within 60 points of a bowl with a whole number in it, which SLSQP is spared."""


def value(parameters: Parameters, attempt: int) -> Run:
    y = (float(parameters["x"]) - 0.5) ** 2 + (float(parameters["n"]) - 4) ** 2
    return Run(60.0 + 50 * (int(1000 * y) % 7), {"y": y})


def asked(events: list[record.Event]) -> list[str]:
    return [canonical(event.parameters) for event in events if isinstance(event, record.Asked)]


@pytest.mark.parametrize("use", OPTIMISERS)
def test_each_optimiser_comes_near_the_optimum(tmp_path: Path, use: str) -> None:
    campaign = bowl(tmp_path, use=use, points=60, start=8)
    state = run_to_end(campaign, SimulatedSlurm(campaign, value, 3)).controller.state
    assert state.best_value is not None
    assert state.best_value <= TOLERANCES[use]
    assert not state.live
    assert not state.untold


@pytest.mark.parametrize("use", OPTIMISERS)
def test_an_optimiser_comes_back_from_any_part_of_the_journal(tmp_path: Path, use: str) -> None:
    campaign = bowl(tmp_path, use=use, points=25, start=6)
    slurm = SimulatedSlurm(campaign, value, 3)
    journal = MemoryJournal()
    runner = new_runner(campaign, slurm, journal)
    while runner.controller.state.closed is None:
        runner.turn()
        slurm.advance(10)
    runner.controller.close()
    for cut in range(0, len(journal.events), 17):
        controller = Controller(campaign, make_optimiser(campaign), journal.events[:cut])
        for event in journal.events[cut:]:
            controller.apply(event)  # raises where another point is proposed
        controller.close()


@pytest.mark.parametrize("use", ["compass", "scipy:differential-evolution"])
def test_points_do_not_depend_on_which_job_ends_first(tmp_path: Path, use: str) -> None:
    campaign = bowl(tmp_path, use=use, points=40)

    def points(seed: int) -> list[str]:
        source = random.Random(seed)
        slurm = SimulatedSlurm(campaign, lambda p, a: value(p, a)._replace(duration_s=source.uniform(20, 400)), 3)
        journal = MemoryJournal()
        runner = new_runner(campaign, slurm, journal)
        while runner.controller.state.closed is None:
            runner.turn()
            slurm.advance(10)
        runner.controller.close()
        return asked(journal.events)

    assert points(1) == points(2)


def test_another_point_than_then_stops_the_campaign_with_both(tmp_path: Path) -> None:
    campaign, other = bowl(tmp_path / "a"), bowl(tmp_path / "b", seed=2)
    first = Controller(campaign, make_optimiser(campaign))
    decision = first.decide(0.0, next(_looks()))
    with pytest.raises(CampaignError, match=r"asks for .* where the journal has"):
        Controller(other, make_optimiser(other), [decision.event])  # type: ignore[union-attr]


def _looks() -> Iterator[object]:
    from slurmlens.campaign.seen import Sight

    yield Sight({})


def test_what_failed_is_not_asked_again_and_the_search_goes_on(tmp_path: Path) -> None:
    campaign = bowl(tmp_path, use="optuna:tpe", points=30)

    def fails_left(parameters: Parameters, attempt: int) -> Run:
        run = value(parameters, attempt)
        return run._replace(outcome=AttemptOutcome.APPLICATION, values={}) if float(parameters["x"]) < 0 else run

    state = run_to_end(campaign, SimulatedSlurm(campaign, fails_left, 3)).controller.state
    assert state.counts[PointVerdict.INFEASIBLE] > 0
    assert state.best is not None
    assert float(state.best.parameters["x"]) >= 0
    assert all(len(point.attempts) <= 1 for point in state.points)


TWO = """
name = "two"
[[objective]]
name = "a"
[[objective]]
name = "b"
goal = "max"
[job]
script = "run.sh"
[optimiser]
use = "{use}"
population = 10
[limits]
points = 60
[space]
x = {{ low = 0.0, high = 1.0 }}
[result.a]
file = "o"
pointer = "/a"
[result.b]
file = "o"
pointer = "/b"
"""


def two(folder: Path, use: str) -> Campaign:
    (folder / "run.sh").write_text("true\n")
    (folder / "two.toml").write_text(TWO.format(use=use))
    return read_campaign(folder / "two.toml")


@pytest.mark.parametrize("use", ["optuna:nsga2", "optuna:tpe", "latin-hypercube"])
def test_several_objectives_give_a_front_that_nothing_beats(tmp_path: Path, use: str) -> None:
    from slurmlens.campaign.pareto import front

    campaign = two(tmp_path, use)

    def behave(parameters: Parameters, attempt: int) -> Run:
        x = float(parameters["x"])
        return Run(60.0, {"a": (x - 0.2) ** 2, "b": 1 - (x - 0.6) ** 2})

    state = run_to_end(campaign, SimulatedSlurm(campaign, behave, 4)).controller.state
    members = front(state)
    assert members
    for point in members:
        assert 0.1 <= float(point.parameters["x"]) <= 0.7


def test_what_openmdao_wants_to_write_goes_into_one_folder_that_is_gone_when_the_program_ends(tmp_path: Path) -> None:
    program = (
        "import os\n"
        "from types import SimpleNamespace\n"
        "from slurmlens.campaign.optimisers.openmdao_driver import make\n"
        "for method in ('slsqp', 'cobyla'):\n"
        "    make(SimpleNamespace(space=None), method)\n"
        "print(os.environ['OPENMDAO_WORKDIR'], len(os.listdir(os.environ['TMPDIR'])))\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    environment.pop("OPENMDAO_WORKDIR", None)
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    folder, made = done.stdout.split()
    assert (Path(folder).parent, made) == (tmp_path, "1")
    assert list(tmp_path.iterdir()) == []
