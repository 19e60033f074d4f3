"""Two global searches of scipy: DIRECT (dividing rectangles, one point at a time) and differential evolution.

Owns the translation: coordinates in the unit cube, constraints as `penalty`. Differential evolution is asked for whole
generations, which run at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from slurmlens.campaign.optimisers import Evaluation
from slurmlens.campaign.optimisers.blocking import Blocking
from slurmlens.campaign.optimisers.penalty import Penalty
from slurmlens.campaign.settings import Campaign

PACKAGES = ("scipy", "numpy")
Evaluate = Callable[[Sequence[Sequence[float]]], list[Evaluation]]


def make(campaign: Campaign, method: str) -> Blocking:
    """The search of that name."""
    solve = _direct if method == "direct" else _differential_evolution
    return Blocking(campaign.space, solve(campaign))


def _direct(campaign: Campaign) -> Callable[[Evaluate], None]:
    import scipy.optimize  # late: half a second and 70 MiB

    def solve(evaluate: Evaluate) -> None:
        penalty = Penalty()
        scipy.optimize.direct(
            lambda units: penalty.value(evaluate([units])[0]),
            [(0.0, 1.0)] * len(campaign.space.parameters),
            maxfun=campaign.limits.points,
            len_tol=campaign.optimiser.smallest_step,
        )

    return solve


def _differential_evolution(campaign: Campaign) -> Callable[[Evaluate], None]:
    import scipy.optimize

    def solve(evaluate: Evaluate) -> None:
        penalty = Penalty()

        def generation(function: Any, points: Iterable[Any]) -> list[float]:
            return [penalty.value(answer) for answer in evaluate([list(point) for point in points])]

        dimensions = len(campaign.space.parameters)
        scipy.optimize.differential_evolution(
            lambda units: 0.0,  # `workers` evaluates, this is never called
            [(0.0, 1.0)] * dimensions,
            popsize=max(1, -(-campaign.optimiser.population // dimensions)),
            maxiter=campaign.limits.points,
            rng=campaign.optimiser.seed,
            polish=False,
            updating="deferred",
            workers=generation,
        )

    return solve
