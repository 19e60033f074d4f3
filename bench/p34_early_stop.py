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
    reached = [value for value in ours if value is not None]
    if not reached or all(value is None for value in plain):
        return row.no_figure(
            f"within 1 % in {len(reached)} of {len(seeds)} seeds, plain Optuna in none of its 400 runs each"
        )
    cap = max(value for value in [*ours, *plain] if value is not None)
    medians = [statistics.median(value if value is not None else cap for value in side) for side in (ours, plain)]
    missed = [sum(value is None for value in side) for side in (ours, plain)]
    note = (
        f"median of {len(seeds)} seeds: {medians[0] / 3600:.2f} against {medians[1] / 3600:.2f} node hours;"
        f" not within 1 %: {missed[0]} against {missed[1]} seeds, counted as the longest that was"
    )
    return row.measured(medians[0] / medians[1], note)


def _with_rule(campaign: Campaign, rule: str) -> Campaign:
    return dataclasses.replace(campaign, early_stop=EarlyStopSettings(rule=rule))


def _ended(campaign: Campaign, behave: Callable[[Parameters, int], Run]) -> tuple[State, SimulatedSlurm]:
    slurm = SimulatedSlurm(campaign, behave, NODES)
    return run_to_end(campaign, slurm).controller.state, slurm


def _node_s_to(campaign: Campaign, seed: int, behave: Callable[[Parameters, int], Run], optimum: float) -> float | None:
    """Node seconds until the best was within 1 %: COBYQA, which both examples' smooth functions suit."""
    from slurmlens.campaign.settings import OptimiserSettings

    options = OptimiserSettings(use="scipy:cobyqa", seed=seed, smallest_step=campaign.optimiser.smallest_step)
    state, _ = _ended(dataclasses.replace(campaign, optimiser=options), behave)
    if state.best_value is None or state.best_value > optimum + NEAR * abs(optimum):
        return None
    used_s = 0.0
    for point in state.points:
        used_s += sum(attempt.ended.node_seconds for attempt in point.attempts if attempt.ended)
        if point.feasible and state.minimised(point) <= optimum + NEAR * abs(optimum):
            return used_s
    return None


def _plain_optuna(
    campaign: Campaign, behave: Callable[[Parameters, int], Run], optimum: float, seed: int, most: int = 400
) -> float | None:
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
) -> float | None:
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
                return used_s
        elif trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            heapq.heappush(waiting, (at_s + run.duration_s / len(run.course), number, trial, steps, run))
    return None


def _trial(study: object, campaign: Campaign, behave: Callable[[Parameters, int], Run]) -> tuple[object, Run]:  # type: ignore[type-arg]
    trial = study.ask()  # type: ignore[attr-defined]
    point: Parameters = {
        one.name: trial.suggest_float(one.name, one.low, one.high)  # type: ignore[union-attr]
        for one in campaign.space.parameters
    }
    return trial, behave(point, 1)
