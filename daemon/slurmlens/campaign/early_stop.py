"""Which running jobs cannot win: from the course of the objective while a run runs.

Owns the rules and what they remember between looks. Pure: courses in, judgements out. What is remembered is lost with
the process and costs a few looks, never a wrong decision: the journal holds what was decided. Asked by `controller`.

Rules:
- bound: the course's last three windows extrapolated as a geometric decay (Aitken's delta-squared process), minus a
  band,
  is still worse than the best. Where it does not decay it is extrapolated along its last slope, which favours the run.
- median: worse than the median of finished runs at the same step (Golovin et al. 2017).
- asha: at 1/9 and 1/3 of the steps only the best third goes on (Li et al. 2020).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from slurmlens.campaign.fold import Attempt, AttemptId
from slurmlens.campaign.settings import EarlyStopSettings

WINDOWS = 3
LEAST_VALUES = 9
_RUNGS = (1 / 9, 1 / 3)
_RUNG_PEERS = 3
_MEDIAN_PEERS = 5


class ObjectiveCourse(NamedTuple):
    """The objective so far, one value a step, smaller is better; `elapsed_s` since the run began."""

    values: Sequence[float]
    elapsed_s: float


class Estimate(NamedTuple):
    """Where a course ends: its most likely value, and half the width of the band around it."""

    value: float
    band: float


class Judgement(NamedTuple):
    """A run that cannot win, and the node seconds that ending it saves."""

    reason: str
    value: float
    saved_low_s: float
    saved_high_s: float


def extrapolate(values: Sequence[float], steps: int) -> Estimate:
    """The value after `steps` steps, from the means of three equal windows, with a band around it.

    The last two thirds of the course give the value, all of the course gives it once more: a decay that is no geometric
    one makes the two differ. The band is twice that difference, twice the noise of a value, and a tenth of what is
    still to come. At least LEAST_VALUES values.
    """
    whole = _decay(values, steps)
    recent = _decay(values[len(values) // 3 :], steps - len(values) // 3)
    coming = abs(recent - values[-1])
    return Estimate(recent, 2 * abs(whole - recent) + 2 * _noise(values) + coming / 10)


def _decay(values: Sequence[float], steps: int) -> float:
    """Window means m1, m2, m3 with d1 = m2 - m1, d2 = m3 - m2 of a geometric decay have the limit m3 + d2 r / (1 - r),
    r = d2 / d1; at a finite step what is due of it by then. No decay: along the last slope, which favours the run."""
    width = len(values) // WINDOWS
    means = [statistics.fmean(values[len(values) - width * back :][:width]) for back in (3, 2, 1)]
    first, second = means[1] - means[0], means[2] - means[1]
    windows_left = max(0.0, steps - len(values) + (width - 1) / 2) / width
    ratio = second / first if first else 0.0
    if 0 < ratio < 1:
        return float(means[2] + second * ratio * (1 - ratio**windows_left) / (1 - ratio))
    return means[2] + (second * windows_left if ratio >= 1 else 0.0)


def _noise(values: Sequence[float]) -> float:
    """Standard deviation of what scatters from one value to the next.

    Second differences of white noise have 6 times its variance, those of a smooth course hardly any.
    """
    seconds = [after - 2 * here + before for before, here, after in zip(values, values[1:], values[2:], strict=False)]
    return statistics.pstdev(seconds) / math.sqrt(6)


class EarlyStop:
    """The chosen rule with its memory: courses of finished runs, agreeing looks, values at rungs."""

    def __init__(self, settings: EarlyStopSettings, steps: int | None) -> None:
        self._settings = settings
        self._steps = steps
        self._finished: list[Sequence[float]] = []
        self._durations_s: list[float] = []
        self._looks: dict[AttemptId, int] = {}
        self._rungs: dict[int, dict[AttemptId, float]] = {}

    def ended(self, attempt: AttemptId, course: ObjectiveCourse | None, *, whole: bool) -> None:
        """A run is over; its course teaches what a whole one looks like."""
        self._looks.pop(attempt, None)
        if whole and course is not None and course.values:
            self._finished.append(tuple(course.values))
            self._durations_s.append(course.elapsed_s)

    def judge(
        self, attempts: Sequence[Attempt], courses: Mapping[AttemptId, ObjectiveCourse], best: float
    ) -> dict[AttemptId, Judgement]:
        """Those of the running attempts that cannot win, by the rule, after enough agreeing looks."""
        lost: dict[AttemptId, Judgement] = {}
        for attempt in attempts:
            course = courses.get(attempt.id)
            if course is None or attempt.cancel is not None or not course.values:
                continue
            reason = self._reason(attempt.id, course, best)
            self._looks[attempt.id] = self._looks.get(attempt.id, 0) + 1 if reason else 0
            if reason and self._looks[attempt.id] >= self._settings.looks:
                lost[attempt.id] = Judgement(reason, course.values[-1], *self._saved(attempt.intent.nodes, course))
        return lost

    def _expected(self) -> int | None:
        """Steps of a whole run."""
        if self._steps is not None:
            return self._steps
        return round(statistics.median(len(course) for course in self._finished)) if self._finished else None

    def _reason(self, attempt: AttemptId, course: ObjectiveCourse, best: float) -> str | None:
        steps = self._expected()
        if self._settings.rule == "none" or steps is None:
            return None
        if self._settings.rule == "asha":
            return self._asha(attempt, course.values, steps)
        if len(course.values) < max(LEAST_VALUES, self._settings.after * steps):
            return None
        return (
            self._median(course.values) if self._settings.rule == "median" else self._bound(course.values, steps, best)
        )

    def _bound(self, values: Sequence[float], steps: int, best: float) -> str | None:
        value, band = extrapolate(values, steps)
        if value - band <= best:
            return None
        return f"cannot win: heads for {value:.6g} ± {band:.2g}, the best is {best:.6g}"

    def _median(self, values: Sequence[float]) -> str | None:
        peers = [course[len(values) - 1] for course in self._finished if len(course) >= len(values)]
        if len(peers) < _MEDIAN_PEERS or min(values) <= (middle := statistics.median(peers)):
            return None
        return f"worse than the median {middle:.6g} of {len(peers)} runs at step {len(values)}"

    def _asha(self, attempt: AttemptId, values: Sequence[float], steps: int) -> str | None:
        for rung in (max(1, round(share * steps)) for share in _RUNGS):
            if len(values) < rung:
                continue
            peers = self._rungs.setdefault(rung, {})
            own = peers.setdefault(attempt, values[rung - 1])
            better = sum(value < own for value in peers.values())
            if len(peers) >= _RUNG_PEERS and better >= max(1, len(peers) // 3):
                return f"rank {better + 1} of {len(peers)} at step {rung}"
        return None

    def _saved(self, nodes: int, course: ObjectiveCourse) -> tuple[float, float]:
        """Node seconds not spent: by the run's own rate, and by the median length of finished runs."""
        steps = self._expected() or len(course.values)
        guesses = [course.elapsed_s * max(0.0, steps / len(course.values) - 1)]
        if self._durations_s:
            guesses.append(max(0.0, statistics.median(self._durations_s) - course.elapsed_s))
        return nodes * min(guesses), nodes * max(guesses)
