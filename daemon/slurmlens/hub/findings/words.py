"""Words and arithmetic that all claims share. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable

MOST_SCORE = 12.0
_LEAST_P = 10.0**-MOST_SCORE


def score_of(p: float) -> float:
    """A chance as a score: its negative decimal logarithm, `MOST_SCORE` at most."""
    return round(-math.log10(max(p, _LEAST_P)), 2)


def chance(p: float) -> str:
    """A chance for people: two digits, and never 0."""
    return f"{p:.2g}" if p >= 1e-6 else "less than 1e-06"


def listed(names: Iterable[str], most: int = 12) -> str:
    """Names with commas, those beyond `most` as a number."""
    all_names = list(dict.fromkeys(names))
    more = f" and {len(all_names) - most} more" if len(all_names) > most else ""
    return ", ".join(all_names[:most]) + more
