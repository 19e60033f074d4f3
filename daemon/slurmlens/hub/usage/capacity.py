"""Where a daily figure is going: a trend with its uncertainty, when it reaches a threshold, and how wrong it was. Pure.

Owns the method and `Forecast`. The trend is a median of slopes between the same weekdays half the series apart (as
Theil and Sen, with fewer pairs), through the median level. Its uncertainty comes from 200 series made of the fit and of
its residuals in blocks of a week, drawn again and again from a fixed seed, so that equal days give equal forecasts. It
is tested on the past: fitted on what was known up to a day, compared with the two weeks after it. Fewer than
`LEAST_DAYS` days are no forecast. Fed by `read`; feeds the page of capacity.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import msgspec

LEAST_DAYS = 30
HORIZON_DAYS = 730
BLOCK_DAYS = 7
PATHS = 200
TEST_DAYS = 14
LOW, HIGH = 0.1, 0.9
"""Ends of the interval: four of five are to be within."""


class BandPoint(msgspec.Struct, frozen=True):
    """What is expected so many days ahead, and the 80 % interval of a day's value there."""

    days_ahead: int
    low: float
    middle: float
    high: float


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Where a figure is going.

    `reached_days` is in how many days the trend is at the threshold: the median of all drawn series, and the ends of
    the 80 % interval; None where that is not within two years. `is_within` is the share of drawn series that get there
    at all. `tested_within` is the share of past days that were inside the interval made before them, `tested_error`
    the mean distance from its middle; None where the past is too short to test.
    """

    days: int
    last: float
    slope_a_day: float
    threshold: float
    reached_days: float | None
    reached_low_days: float | None
    reached_high_days: float | None
    is_within: float
    band: tuple[BandPoint, ...]
    tested_within: float | None
    tested_error: float | None


class _Trend(NamedTuple):
    """A line: its value at the last day, and what it gains a day."""

    level: float
    slope: float


def forecast(values: Sequence[float], threshold: float, most: float | None = None) -> Forecast | None:
    """The forecast of daily values, oldest first; None of fewer than `LEAST_DAYS`. Values never pass 0 or `most`."""
    if len(values) < LEAST_DAYS:
        return None
    drawn = _drawn(values)
    middle = _trend(values)
    reached = sorted(_days_until(one, threshold) for one in drawn)
    within, error = _tested(values, most)
    return Forecast(
        days=len(values),
        last=values[-1],
        slope_a_day=middle.slope,
        threshold=threshold,
        reached_days=_in_horizon(_quantile(reached, 0.5)),
        reached_low_days=_in_horizon(_quantile(reached, LOW)),
        reached_high_days=_in_horizon(_quantile(reached, HIGH)),
        is_within=sum(days <= HORIZON_DAYS for days in reached) / len(reached),
        band=tuple(_band(values, drawn, days, most) for days in (1, 7, 14, 30, 60, 90, 180, 365)),
        tested_within=within,
        tested_error=error,
    )


def _trend(values: Sequence[float]) -> _Trend:
    apart = len(values) // 2 // BLOCK_DAYS * BLOCK_DAYS  # whole weeks: the same weekday is compared
    slope = median((values[place + apart] - values[place]) / apart for place in range(len(values) - apart))
    last = len(values) - 1
    return _Trend(median(value + slope * (last - place) for place, value in enumerate(values)), slope)


def _residuals(values: Sequence[float], trend: _Trend) -> list[float]:
    last = len(values) - 1
    return [value - (trend.level - trend.slope * (last - place)) for place, value in enumerate(values)]


def _drawn(values: Sequence[float], paths: int = PATHS) -> list[_Trend]:
    """Trends of series that might have been: the fit, and its residuals in blocks at other places."""
    rng = random.Random(len(values))  # noqa: S311  # nothing secret: equal days, equal forecasts
    trend = _trend(values)
    residuals, last = _residuals(values, trend), len(values) - 1
    found = []
    for _ in range(paths):
        mixed: list[float] = []
        while len(mixed) <= last:
            begin = rng.randrange(len(residuals) - BLOCK_DAYS + 1)
            mixed += residuals[begin : begin + BLOCK_DAYS]
        found.append(_trend([trend.level - trend.slope * (last - place) + mixed[place] for place in range(last + 1)]))
    return found


def _days_until(trend: _Trend, threshold: float) -> float:
    if trend.level >= threshold:
        return 0.0
    return (threshold - trend.level) / trend.slope if trend.slope > 0 else float("inf")


def _in_horizon(days: float) -> float | None:
    return days if days <= HORIZON_DAYS else None


def _band(values: Sequence[float], drawn: Sequence[_Trend], days: int, most: float | None) -> BandPoint:
    """Every drawn trend with every twentieth of the residuals."""
    residuals = sorted(_residuals(values, _trend(values)))
    some = [_quantile(residuals, (place + 0.5) / 20) for place in range(20)]
    ahead = sorted(_bounded(one.level + one.slope * days + rest, most) for one in drawn for rest in some)
    return BandPoint(days, _quantile(ahead, LOW), _quantile(ahead, 0.5), _quantile(ahead, HIGH))


def _bounded(value: float, most: float | None) -> float:
    return max(0.0, value if most is None else min(most, value))


def _tested(values: Sequence[float], most: float | None) -> tuple[float | None, float | None]:
    inside, distances = 0, []
    for origin in range(LEAST_DAYS, len(values) - TEST_DAYS + 1, TEST_DAYS):
        known = values[:origin]
        drawn = _drawn(known, paths=40)
        for days in range(1, TEST_DAYS + 1, 3):
            point, actual = _band(known, drawn, days, most), values[origin + days - 1]
            inside += point.low <= actual <= point.high
            distances.append(abs(actual - point.middle))
    if not distances:
        return None, None
    return inside / len(distances), sum(distances) / len(distances)


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
