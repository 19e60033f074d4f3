"""P34: node time saved by ending runs that cannot win, on the two shipped campaigns, at the same optimum.

The campaigns of `examples/` run with the real runner, controller, optimiser and early stopping on a simulated scheduler
(`simulated_slurm`): 8 nodes, a look every 10 s, runs of 4 to 6 minutes that print the objective 60 times while they
converge. "Running everything" is the same campaign with `rule = "none"`. The optimum found must be the same one: a
campaign that stopped early and missed it counts as not measurable.

Besides, in the same simulated world, the node time until a feasible point within 1 % of the known optimum was known,
against a plain loop of Optuna's TPE with its MedianPruner on the same runs, 8 at once, which waits for nothing and is
told constraints as a penalty; the loop's own faults (jobs run twice or lost when it dies) are not part of this figure.
"""

from __future__ import annotations

import dataclasses
import heapq
import statistics
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bench.campaign_examples import AEROFOIL_BEST, SELLAR_BEST, aerofoil, example, sellar
from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting
from bench.simulated_campaign import run_to_end
from bench.simulated_slurm import Run, SimulatedSlurm
from slurmlens.campaign.fold import State
from slurmlens.campaign.settings import Campaign, EarlyStopSettings
from slurmlens.campaign.space import Parameters

NODES = 8
NEAR = 0.01
MOST_RUNS = 400


class _Search(NamedTuple):
    """Node seconds until a point within 1 % was known, or until the search ended without one."""

    node_s: float
    is_there: bool


EXAMPLES: tuple[tuple[str, Callable[[Parameters, int], Run], float], ...] = (
    ("aerofoil", aerofoil, AEROFOIL_BEST),
    ("sellar", sellar, SELLAR_BEST),
)
ROWS = (
    *(
        Row(
            "P34",
            f"node time saved by early stopping, campaign {name}, at the same optimum",
            Goal(30, "≥ 30 %", at_least=True),
            Goal(50, "≥ 50 %", at_least=True),
            "the same campaign, everything run to its end",
            " %",
        )
        for name, _, _ in EXAMPLES
    ),
    *(
        Row(
            "P34",
            f"node time to within 1 % of the known optimum, campaign {name} / plain Optuna",
            Goal(0.60),
            Goal(0.40),
            "Optuna TPE with MedianPruner in a plain loop on the same simulated runs",
        )
        for name, _, _ in EXAMPLES
    ),
)


def measure(setting: Setting) -> list[Result]:
    seeds = range(1, setting.choose(10, 3) + 1)
    saved = [_saved(row, *each) for row, each in zip(ROWS[:2], EXAMPLES, strict=True)]
    return saved + [_to_optimum(row, *each, seeds) for row, each in zip(ROWS[2:], EXAMPLES, strict=True)]


def _saved(row: Row, name: str, behave: Callable[[Parameters, int], Run], optimum: float) -> Result:
    campaign = example(name)
    everything, early = (_ended(_with_rule(campaign, rule), behave) for rule in ("none", "bound"))
    best = [state.best_value for state, _ in (everything, early)]
    if best[0] is None or best[1] is None or abs(best[0] - best[1]) > NEAR * abs(optimum):
        raise NotMeasurable(f"{name}: the two did not find the same optimum ({best})")
    share = 100 * (1 - early[1].used_s / everything[1].used_s)
    told = f"{early[0].saved_low_s / 3600:.2f} to {early[0].saved_high_s / 3600:.2f}"
    true = (everything[1].used_s - early[1].used_s) / 3600
    note = (
        f"{early[1].used_s / 3600:.2f} against {everything[1].used_s / 3600:.2f} node hours,"
        f" {len(early[0].points)} points;"
        f" best {best[1]:.6g}, known {optimum:.6g}; it said {told} node hours were saved, {true:.2f} were"
    )
    return row.measured(share, note)


