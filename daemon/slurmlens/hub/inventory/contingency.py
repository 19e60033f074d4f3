"""Statistics of 2×2 tables, from the standard library alone: pure.

A table counts runs: `a` failed with the candidate, `b` succeeded with it, `c` failed without, `d` succeeded without.
Fed by `common_cause`. Formulas: Fisher's exact test (one-sided, hypergeometric tail), the odds ratio with 1/2 added to
each cell (Haldane and Anscombe) and its interval by the normal approximation of its logarithm (Woolf), Benjamini and
Hochberg's step-up procedure, and the test of Cochran, Mantel and Haenszel over strata.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

Z_ONE_SIDED = 1.6448536269514722
"""The 95 % quantile of the normal distribution: the lower bound of `score` is right in 19 of 20 cases."""

Z_TWO_SIDED = 1.959963984540054


class Table(NamedTuple):
    """How often a candidate was there, by how the run ended."""

    a: int
    b: int
    c: int
    d: int

    @property
    def total(self) -> int:
        return self.a + self.b + self.c + self.d

    @property
    def at_worst(self) -> Table:
        """The same runs and failures with as many of the failures among those with the candidate as there could be."""
        a = min(self.a + self.b, self.a + self.c)
        b, c = self.a + self.b - a, self.a + self.c - a
        return Table(a, b, c, self.total - a - b - c)


class OddsRatio(NamedTuple):
    """An odds ratio with the bounds of its interval at 95 %."""

    value: float
    low: float
    high: float


def fisher_p(table: Table) -> float:
    """The chance of `a` or more failures with the candidate if it had nothing to do with them; in (0, 1]."""
    with_it, failed, total = table.a + table.b, table.a + table.c, table.total
    most = min(with_it, failed)
    term = math.exp(_log_chance(table.a, with_it, failed, total))
    tail = term
    for k in range(table.a, most):
        term *= (with_it - k) * (failed - k) / ((k + 1) * (total - with_it - failed + k + 1))
        tail += term
        if term < tail * 1e-17:
            break
    return min(1.0, tail)


def _log_chance(k: int, with_it: int, failed: int, total: int) -> float:
    """Logarithm of the hypergeometric probability of exactly k."""
    return _log_choose(with_it, k) + _log_choose(total - with_it, failed - k) - _log_choose(total, failed)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def odds_ratio(table: Table) -> OddsRatio:
    """How much more likely a failure is with the candidate than without."""
    a, b, c, d = (cell + 0.5 for cell in table)
    log_odds = math.log(a * d / (b * c))
    error = math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    low, high = log_odds - Z_TWO_SIDED * error, log_odds + Z_TWO_SIDED * error
    return OddsRatio(math.exp(log_odds), math.exp(low), math.exp(high))


def score(table: Table) -> float:
    """Lower bound of the odds ratio's logarithm: what ranks candidates, so that small counts sink by themselves."""
    a, b, c, d = (cell + 0.5 for cell in table)
    return math.log(a * d / (b * c)) - Z_ONE_SIDED * math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)


def false_discovery_rates(p_values: Sequence[float]) -> list[float]:
    """Benjamini's and Hochberg's q of each p, in the order given: the share of false ones among all up to it."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__, reverse=True)
    found = [1.0] * len(p_values)
    least, count = 1.0, len(p_values)
    for position, index in enumerate(order):
        least = min(least, p_values[index] * count / (count - position))
        found[index] = least
    return found


def stratified_p(strata: Iterable[Table]) -> float | None:
    """The one-sided p of Cochran, Mantel and Haenszel with continuity correction; None where no stratum can tell.

    A stratum tells something where both outcomes, and runs with and without the candidate, stand in it.
    """
    excess, variance = 0.0, 0.0
    for a, b, c, d in strata:
        total = a + b + c + d
        if total < 2:
            continue
        with_it, failed = a + b, a + c
        excess += a - with_it * failed / total
        variance += with_it * (c + d) * failed * (b + d) / (total * total * (total - 1))
    if variance <= 0:
        return None
    if excess <= 0:
        return 1.0
    return 0.5 * math.erfc(max(0.0, excess - 0.5) / math.sqrt(2 * variance))
