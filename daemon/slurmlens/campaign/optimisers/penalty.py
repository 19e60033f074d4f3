"""One number for a point, where an optimiser knows no constraints and no failures.

Owns the rule (Deb 2000): what is feasible counts as it is; what is not, counts worse than the worst that was feasible,
by how much it breaks; what was ended early counts no better than the best. Pure, and a function of the answers so far.
"""

from __future__ import annotations

from slurmlens.campaign.optimisers import Evaluation
from slurmlens.campaign.record import PointVerdict

NOTHING_KNOWN = 1e6


class Penalty:
    """Remembers the best and worst feasible value of one objective."""

    def __init__(self, objective: int = 0) -> None:
        self._objective = objective
        self._best: float | None = None
        self._worst: float | None = None

    def value(self, answer: Evaluation) -> float:
        """The number that stands for the answer; smaller is better."""
        value = answer.values[self._objective] if answer.values else None
        if answer.verdict is PointVerdict.FINE and answer.excess <= 0 and value is not None:
            self._best = value if self._best is None else min(self._best, value)
            self._worst = value if self._worst is None else max(self._worst, value)
            return value
        if answer.verdict is PointVerdict.STOPPED and value is not None:
            return value if self._best is None else max(value, self._best)
        if self._best is None or self._worst is None:
            return NOTHING_KNOWN * (1 + max(0.0, answer.excess))
        spread = max(self._worst - self._best, 0.1 * abs(self._worst), 1e-12)
        return self._worst + spread * (1 + max(0.0, answer.excess))

    def apart(self, answer: Evaluation, constraints: int) -> tuple[float, tuple[float, ...]]:
        """Objective and violations for a solver that knows constraints.

        What was ended early broke none that is known, what failed broke all.
        """
        standing_for = self.value(answer)
        if answer.verdict is PointVerdict.FINE and answer.values:
            return answer.values[self._objective], answer.violations
        return standing_for, (0.0 if answer.verdict is PointVerdict.STOPPED else 1.0,) * constraints
