"""TPE, CMA-ES and NSGA-II of Optuna, with an in-memory study: no storage of its own, the journal is the truth.

Owns the translation. Parameters are suggested in their order, so that conditions hold (define by run). Points that
failed are recorded as complete with a value that cannot win and a broken constraint, never as FAIL: samplers cannot see
that state and ask for the same point again (optuna/optuna#566, #3472).
"""

from __future__ import annotations

import warnings
from typing import Any

from slurmlens.campaign.optimisers import Evaluation
from slurmlens.campaign.optimisers.penalty import Penalty
from slurmlens.campaign.settings import Campaign
from slurmlens.campaign.space import Choice, Integer, Parameters, Real

PACKAGES = ("optuna", "numpy", "cmaes")
_EXCESS = "excess"


class OptunaStudy:
    """An optuna study, asked and told in the journal's order."""

    def __init__(self, campaign: Campaign, method: str) -> None:
        import optuna  # late: a quarter second and 40 MiB

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._campaign = campaign
        self._trials: list[Any] = []
        self._penalties = [Penalty(place) for place in range(len(campaign.objectives))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it calls experimental is what we use on purpose
            self._study = optuna.create_study(
                directions=["minimize"] * len(campaign.objectives), sampler=_sampler(optuna, campaign, method)
            )

    def ask(self) -> Parameters | None:
        """A new trial's point; always there."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self._study.ask()
            point: Parameters = {}
            for parameter in self._campaign.space.parameters:
                if self._campaign.space.active(parameter, point):
                    point[parameter.name] = _suggest(trial, parameter)
        self._trials.append(trial)
        return point

    def tell(self, number: int, answer: Evaluation) -> None:
        """The trial's values, or those that stand for a failure."""
        trial, self._trials[number] = self._trials[number], None
        trial.set_user_attr(_EXCESS, max(0.0, answer.excess) or float(not answer.values))
        values = [penalty.value(answer) for penalty in self._penalties]
        if answer.values and self._sees_constraints:
            values = list(answer.values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._study.tell(trial, values)

    @property
    def _sees_constraints(self) -> bool:
        return self._campaign.optimiser.use != "optuna:cma-es" and bool(self._campaign.constraints)

    @property
    def finished(self) -> bool:
        """Never by itself: the campaign's limits end it."""
        return False

    def close(self) -> None:
        """Nothing is held."""


def _sampler(optuna: Any, campaign: Campaign, method: str) -> Any:
    options = campaign.optimiser
    constrained = {"constraints_func": lambda trial: (trial.user_attrs.get(_EXCESS, 1.0),)}
    if method == "cma-es":
        return optuna.samplers.CmaEsSampler(
            seed=options.seed, n_startup_trials=options.start_points, popsize=options.population,
            warn_independent_sampling=False,
        )  # fmt: skip
    if method == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=options.seed, population_size=options.population, **constrained)
    return optuna.samplers.TPESampler(
        seed=options.seed, n_startup_trials=options.start_points, constant_liar=True,
        **(constrained if campaign.constraints else {}),
    )  # fmt: skip


def _suggest(trial: Any, parameter: Real | Integer | Choice) -> Any:
    if isinstance(parameter, Choice):
        return trial.suggest_categorical(parameter.name, parameter.choices)
    if isinstance(parameter, Integer):
        high = parameter.low + (parameter.levels - 1) * parameter.step
        return trial.suggest_int(parameter.name, parameter.low, high, step=parameter.step, log=parameter.log)
    high_real = parameter.high
    if parameter.step is not None and parameter.levels is not None:
        high_real = parameter.low + (parameter.levels - 1) * parameter.step
    return trial.suggest_float(parameter.name, parameter.low, high_real, step=parameter.step, log=parameter.log)


def make(campaign: Campaign, method: str) -> OptunaStudy:
    """The study with the sampler of that name."""
    return OptunaStudy(campaign, method)
