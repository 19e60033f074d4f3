"""A forecast says where a figure goes, how sure that is, and how wrong it would have been."""

from __future__ import annotations

import random
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.config.management import ManagementConfig
from slurmlens.hub.usage.capacity import LEAST_DAYS, forecast
from slurmlens.hub.usage.facts import DayFigure
from slurmlens.hub.views.capacity.build import build_capacity_view
from slurmlens.hub.views.capacity.terminal import render_capacity
from slurmlens.shown.terminal import Sheet


def rising(days: int, slope: float, noise: float, seed: int = 1) -> list[float]:
    rng = random.Random(seed)
    weekly = (0, 0.01, 0.02, 0.01, 0, -0.03, -0.03)
    return [0.5 + slope * day + weekly[day % 7] + rng.gauss(0, noise) for day in range(days)]


def test_a_rising_figure_reaches_its_threshold_when_its_line_does() -> None:
    found = forecast(rising(120, 0.001, 0.01), 0.9, 1.0)
    assert found is not None
    assert found.reached_days == pytest.approx((0.9 - 0.62) / 0.001, rel=0.2)
    assert found.reached_low_days is not None
    assert found.reached_low_days <= found.reached_days <= (found.reached_high_days or 10**9)


def test_a_level_figure_is_not_there_within_two_years_for_certain() -> None:
    found = forecast(rising(120, 0.0, 0.01), 0.9, 1.0)
    assert found is not None
    assert found.reached_high_days is None
    assert found.is_within < 0.5


@pytest.mark.parametrize("noise", [0.01, 0.04])
def test_the_interval_holds_about_four_of_five_days_of_the_past(noise: float) -> None:
    shares = [found.tested_within for seed in range(6) if (found := forecast(rising(180, 0.0005, noise, seed), 0.9))]
    assert 0.65 <= sum(one for one in shares if one is not None) / len(shares) <= 0.95


def test_few_days_are_no_forecast_and_a_short_past_is_not_tested() -> None:
    assert forecast(rising(LEAST_DAYS - 1, 0.001, 0.01), 0.9) is None
    found = forecast(rising(LEAST_DAYS, 0.001, 0.01), 0.9)
    assert found is not None
    assert found.tested_within is None


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=LEAST_DAYS, max_size=50))
def test_whatever_the_days_were_the_band_is_in_order_and_within_bounds(values: list[float]) -> None:
    found = forecast(values, 0.9, 1.0)
    assert found is not None
    assert found == forecast(values, 0.9, 1.0)
    for point in found.band:
        assert 0 <= point.low <= point.middle <= point.high <= 1


@pytest.mark.parametrize(
    ("slope", "words"), [(0.001, "It reaches 90 % about 20"), (0.0, "does not reach 90 % within two years")]
)
def test_the_sentence_says_when_and_how_sure(slope: float, words: str) -> None:
    days = [DayFigure(1_774_000_000 + 86_400 * place, value) for place, value in enumerate(rising(120, slope, 0.01))]
    view = build_capacity_view("demo", days, days[:5], ManagementConfig(), 0)
    assert words in view.figures[0].sentence
    assert "5 days are too few" in view.figures[1].sentence
    text = render_capacity(view, Sheet(UTC))
    assert "in  30 days" in text
    assert max(map(len, text.splitlines())) <= 80
