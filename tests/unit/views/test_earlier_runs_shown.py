"""A job's page says what the user's earlier runs of the same job took, and what that says of this one."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.hub.history.facts import EarlierRun
from slurmlens.hub.history.read.earlier_runs import template_of
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.surroundings import RunSurroundings
from slurmlens.hub.views.job.view import EarlierView
from slurmlens.slurm.records import JobState
from testkit.job_gallery import completed, running
from testkit.job_hub import make_gallery_app
from testkit.job_parts import START_NS, S


def runs(*seconds: float, state: JobState = JobState.COMPLETED) -> list[EarlierRun]:
    return [EarlierRun(job_id=100 + n, run=1, state=state, ran_ns=round(s * S)) for n, s in enumerate(seconds)]


def earlier(*told: EarlierRun, after_s: int = 240) -> EarlierView:
    view = build_job_view(running(after_s), RunSurroundings(earlier=told))
    assert view.earlier is not None
    return view.earlier


def test_a_running_job_is_expected_to_take_as_long_as_its_median() -> None:
    found = earlier(*runs(580, 600, 620, 610, 590), *runs(3, state=JobState.FAILED))
    assert (found.runs, found.completed, found.failed, found.median_s) == (6, 5, 1, 600)
    assert found.expected_end_ns == START_NS + 600 * S
    assert found.text == "5 earlier runs took 10 min (9 min 44 s to 10 min 16 s)"
    assert not found.is_unusual


def test_one_that_runs_longer_than_any_before_is_told_so() -> None:
    found = earlier(*runs(60, 70, 80))
    assert found.is_unusual
    assert found.text.endswith("this one is longer than any of them")


def test_of_two_runs_nothing_is_concluded() -> None:
    found = earlier(*runs(60, 70))
    assert (found.median_s, found.expected_end_ns) == (None, None)
    assert found.text == "2 earlier runs, 2 of them completed"


def test_a_job_that_was_never_run_before_says_nothing_of_it() -> None:
    assert build_job_view(completed()).earlier is None


@given(st.lists(st.floats(min_value=0.001, max_value=1e7), min_size=3, max_size=50))
def test_the_range_holds_the_median_and_lies_within_what_was_seen(seconds: list[float]) -> None:
    found = earlier(*runs(*seconds))
    assert found.low_s is not None
    assert found.median_s is not None
    assert found.high_s is not None
    assert min(seconds) - 1e-6 <= found.low_s <= found.median_s + 1e-9
    assert found.median_s - 1e-9 <= found.high_s <= max(seconds) + 1e-6


@pytest.mark.parametrize(
    ("one", "other"), [("relax-017", "relax-18"), ("sweep_3_of_10", "sweep_4_of_10"), ("plain", "plain")]
)
def test_names_that_differ_in_numbers_are_one_job(one: str, other: str) -> None:
    assert template_of(one) == template_of(other)
    assert template_of(one) != template_of(f"{other}x")


async def test_the_page_of_a_hub_without_such_runs_has_no_word_of_them() -> None:
    async with TestClient(TestServer(make_gallery_app()[0])) as client:
        text = await (await client.get("/jobs/4711")).text()
    assert "earlier run" not in text
