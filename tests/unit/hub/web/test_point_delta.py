"""What is sent to a browser, applied as the browser applies it, always ends in the same picture."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.view import Charts
from slurmlens.hub.web.point_delta import first_difference, held_by, points_since
from testkit.job_gallery import completed, large, running


def charts_at(seconds: float) -> Charts:
    charts = build_job_view(running(seconds)).charts
    assert charts is not None
    return charts


def apply(before: Charts | None, message: dict[str, Any] | None) -> Any:
    """What web/src/charts.js does, in Python."""
    if message is None:
        return msgspec.to_builtins(before)
    if "reset" in message:
        return msgspec.to_builtins(message["reset"])
    shown, news = msgspec.to_builtins(before), msgspec.to_builtins(message)
    shown["times_s"] = [*shown["times_s"][: news["from"]], *news["times_s"]]
    shown |= {key: news[key] for key in ("start_s", "end_s", "ran_until_s")}
    for chart in shown["charts"]:
        tail = news["charts"].get(chart["key"])
        if tail is None:
            continue
        for series, values in zip(chart["series"], tail["values"], strict=True):
            series["values"] = [*series["values"][: news["from"]], *values]
        chart |= {"scale": tail["scale"], "limit_shown": tail["limit_shown"]}
    return shown


def same(one: Any, other: Any) -> bool:
    return bool(msgspec.json.encode(one) == msgspec.json.encode(other))


def test_the_first_message_is_the_whole_and_the_next_only_the_tail() -> None:
    before, now = charts_at(40), charts_at(47)
    assert points_since(None, before) == {"reset": before}
    message = points_since(before, now)
    assert message is not None
    assert message["from"] == 40
    assert len(message["times_s"]) == len(now.times_s) - 40


def test_nothing_new_is_no_message() -> None:
    assert points_since(charts_at(40), charts_at(40)) is None


def test_the_end_of_the_run_is_news_even_without_a_point() -> None:
    before = charts_at(40)
    message = points_since(before, msgspec.structs.replace(before, ran_until_s=before.end_s))
    assert message is not None
    assert message["ran_until_s"] == before.end_s


def test_another_shape_is_sent_whole() -> None:
    many = build_job_view(large(16)).charts
    few = build_job_view(completed()).charts
    assert many is not None
    assert few is not None
    assert points_since(many, few) == {"reset": few}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(min_value=1, max_value=90), min_size=1, max_size=8))
def test_a_browser_that_applies_every_message_shows_what_the_hub_knows(moments: list[int]) -> None:
    sent: Charts | None = None
    shown: Any = None
    for moment in sorted(moments):
        now = charts_at(moment)
        message = points_since(sent, now)
        shown = (
            apply(sent, message) if sent is None or message is None else apply(msgspec.convert(shown, Charts), message)
        )
        if message is not None:
            sent = now
    assert sent is not None
    assert same(shown, sent)


def test_a_browser_that_says_what_it_has_gets_the_tail() -> None:
    now = charts_at(47)
    held = held_by(now, now.shape, now.times_s[40])
    message = points_since(held, now)
    assert message is not None
    assert message["from"] == 40
    assert same(apply(held, message), now)
    assert held_by(now, "other", now.times_s[40]) is None


@given(st.floats(allow_nan=True))
def test_whatever_a_browser_claims_to_have_it_ends_with_the_whole(until_s: float) -> None:
    now = charts_at(12)
    held = held_by(now, now.shape, until_s)
    message = points_since(held, now)
    assert same(apply(held, message), now)


def test_a_late_point_in_the_middle_is_sent_again() -> None:
    before = charts_at(40)
    chart = before.charts[0]
    values = list(chart.series[0].values)
    values[12] = 0.123
    series = (msgspec.structs.replace(chart.series[0], values=tuple(values)), *chart.series[1:])
    now = msgspec.structs.replace(before, charts=(msgspec.structs.replace(chart, series=series), *before.charts[1:]))
    assert first_difference(before, now) == 12
