"""Values that a job tells beside its progress are charts of their own on its page."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.hub.progress.course import MOST_SAMPLES, ProgressSample, TaskCourse, begun, decode_course, grown
from slurmlens.hub.progress.facts import JobProgressFacts, TaskFacts
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.surroundings import RunSurroundings
from slurmlens.hub.views.job.value_charts import MOST_CHARTS
from slurmlens.hub.views.job.view import Chart
from testkit.job_gallery import running
from testkit.job_parts import START_NS, S


def charts(*samples: ProgressSample) -> list[Chart]:
    task = TaskFacts(node="c1", step="0", rank=0, course=TaskCourse(samples), known_until_ns=START_NS + 240 * S)
    view = build_job_view(running(240), RunSurroundings(progress=JobProgressFacts(tasks=(task,))))
    assert view.charts is not None
    return [chart for chart in view.charts.charts if chart.key.startswith("value")]


def sample(second: float, **values: float) -> ProgressSample:
    return ProgressSample(START_NS + round(second * S), float(second), 1000.0, values)


def test_a_residual_that_falls_over_decades_is_drawn_by_its_logarithm() -> None:
    (chart,) = charts(*(sample(second, residual=10 ** (-second / 40)) for second in range(0, 240, 5)))
    assert (chart.title, chart.unit) == ("residual", "log10")
    assert chart.scale is not None
    assert chart.scale.texts[0] == "1e-6"
    assert chart.scale.texts[-1] == "1e0"
    drawn = [value for value in chart.series[0].values if value is not None]
    assert drawn == sorted(drawn, reverse=True)


def test_each_name_has_a_chart_and_there_are_bounds() -> None:
    found = charts(*(sample(second, **{f"v{n}": second * n for n in range(20)}) for second in (1, 100, 200)))
    assert [chart.title for chart in found] == sorted(f"v{n}" for n in range(20))[:MOST_CHARTS]


def test_before_the_first_word_there_is_a_gap() -> None:
    (chart,) = charts(sample(120, energy=-3.0), sample(200, energy=-4.0))
    assert chart.series[0].values[0] is None
    assert chart.series[0].values[-1] == -4.0


@given(st.lists(st.floats(min_value=-1e18, max_value=1e18), min_size=1, max_size=20))
def test_any_values_have_a_scale_that_holds_them(values: list[float]) -> None:
    (chart,) = charts(*(sample(10 * n, x=value) for n, value in enumerate(values)))
    assert chart.scale is not None
    assert 2 <= len(chart.scale.ticks) <= 6
    assert all(math.isfinite(tick) for tick in chart.scale.ticks)
    for value in (value for value in chart.series[0].values if value is not None):
        slack = 1e-5 * max(abs(value), abs(chart.scale.high), abs(chart.scale.low))
        assert chart.scale.low - slack <= value <= chart.scale.high + slack


def test_a_course_of_an_earlier_release_has_no_values_and_grows_on() -> None:
    course = decode_course(b"[[[1,2.0,10.0],[2,3.0,10.0]],0]")
    assert course.last.values == {}
    assert grown(course, ProgressSample(3, 4.0, 10.0, {"x": 1.0})).last.values == {"x": 1.0}


def test_a_value_that_changes_while_nothing_is_done_is_kept_and_bounded() -> None:
    course = begun(ProgressSample(0, 1.0, None, {"x": 0.0}))
    for time_ns in range(1, 1000):
        course = grown(course, ProgressSample(time_ns, 1.0, None, {"x": float(time_ns)}))
    assert MOST_SAMPLES // 2 <= len(course.samples) <= MOST_SAMPLES
    assert course.last.values == {"x": 999.0}
