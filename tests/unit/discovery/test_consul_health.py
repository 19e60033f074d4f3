"""How a program fares, in Consul's three words."""

from __future__ import annotations

from slurmlens.discovery.health import CRITICAL, PASSING, WARNING, Health, judge
from slurmlens.runtime.supervisor import StageState

VITAL = frozenset({"dropbox"})
RUNS = StageState(running=True)
DOWN = StageState(running=False, failures=3, last_error="OSError: gone")


def test_a_program_whose_stages_run_is_well() -> None:
    assert judge({"dropbox": RUNS, "status": RUNS}, [], vital=VITAL) == Health(PASSING, "all stages run")


def test_a_receiver_that_is_away_or_a_stage_that_is_down_is_a_warning() -> None:
    assert judge({"dropbox": RUNS}, ["carbon takes nothing"], vital=VITAL) == Health(WARNING, "carbon takes nothing")
    assert judge({"dropbox": RUNS, "status": DOWN}, [], vital=VITAL) == Health(WARNING, "stage status is down")


def test_without_a_vital_stage_it_is_critical_and_all_is_told() -> None:
    health = judge({"dropbox": DOWN}, ["hub takes nothing", "carbon takes nothing"], vital=VITAL)
    assert health == Health(CRITICAL, "stage dropbox is down; carbon takes nothing; hub takes nothing")


def test_a_stage_that_ended_by_itself_or_came_back_is_no_trouble() -> None:
    stages = {"dropbox": StageState(running=True, failures=2, last_error="once"), "status": StageState(running=False)}
    assert judge(stages, [], vital=VITAL).status == PASSING
