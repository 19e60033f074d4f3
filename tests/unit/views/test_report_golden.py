"""The report in the terminal, as it is: one golden file for every way a job can look. Review them as code."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest

from slurmlens.hub.history.facts import JobFilter, JobList, ListPlace
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.table import job_csv
from slurmlens.hub.views.job.terminal import render_job
from slurmlens.hub.views.jobs.build import build_jobs_view
from slurmlens.hub.views.jobs.table import jobs_csv
from slurmlens.hub.views.jobs.terminal import render_jobs
from slurmlens.hub.views.jobs.view import JobsView
from slurmlens.shown.terminal import Ink, Sheet
from slurmlens.shown.text import width
from testkit.job_gallery import GALLERY
from testkit.job_hub import renumbered, row_of

Golden = Callable[[str, str], None]
NARROW = Sheet(zone=datetime.UTC, url="https://hub.example/jobs/4711")
WIDE = Sheet(zone=datetime.UTC, columns=140, full=True, url="https://hub.example/jobs/4711")


def whole_list() -> JobsView:
    rows = tuple(row_of(renumbered(make(), job_id)) for job_id, make in enumerate(GALLERY.values(), 4711))
    return build_jobs_view(JobList(rows=rows), {}, JobFilter(), 1_795_429_000 * 1_000_000_000)


@pytest.mark.parametrize("name", GALLERY)
def test_the_report_is_as_reviewed(name: str, golden: Golden) -> None:
    golden(f"report/{name}.txt", render_job(build_job_view(GALLERY[name]()), NARROW))


@pytest.mark.parametrize("name", ["failed_on_faulty_node", "hostile_name"])
def test_the_wide_report_is_as_reviewed(name: str, golden: Golden) -> None:
    golden(f"report/{name}.wide.txt", render_job(build_job_view(GALLERY[name]()), WIDE))


@pytest.mark.parametrize("name", GALLERY)
@pytest.mark.parametrize("sheet", [NARROW, WIDE], ids=["narrow", "wide"])
def test_no_line_is_wider_than_the_terminal(name: str, sheet: Sheet) -> None:
    lines = render_job(build_job_view(GALLERY[name]()), sheet).splitlines()
    assert [line for line in lines if width(line) > sheet.columns] == []


@pytest.mark.parametrize("name", GALLERY)
def test_colour_adds_escape_sequences_and_nothing_else(name: str) -> None:
    view = build_job_view(GALLERY[name]())
    coloured = render_job(view, Sheet(zone=datetime.UTC, ink=Ink(colour=True), url=NARROW.url))
    plain = render_job(view, NARROW)
    assert "\x1b[" in coloured
    for code in ("0", "1", "1;31", "1;33", "2", "32", "36"):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    assert coloured == plain


@pytest.mark.parametrize("name", GALLERY)
def test_a_plain_report_holds_no_control_character_but_newlines(name: str) -> None:
    text = render_job(build_job_view(GALLERY[name]()), WIDE)
    assert [character for character in text if character != "\n" and not character.isprintable()] == []


def test_a_large_job_shows_its_odd_node_first_and_says_how_many_it_leaves_out() -> None:
    text = render_job(build_job_view(GALLERY["large"]()), NARROW)
    rows = [line for line in text.splitlines() if line.startswith("  n")]
    assert rows[1].startswith("  n077")
    assert "… and 112 more nodes (--wide shows all)" in text
    assert "  n128" in render_job(build_job_view(GALLERY["large"]()), WIDE)


def test_the_list_of_jobs_is_as_reviewed(golden: Golden) -> None:
    golden("report/jobs.txt", render_jobs(whole_list(), NARROW))


@pytest.mark.parametrize("sheet", [NARROW, WIDE], ids=["narrow", "wide"])
def test_no_line_of_the_list_is_wider_than_the_terminal(sheet: Sheet) -> None:
    lines = render_jobs(whole_list(), sheet).splitlines()
    assert [line for line in lines if width(line) > sheet.columns] == []


def test_an_empty_list_says_what_to_do() -> None:
    view = build_jobs_view(JobList(rows=()), {"user": "nobody"}, JobFilter(user="nobody"), 0)
    assert "Without filters" in render_jobs(view, NARROW)


def test_a_list_that_goes_on_says_how_to_see_the_rest() -> None:
    whole = build_jobs_view(JobList(rows=(), next=ListPlace(2, 5, 7)), {}, JobFilter(), 0)
    assert "--after 2.5.7" in render_jobs(whole, NARROW)


def test_the_csv_of_jobs_and_of_one_job_is_as_reviewed(golden: Golden) -> None:
    golden("report/jobs.csv", jobs_csv(whole_list()).replace("\r\n", "\n"))
    golden(
        "report/failed_on_faulty_node.csv",
        job_csv(build_job_view(GALLERY["failed_on_faulty_node"]())).replace("\r\n", "\n"),
    )
