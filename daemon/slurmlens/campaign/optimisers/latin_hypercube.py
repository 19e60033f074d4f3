"""Latin hypercube: each parameter's range in as many strata as there are points, each stratum once (McKay et al. 1979).

Owns the design; standard library only. `design` also gives `compass` its start.
"""

from __future__ import annotations

import random

from slurmlens.campaign.optimisers import Evaluation
from slurmlens.campaign.settings import Campaign
from slurmlens.campaign.space import Parameters, Space

PACKAGES: tuple[str, ...] = ()


def design(space: Space, count: int, seed: int) -> list[list[float]]:
    """`count` points in the unit cube; the same seed gives the same ones."""
    source = random.Random(seed)  # noqa: S311  # a design, not a secret
    columns: list[list[float]] = []
    for _ in space.parameters:
        strata = list(range(count))
        source.shuffle(strata)
        columns.append([(stratum + source.random()) / count for stratum in strata])
    return [list(row) for row in zip(*columns, strict=True)]


class LatinHypercube:
    """All points of the design in their order; answers change nothing."""

    def __init__(self, campaign: Campaign) -> None:
        rows = design(campaign.space, campaign.optimiser.start_points, campaign.optimiser.seed)
        self._points = [campaign.space.decode(row) for row in rows]
        self._next = 0

    def ask(self) -> Parameters | None:
        """The next point of the design."""
        if self.finished:
            return None
        self._next += 1
        return self._points[self._next - 1]

    def tell(self, number: int, answer: Evaluation) -> None:
        """Nothing: a design does not learn."""

    @property
    def finished(self) -> bool:
        """Whether all points were asked for."""
        return self._next >= len(self._points)

    def close(self) -> None:
        """Nothing is held."""


def make(campaign: Campaign, method: str) -> LatinHypercube:
    """The design that the campaign asks for."""
    return LatinHypercube(campaign)
