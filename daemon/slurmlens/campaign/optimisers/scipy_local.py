"""COBYQA of scipy (1.14 and later): a local search with bounds and constraints by quadratic models; one point at a
time.

Owns the translation: coordinates in the unit cube, constraints as violations that must not exceed 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from slurmlens.campaign.optimisers import Evaluation
from slurmlens.campaign.optimisers.blocking import Blocking
from slurmlens.campaign.optimisers.latin_hypercube import design
from slurmlens.campaign.optimisers.penalty import Penalty
from slurmlens.campaign.settings import Campaign

PACKAGES = ("scipy", "numpy")
_FIRST_RADIUS = 0.2


def make(campaign: Campaign, method: str) -> Blocking:
    """The search from the middle of the space."""
    import scipy.optimize  # late: half a second and 70 MiB

    def solve(evaluate: Callable[[Sequence[Sequence[float]]], list[Evaluation]]) -> None:
        known: dict[tuple[float, ...], tuple[float, tuple[float, ...]]] = {}
        penalty = Penalty()

        def both(units: Any) -> tuple[float, tuple[float, ...]]:
            """Objective and violations; the library asks for them apart, the job gives both."""
            place = tuple(float(unit) for unit in units)
            if place not in known:
                known[place] = penalty.apart(evaluate([place])[0], len(campaign.constraints))
            return known[place]

        constraints = (
            [scipy.optimize.NonlinearConstraint(lambda units: both(units)[1], -float("inf"), 0.0)]
            if campaign.constraints
            else []
        )
        scipy.optimize.minimize(
            lambda units: both(units)[0],
            design(campaign.space, 1, campaign.optimiser.seed)[0],
            method="COBYQA",
            bounds=[(0.0, 1.0)] * len(campaign.space.parameters),
            constraints=constraints,
            options={
                "maxfev": campaign.limits.points,
                "initial_tr_radius": _FIRST_RADIUS,
                "final_tr_radius": min(campaign.optimiser.smallest_step / 10, _FIRST_RADIUS / 2),
            },
        )

    return Blocking(campaign.space, solve)