def _to_optimum(row: Row, name: str, behave: Callable[[Parameters, int], Run], optimum: float, seeds: range) -> Result:
    campaign = example(name)
    ours = [_node_s_to(campaign, seed, behave, optimum) for seed in seeds]
    plain = [_plain_optuna(campaign, behave, optimum, seed) for seed in seeds]
    cap = max(one.node_s for one in (*ours, *plain))
    medians = [statistics.median(one.node_s if one.is_there else cap for one in side) for side in (ours, plain)]
    missed = [sum(not one.is_there for one in side) for side in (ours, plain)]
    note = (
        f"median of {len(seeds)} seeds: {medians[0] / 3600:.2f} against {medians[1] / 3600:.2f} node hours; not within"
        f" 1 %: {missed[0]} against {missed[1]} seeds, counted as the longest of both, the peer's {MOST_RUNS} runs"
    )
    return row.measured(medians[0] / medians[1], note)


def _with_rule(campaign: Campaign, rule: str) -> Campaign:
    return dataclasses.replace(campaign, early_stop=EarlyStopSettings(rule=rule))


def _ended(campaign: Campaign, behave: Callable[[Parameters, int], Run]) -> tuple[State, SimulatedSlurm]:
    slurm = SimulatedSlurm(campaign, behave, NODES)
    return run_to_end(campaign, slurm).controller.state, slurm


def _node_s_to(campaign: Campaign, seed: int, behave: Callable[[Parameters, int], Run], optimum: float) -> _Search:
    """Node seconds until the best was within 1 %: COBYQA, which both examples' smooth functions suit."""
    from slurmlens.campaign.settings import OptimiserSettings

    options = OptimiserSettings(use="scipy:cobyqa", seed=seed, smallest_step=campaign.optimiser.smallest_step)
    everything = EarlyStopSettings(rule="none")  # it fits a model to every value: one cut short misleads it
    state, _ = _ended(dataclasses.replace(campaign, optimiser=options, early_stop=everything), behave)
    used_s = 0.0
    for point in state.points:
        used_s += sum(attempt.ended.node_seconds for attempt in point.attempts if attempt.ended)
        if point.feasible and state.minimised(point) <= optimum + NEAR * abs(optimum):
            return _Search(used_s, is_there=True)
    return _Search(used_s, is_there=False)


def _plain_optuna(
    campaign: Campaign, behave: Callable[[Parameters, int], Run], optimum: float, seed: int, most: int = MOST_RUNS
) -> _Search:
    """Eight workers in simulated time; a trial reports each step and is pruned by the median of those before it."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed), pruner=optuna.pruners.MedianPruner(5, 12)
        )
        return _loop(study, campaign, behave, optimum, most)


def _loop(
    study: object, campaign: Campaign, behave: Callable[[Parameters, int], Run], optimum: float, most: int
) -> _Search:
    import optuna

    assert isinstance(study, optuna.Study)
    objective = campaign.objectives[0].name
    waiting: list[tuple[float, int, optuna.Trial, Iterator[float], Run]] = []
    used_s, asked = 0.0, 0
    while asked < most or waiting:
        while len(waiting) < NODES and asked < most:
            trial, run = _trial(study, campaign, behave)
            now_s = waiting[0][0] if waiting else 0.0
            heapq.heappush(
                waiting, (now_s + run.duration_s / len(run.course), asked, trial, iter(enumerate(run.course)), run)
            )  # type: ignore[arg-type]
            asked += 1
        at_s, number, trial, steps, run = heapq.heappop(waiting)
        used_s += run.duration_s / len(run.course)
        step, value = next(steps)  # type: ignore[misc]
        excess = sum(max(0.0, one.violation(run.values[one.name])) for one in campaign.constraints)
        penalised = 10 * abs(optimum) * excess
        trial.report(value + penalised, step)
        if step == len(run.course) - 1:
            study.tell(trial, run.values[objective] + penalised)
            if excess <= 0 and run.values[objective] <= optimum + NEAR * abs(optimum):
                return _Search(used_s, is_there=True)
        elif trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            heapq.heappush(waiting, (at_s + run.duration_s / len(run.course), number, trial, steps, run))
    return _Search(used_s, is_there=False)


def _trial(study: object, campaign: Campaign, behave: Callable[[Parameters, int], Run]) -> tuple[object, Run]:  # type: ignore[type-arg]
    trial = study.ask()  # type: ignore[attr-defined]
    point: Parameters = {
        one.name: trial.suggest_float(one.name, one.low, one.high)  # type: ignore[union-attr]
        for one in campaign.space.parameters
    }
    return trial, behave(point, 1)
