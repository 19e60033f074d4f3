"""How far a job is stands in headline, page, terminal, list and `top`, in the same words."""

from __future__ import annotations

import datetime
import re
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from slurmlens.hub.progress.course import ProgressSample, TaskCourse
from slurmlens.hub.progress.facts import JobProgressFacts, MessageFacts, TaskFacts
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.surroundings import RunSurroundings
from slurmlens.hub.views.job.terminal import render_job
from slurmlens.hub.views.job.view import JobView
from slurmlens.hub.views.jobs.top import render_top
from slurmlens.hub.views.jobs.view import JobsView
from slurmlens.shown.terminal import Sheet
from testkit.job_gallery import completed, failed_on_faulty_node, pending, running
from testkit.job_hub import ToldInside, make_gallery_app
from testkit.job_parts import START_NS, S

SHEET = Sheet(zone=datetime.UTC)


def told(
    rate: float = 2.0, total: float | None = 1000.0, until_s: float = 240, known_s: float = 240, **values: float
) -> JobProgressFacts:
    """A job of one task that reports every five seconds from its start."""
    samples = tuple(
        ProgressSample(START_NS + second * S, second * rate, total) for second in range(0, int(until_s) + 1, 5)
    )
    task = TaskFacts(
        node="c1",
        step="0",
        rank=0,
        course=TaskCourse(samples),
        values=values,
        known_until_ns=START_NS + round(known_s * S),
    )
    message = MessageFacts(node="c1", step="0", rank=0, time_ns=START_NS + 20 * S, text="mesh refined")
    return JobProgressFacts(tasks=(task,), messages=(message,))


def test_a_running_job_says_how_far_it_is_and_when_it_is_done() -> None:
    view = build_job_view(running(240), RunSurroundings(progress=told()))
    assert view.progress is not None
    assert (view.progress.done, view.progress.total, view.progress.ratio) == (480.0, 1000.0, 0.48)
    assert view.progress.left_s == pytest.approx(260, abs=1)
    assert view.progress.verdict == "will-make"
    assert "It is at 480 of 1000, about 4 min 20 s left, ± 2.5 s: within its time limit." in view.headline


def test_a_job_that_will_not_make_its_limit_is_told_so() -> None:
    view = build_job_view(running(240), RunSurroundings(progress=told(rate=0.5)))
    assert view.progress is not None
    assert view.progress.verdict == "will-not"
    assert "too late for its time limit." in view.headline


def test_a_job_that_stands_still_is_told_so() -> None:
    view = build_job_view(running(240), RunSurroundings(progress=told(until_s=60)))
    assert "It stands still for 3 min (usual: 5.0 s between steps) at 120 of 1000." in view.headline


def test_without_a_total_there_is_a_rate_and_no_finish() -> None:
    view = build_job_view(running(240), RunSurroundings(progress=told(total=None)))
    assert "It has 480 done." in view.headline
    assert view.progress is not None
    assert view.progress.left_s is None


def test_what_told_nothing_shows_nothing() -> None:
    assert build_job_view(running(240)) == build_job_view(running(240), RunSurroundings(progress=JobProgressFacts()))
    assert build_job_view(running(240)).progress is None


def test_an_ended_job_has_no_finish_and_says_how_far_it_came_where_it_failed() -> None:
    ended = build_job_view(failed_on_faulty_node(), RunSurroundings(progress=told()))
    assert ended.progress is not None
    assert ended.progress.finish_ns is None
    assert "By its own word it came to 480 of 1000." in ended.headline
    assert "480" not in build_job_view(completed(), RunSurroundings(progress=told())).headline
    assert "480" not in build_job_view(pending(), RunSurroundings(progress=told())).headline


def test_its_events_stand_on_the_time_line() -> None:
    (mark,) = [
        mark for mark in build_job_view(running(240), RunSurroundings(progress=told())).marks if mark.kind == "told"
    ]
    assert (mark.text, mark.where) == ("step 0 task 0: mesh refined", "c1")


def test_the_terminal_says_it_in_its_columns() -> None:
    text = render_job(build_job_view(running(240), RunSurroundings(progress=told(residual=1e-5))), SHEET)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert re.search(r"^  Done    █+░+   48 %   480 of 1000, about 4 min 20 s left, ±", text, re.MULTILINE)
    assert "2.0 a second now, 2.0 a second since the start; residual 1e-05" in text


def test_its_course_is_a_chart_over_the_jobs_own_bins() -> None:
    charts = build_job_view(running(240), RunSurroundings(progress=told())).charts
    assert charts is not None
    chart = charts.charts[-1]
    assert (chart.key, chart.unit) == ("progress", "ratio")
    shares = dict(zip(charts.times_s, chart.series[0].values, strict=True))
    for time_s, share in shares.items():
        expected = min(max((time_s - START_NS / S) * 2.0, 0.0), 480.0) / 1000
        assert share == pytest.approx(expected, abs=1e-3)
    plain = build_job_view(running(240)).charts
    assert plain is not None
    assert "progress" not in [one.key for one in plain.charts]
    assert plain.shape != charts.shape


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:
    facts = {1: running(240), 2: msgspec.structs.replace(running(240), job_id=2), 4711: completed()}
    facts[1] = msgspec.structs.replace(facts[1], job_id=1)
    app, _ = make_gallery_app(facts, ToldInside({1: told(loss=0.25), 2: told(until_s=60)}))
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_the_page_has_a_bar_the_finish_and_the_named_values(client: TestClient) -> None:
    text = await (await client.get("/jobs/1")).text()
    assert '<section data-part="progress">' in text
    assert 'aria-label="480 of 1000"' in text
    assert "loss <b>0.25</b>" in text
    assert "✓ within its time limit" in text
    still = await (await client.get("/jobs/2")).text()
    assert "▲ stands still for 3 min" in still
    assert "480 of 1000" not in await (await client.get("/jobs/4711")).text()


async def test_json_and_list_have_it(client: TestClient) -> None:
    view = msgspec.json.decode(await (await client.get("/jobs/1.json")).read(), type=JobView)
    assert view.progress is not None
    assert view.progress.values == {"loss": 0.25}
    rows = msgspec.json.decode(await (await client.get("/jobs.json")).read(), type=JobsView).rows
    assert {row.job_id: row.progress and row.progress.ratio for row in rows} == {1: 0.48, 2: 0.12, 4711: None}
    page = await (await client.get("/jobs")).text()
    assert "left</small>" in page
    assert "▲ still for 3 min" in page


async def test_top_shows_those_first_that_need_somebody(client: TestClient) -> None:
    view = msgspec.json.decode(await (await client.get("/jobs.json")).read(), type=JobsView)
    text = render_top(view, SHEET)
    assert text.splitlines()[0].startswith("2 running, 2 report progress, 1 to look at")
    rows = [line.split()[0] for line in text.splitlines()[2:]]
    assert rows == ["2", "1"]
    assert "▲ still 3 min" in text
    assert "4 min 20 s ± 2.5 s left" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "… and 1 more job" in render_top(view, SHEET, rows=1)


def test_top_says_where_nothing_runs() -> None:
    view = JobsView(made_ns=START_NS, filters={}, rows=(), counts={}, limit=200)
    assert "No job runs." in render_top(view, SHEET)
