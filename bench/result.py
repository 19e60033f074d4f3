"""What a case hands back, and the arithmetic of comparing two things on a machine that others use too.

Owns `Row` and `Result` (one line of the table) and the statistics behind it: medians of interleaved pairs, the
spread of the reference against itself. Fed by the cases, read by `report`.

Invariant: a figure that cannot be told from the reference's own scatter is not given; the row says so instead.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


class NotMeasurable(Exception):
    """Something this machine, or the product so far, does not have; the message completes "not measured: …"."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One bar of a target: at most (`at_least`: at least) `bar`; written as `text` where the number says too little."""

    bar: float
    text: str = ""
    at_least: bool = False

    def met_by(self, value: float) -> bool:
        return value >= self.bar if self.at_least else value <= self.bar

    def __str__(self) -> str:
        return self.text or f"{'≥' if self.at_least else '≤'} {self.bar:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of targets: what is compared with which `reference`, and the two bars; named before the case runs."""

    target: str
    what: str
    must: Goal
    aim: Goal
    reference: str
    unit: str = ""

    def measured(self, value: float, note: str = "") -> Result:
        return Result(self, value, note)

    def no_figure(self, why: str) -> Result:
        return Result(self, None, why)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one row. `value` is None where nothing could be said; then `note` says why."""

    row: Row
    value: float | None
    note: str = ""

    @property
    def figure(self) -> str:
        if self.value is None:
            return "–"
        digits = 3 if abs(self.value) < 1 else 2 if abs(self.value) < 100 else 0
        return f"{self.value:.{digits}f}{self.row.unit}"

    @property
    def verdict(self) -> str:
        """The better of the two bars that the figure meets; `–` where there is no figure."""
        if self.value is None:
            return "–"
        if self.row.aim.met_by(self.value):
            return "aim met"
        return "must met" if self.row.must.met_by(self.value) else "missed"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Measurements of ours and of the reference, taken in turn; the i-th of both belong to the same moment."""

    ours: tuple[float, ...]
    reference: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median of the pairs' ratios: what drifts during the run drifts in both halves of a pair."""
        return statistics.median(ours / reference for ours, reference in zip(self.ours, self.reference, strict=True))

    @property
    def reference_scatter(self) -> float:
        """How far two runs of the reference alone are apart: (largest - smallest) / median."""
        return (max(self.reference) - min(self.reference)) / statistics.median(self.reference)


def interleave(ours: Callable[[], float], reference: Callable[[], float], rounds: int) -> Pairs:
    """Runs the two in turn, `rounds` times each, the first of a pair changing: A B, B A, A B …"""
    left: list[float] = []
    right: list[float] = []
    for number in range(rounds):
        order = ((ours, left), (reference, right))
        for run, values in order if number % 2 == 0 else reversed(order):
            values.append(run())
    return Pairs(tuple(left), tuple(right))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = max(1, -(-round(share * len(ordered) * 1_000_000) // 1_000_000))
    return ordered[min(rank, len(ordered)) - 1]
